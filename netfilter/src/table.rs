//! One table, brought to a ruleset and kept there.

use std::collections::BTreeMap;

use nft::{Change, Counts, Name, Observed, Ownership, Request, Ruleset, Transaction};

use crate::Error;
use crate::batch::{NFTABLES, commit};
use crate::socket::NetfilterSocket;

/// Error numbers that the kernel refuses with.
const ENOENT: i32 = 2;
const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const EOPNOTSUPP: i32 = 95;

/// Listing is begun anew when something changes meanwhile; someone would have to change tables without pause to
/// interrupt this often.
const TRIES: usize = 100;

/// A socket that changes tables. Tables that it adds are its own: no one else may change them while it is open, and
/// they stay when it is closed, where the kernel knows that (Linux 6.9; else anyone with the capability may).
pub struct Netfilter {
    socket: NetfilterSocket,
    ownership: Ownership,
    /// The kernel has said whether it knows the flags of the ownership.
    is_asked: bool,
    known: Known,
}

/// What is known of a table.
enum Known {
    /// Nothing: it has to be listed.
    Nothing,
    /// It holds this.
    Ruleset(Ruleset),
    /// The table of this name holds what [`Netfilter::follow`] was last told that it should.
    Followed(Name),
}

/// What was done to bring a table to a ruleset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Applied {
    /// How the changes were found.
    pub way: Way,
    /// The changes: objects, rules, and sets whose elements changed; 0 when nothing had to change.
    pub changes: usize,
    /// The elements that were added and deleted.
    pub elements: usize,
    /// The messages that it took.
    pub messages: usize,
}

/// How the changes of a table were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Against what was applied before.
    Incremental,
    /// Against what the kernel listed; or there was no table.
    Observed,
    /// The table was deleted and added anew, in one transaction.
    Replaced,
}

impl Netfilter {
    /// Opens a socket. The kernel's tables stay as they are.
    ///
    /// # Errors
    /// No socket can be opened.
    pub fn open() -> Result<Self, Error> {
        Self::open_as(Ownership::OwnedAndPersistent)
    }

    /// Opens a socket whose tables are owned as said; with [`Ownership::None`] as on kernels before Linux 6.9.
    ///
    /// # Errors
    /// No socket can be opened.
    pub fn open_as(ownership: Ownership) -> Result<Self, Error> {
        let socket = NetfilterSocket::open()?;
        Ok(Self { socket, ownership, is_asked: !ownership.may_be_refused(), known: Known::Nothing })
    }

    /// Returns the number by which [`Generation::port`](crate::Generation) names this socket as who made a change.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Reads what a table holds; none when there is no such table.
    ///
    /// # Errors
    /// The kernel does not answer, or the capability is missing.
    pub fn read(&mut self, table: &Name) -> Result<Option<Observed>, Error> {
        for _ in 0..TRIES {
            if !self.is_there(table)? {
                return Ok(None);
            }
            if let Some(observed) = self.read_once(table)? {
                return Ok(Some(observed));
            }
        }
        Err(Error::Answer(format!("list table inet {table}")))
    }

