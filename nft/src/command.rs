//! Changes in nft's language, as commands that `nft -f` takes.

use std::fmt::{self, Display, Formatter};

use crate::text::{Concatenated, KeyText, RangeText, write_base, write_quoted};
use crate::{Change, ElementChange, ElementList, SetKind, Transaction};

/// One change of a transaction; writes the command.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    transaction: &'a Transaction,
    change: &'a Change,
}

impl Transaction {
    /// Returns a change as a command; none when the transaction has no such change.
    pub fn command(&self, place: usize) -> Option<Command<'_>> {
        Some(Command { transaction: self, change: self.changes.get(place)? })
    }
}

/// Writes a command for each change, one to a line.
impl Display for Transaction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let command = |change| Command { transaction: self, change };
        self.changes.iter().try_for_each(|change| writeln!(f, "{}", command(change)))
    }
}

impl Display for Command<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let table = &self.transaction.table;
        match self.change {
            Change::AddTable => write!(f, "add table inet {table}"),
            Change::DeleteTable => write!(f, "delete table inet {table}"),
            Change::AddSet { name, key, kind, comment } => {
                let types = Concatenated(key, |data_type| data_type.name());
                match kind {
                    SetKind::Keys => write!(f, "add set inet {table} {name} {{ type {types};")?,
                    SetKind::Ranges => {
                        write!(f, "add set inet {table} {name} {{ type {types}; flags interval;")?;
                    }
                    SetKind::Verdicts => {
                        write!(f, "add map inet {table} {name} {{ type {types} : verdict;")?;
                    }
                }
                write_quoted(f, comment.as_ref(), ";")?;
                f.write_str(" }")
            }
            Change::DeleteSet(name, SetKind::Verdicts) => {
                write!(f, "delete map inet {table} {name}")
            }
            Change::DeleteSet(name, _) => write!(f, "delete set inet {table} {name}"),
            Change::AddChain { name, base, comment } => {
                write!(f, "add chain inet {table} {name} {{")?;
                if let Some(base) = base {
                    f.write_str(" ")?;
                    write_base(f, base)?;
                }
                write_quoted(f, comment.as_ref(), ";")?;
                f.write_str(" }")
            }
            Change::DeleteChain(name) => write!(f, "delete chain inet {table} {name}"),
            Change::FlushChain(name) => write!(f, "flush chain inet {table} {name}"),
            Change::AddRule { chain, rule } => write!(f, "add rule inet {table} {chain} {rule}"),
            Change::AddElements(change) => {
                write!(f, "add element inet {table} {} {{ ", change.set)?;
                write_elements(f, change)
            }
            Change::DeleteElements(change) => {
                write!(f, "delete element inet {table} {} {{ ", change.set)?;
                write_elements(f, change)
            }
        }
    }
}

fn write_elements(f: &mut Formatter<'_>, change: &ElementChange) -> fmt::Result {
    let key = &change.key;
    match &change.elements {
        ElementList::Keys(keys) => {
            keys.iter().try_for_each(|k| write!(f, "{}, ", KeyText(k, key)))?
        }
        ElementList::Ranges(ranges) => {
            ranges.iter().try_for_each(|range| write!(f, "{}, ", RangeText(range, key)))?;
        }
        ElementList::Verdicts(verdicts) => {
            let mut verdicts = verdicts.iter();
            verdicts.try_for_each(|(k, verdict)| write!(f, "{} : {verdict}, ", KeyText(k, key)))?;
        }
    }
    f.write_str("}")
}