    fn is_there(&mut self, table: &Name) -> Result<bool, Error> {
        let (kind, body) = Request::Table(table).message();
        let kind = NFTABLES << 8 | u16::from(kind);
        match self.socket.request(&format!("list table inet {table}"), kind, 0, &body, |_| {}) {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == Some(ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a table; none when it changed meanwhile.
    fn read_once(&mut self, table: &Name) -> Result<Option<Observed>, Error> {
        let mut observed = Observed::new(table.clone());
        let mut is_whole = self.dump(Request::Chains, |body| observed.take_chain(body))?;
        is_whole &= self.dump(Request::Sets(table), |body| observed.take_set(body))?;
        for set in observed.sets() {
            is_whole &=
                self.dump(Request::Elements(table, &set), |body| observed.take_elements(body))?;
        }
        is_whole &= self.dump(Request::Rules(table), |body| observed.take_rule(body))?;
        Ok(is_whole.then_some(observed))
    }

    /// Lists objects. Says whether all are there: one that is gone by now is a change, too.
    fn dump(&mut self, request: Request<'_>, take: impl FnMut(&[u8])) -> Result<bool, Error> {
        let (kind, body) = request.message();
        let what = format!("list {request:?}");
        match self.socket.dump(&what, NFTABLES << 8 | u16::from(kind), &body, take) {
            Err(error) if error.errno() == Some(ENOENT) => Ok(false),
            other => other,
        }
    }

    /// Finds what [`Netfilter::apply`] would change now, without changing it.
    ///
    /// # Errors
    /// As those of [`Netfilter::read`].
    pub fn plan(&mut self, desired: &Ruleset) -> Result<Transaction, Error> {
        let there = self.read(&desired.table)?.map(Observed::into_ruleset);
        Ok(Transaction::between(there.as_ref(), desired))
    }

    /// Brings a table to a ruleset, in one transaction: at each moment packets see the one or the other. What is new and
    /// has to be there before packets are led to it is made shortly before, in another one
    /// ([`Transaction::made_first`]).
    ///
    /// The first time, the table is adopted if it is there: what it holds is listed, and only what differs is
    /// changed. From then on the changes are found against what was applied before. Where the kernel refuses
    /// these, because someone else changed the table, it is listed again; and where it refuses those, the table
    /// is replaced.
    ///
    /// # Errors
    /// The kernel refuses the ruleset itself, the table is owned by another process, or the capability is
    /// missing. What packets meet is as it was.
    pub fn apply(&mut self, desired: &Ruleset) -> Result<Applied, Error> {
        let applied = match std::mem::replace(&mut self.known, Known::Nothing) {
            Known::Ruleset(known) if known.table == desired.table => {
                self.change(&Transaction::between(Some(&known), desired), desired)
            }
            _ => self.adopt(desired),
        }?;
        self.known = Known::Ruleset(desired.clone());
        Ok(applied)
    }

    /// Brings a table to a ruleset as [`Netfilter::apply`] does, by the changes that the caller knows, and keeps no copy
    /// of it: `changes` are those from the ruleset that this was last told. Nothing is searched for, unless that one was
    /// not taken, or there was none: then the table is adopted, and `changes` may be none.
    ///
    /// # Errors
    /// As those of [`Netfilter::apply`]. What packets meet is as it was, and the next time the table is listed.
    pub fn follow(
        &mut self,
        changes: Option<&Transaction>,
        desired: &Ruleset,
    ) -> Result<Applied, Error> {
        let known = std::mem::replace(&mut self.known, Known::Nothing);
        let applied = match (known, changes) {
            (Known::Followed(table), Some(changes)) if table == desired.table => {
                self.change(changes, desired)
            }
            _ => self.adopt(desired),
        }?;
        self.known = Known::Followed(desired.table.clone());
        Ok(applied)
    }

    /// Lists the table and puts right what someone else changed: `desired` is what it was brought to last. None was:
    /// nothing is done.
    ///
    /// # Errors
    /// As those of [`Netfilter::apply`].
    pub fn repair(&mut self, desired: &Ruleset) -> Result<Option<Applied>, Error> {
        match std::mem::replace(&mut self.known, Known::Nothing) {
            Known::Nothing => Ok(None),
            known => {
                let repaired = self.adopt(desired)?;
                self.known = known;
                Ok(Some(repaired))
            }
        }
    }

    /// Deletes a table, and says whether there was one.
    ///
    /// # Errors
    /// The table is owned by another process, or the capability is missing.
    pub fn uninstall(&mut self, table: &Name) -> Result<bool, Error> {
        self.known = Known::Nothing;
        match self.commit(Way::Replaced, &Transaction::deleting(table.clone())) {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what the rules of a table counted, by chain and in the order of the rules.
    ///
    /// # Errors
    /// As those of [`Netfilter::read`].
    pub fn counts(&mut self, table: &Name) -> Result<BTreeMap<Name, Vec<Counts>>, Error> {
        for _ in 0..TRIES {
            let mut counts: BTreeMap<Name, Vec<Counts>> = BTreeMap::new();
            let is_whole = self.dump(Request::Rules(table), |body| {
                if let Some((chain, counted)) = Counts::read(body) {
                    counts.entry(chain).or_default().push(counted);
                }
            })?;
            if is_whole {
                return Ok(counts);
            }
        }
        Err(Error::Answer(format!("list table inet {table}")))
    }

    /// Reads what the rules of one chain counted, in their order; nothing of a chain that is not there.
    ///
    /// # Errors
    /// As those of [`Netfilter::read`].
    pub fn counts_of(&mut self, table: &Name, chain: &Name) -> Result<Vec<Counts>, Error> {
        for _ in 0..TRIES {
            let mut counts = Vec::new();
            let (kind, body) = Request::RulesOf(table, chain).message();
            let what = format!("list chain inet {table} {chain}");
            let take = |body: &[u8]| counts.extend(Counts::read(body).map(|(_, counted)| counted));
            match self.socket.dump(&what, NFTABLES << 8 | u16::from(kind), &body, take) {
                Ok(true) => return Ok(counts),
                Ok(false) => {}
                Err(error) if error.errno() == Some(ENOENT) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Answer(format!("list chain inet {table} {chain}")))
    }

    /// Brings the table from what the kernel lists to a ruleset. A table that is there becomes this socket's own before
    /// anything of it is changed: in the same transaction, what is new could not be made before packets are led to it.
    fn apply_observed(&mut self, desired: &Ruleset) -> Result<Applied, Error> {
        let there = self.read(&desired.table)?.map(Observed::into_ruleset);
        let transaction = Transaction::between(there.as_ref(), desired);
        if there.is_none() {
            return self.commit(Way::Observed, &transaction);
        }
        let own = Transaction { table: desired.table.clone(), changes: vec![Change::AddTable] };
        let owned = self.commit(Way::Observed, &own)?;
        let applied = self.commit(Way::Observed, &transaction)?;
        Ok(Applied { messages: owned.messages + applied.messages, ..applied })
    }

    /// Changes a table that is known.
    fn change(&mut self, changes: &Transaction, desired: &Ruleset) -> Result<Applied, Error> {
        match self.commit(Way::Incremental, changes) {
            Err(error) if is_refusal(&error) => self.apply_anew(desired),
            other => other,
        }
    }

    /// Brings a table of which nothing is known to a ruleset.
    fn adopt(&mut self, desired: &Ruleset) -> Result<Applied, Error> {
        self.learn_flags();
        match self.apply_observed(desired) {
            Err(error) if is_refusal(&error) => self.apply_anew(desired),
            other => other,
        }
    }

    /// Asks the kernel, once, whether it knows the flags of tables that are owned: by a table of its own, which is gone
    /// again in the same transaction. A kernel that does not refuses it, and then tables are added without an owner. With
    /// a whole ruleset behind them, the flags would be one refusal among those of all its messages.
    fn learn_flags(&mut self) {
        if self.is_asked {
            return;
        }
        let changes = vec![Change::AddTable, Change::DeleteTable];
        let probe = Transaction { table: probe(), changes };
        match commit(&mut self.socket, &probe, self.ownership) {
            Ok(_) => self.is_asked = true,
            Err(error) if is_unknown_flag(&error) => {
                self.ownership = Ownership::None;
                self.is_asked = true;
            }
            // Such as for want of the capability: what comes next is refused for the same reason, and says it.
            Err(_) => {}
        }
    }

    /// Tries again after a refusal: against what the kernel lists, and by replacing the table.
    fn apply_anew(&mut self, desired: &Ruleset) -> Result<Applied, Error> {
        match self.apply_observed(desired) {
            Err(error) if is_refusal(&error) => self.replace(desired),
            other => other,
        }
    }

    /// Puts a ruleset in the place of whatever the table holds.
    fn replace(&mut self, desired: &Ruleset) -> Result<Applied, Error> {
        let transaction = match self.is_there(&desired.table)? {
            true => Transaction::replacing(desired),
            false => Transaction::between(None, desired),
        };
        self.commit(Way::Replaced, &transaction)
    }

    fn commit(&mut self, way: Way, transaction: &Transaction) -> Result<Applied, Error> {
        let messages = commit(&mut self.socket, transaction, self.ownership)?;
        let (changes, elements) = (transaction.changes.len(), transaction.elements());
        Ok(Applied { way, changes, elements, messages })
    }
}

/// Returns the name of the table that the kernel is asked about flags with. It is never there for anyone to see.
fn probe() -> Name {
    Name::new("portolan-probe").expect("it is a word")
}

/// Says whether another transaction may be taken: not where this process may not change the table at all.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Refused(_)) && error.errno() != Some(EPERM)
}

/// Says whether the kernel may have refused the flags of a table.
fn is_unknown_flag(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.what.starts_with("add table"))
        && matches!(error.errno(), Some(EINVAL | EOPNOTSUPP))
}
