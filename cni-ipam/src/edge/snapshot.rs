//! A store as it is, read whole and without changing it: for those who want to know, not to have.

use std::path::PathBuf;

use cni::NetworkName;

use crate::config::Placement;
use crate::edge::files::{LeasesHeader, Named, place_of, read_slot};
use crate::edge::lock::{Lock, Sharing};
use crate::edge::site::Site;
use crate::edge::store::{Journal, index_header, read_journal};
use crate::failure::Failure;
use crate::lease::{Boot, Lease, SLOT, Slot};
use crate::table::build::build;
use crate::table::layout::Header;
use crate::table::transaction::Changes;
use crate::verify::verify;

/// A store as it is.
#[derive(Debug)]
pub struct Snapshot {
    /// Its directory.
    pub directory: PathBuf,
    /// The header of its index.
    pub header: Header,
    /// Its index.
    pub index: Vec<u8>,
    /// The used slots.
    pub slots: Vec<Slot>,
    /// What was cut short or damaged, and is mended when a verb opens the store.
    pub mended_on_use: Vec<String>,
}

impl Snapshot {
    /// Reads the store of a network; none when there is none.
    ///
    /// # Errors
    /// It is in use for too long, of a newer version, damaged beyond mending, or cannot be read.
    pub fn read(site: &Site, network: &NetworkName) -> Result<Option<Self>, Failure> {
        let directory = site.store_of(network, &Placement::default());
        let Some(_lock) = Lock::existing(&directory.join("lock"), Sharing::Shared, site.lock_wait)?
        else {
            return Ok(None);
        };
        let open = |name: &str| Named::open(directory.join(name), false);
        let (leases, copy, index, journal) =
            (open("leases")?, open("leases.copy")?, open("index")?, open("journal")?);
        if leases.is_none() && copy.is_none() && index.is_none() {
            return Ok(None);
        }
        let mut mended_on_use = Vec::new();
        for (name, is_there) in [
            ("leases", leases.is_some()),
            ("leases.copy", copy.is_some()),
            ("journal", journal.is_some()),
        ] {
            if !is_there {
                mended_on_use.push(format!("{name} is missing"));
            }
        }
        let known = match &index {
            Some(index) => index_header(index)?,
            None => None,
        };
        let change = match &journal {
            Some(journal) => read_journal(journal, known.as_ref().map(|header| header.sequence))?,
            None => Journal::Nothing,
        };
        let (one, other) = match (&leases, &copy) {
            (Some(leases), Some(copy)) => (leases, copy),
            (Some(only), None) | (None, Some(only)) => (only, only),
            (None, None) => {
                let problem = "leases and leases.copy are missing".to_owned();
                return Err(Failure::Damaged { path: directory, problem });
            }
        };
        let changes = match change {
            Journal::Change(_, changes) => changes,
            Journal::Nothing => Changes::default(),
        };
        let heads = [LeasesHeader::read(one)?, LeasesHeader::read(other)?];
        let mut slots = Vec::new();
        for slot in 0..slots_in(one)?.max(slots_in(other)?) {
            let late = changes.slots.get(&slot).and_then(|octets| Slot::decode(octets).ok());
            slots.push(late.map_or_else(|| read_slot(one, other, slot), Ok)?);
        }
        while slots.last() == Some(&Slot::Unused) {
            slots.pop();
        }
        let boot = heads.iter().flatten().next().map_or(Boot::default(), |head| head.boot);
        let (header, octets) = match known {
            Some(header) => match Self::index_with(&index, &changes, &header)? {
                Some(read) => read,
                None => build(header, &slots),
            },
            None => {
                mended_on_use.push("the index is missing or damaged".to_owned());
                let capacity = u32::try_from(slots.len().max(1)).unwrap_or(u32::MAX);
                build(Header::new(boot, capacity, Vec::new()), &slots)
            }
        };
        for named in [&leases, &copy].into_iter().flatten() {
            if named.length()? < place_of(header.used) || LeasesHeader::read(named)?.is_none() {
                mended_on_use.push(format!("{} is cut short or damaged", named.path.display()));
            }
        }
        if !changes.is_empty() && !header.ranges.is_empty() {
            mended_on_use.push("a change was cut short; the journal has it".to_owned());
        }
        if header.boot != site.boot()? && !header.is_durable {
            mended_on_use
                .push("the store is of another boot: all its leases are gone with it".to_owned());
        }
        Ok(Some(Self { directory, header, index: octets, slots, mended_on_use }))
    }

    /// Returns the leases, held and released.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Lease(lease) => Some(lease.as_ref()),
            Slot::Free | Slot::Unused => None,
        })
    }

    /// Returns where the index does not say what the slots say.
    pub fn problems(&self) -> Vec<String> {
        verify(&self.header, &self.index, &self.slots)
    }

    fn index_with(
        index: &Option<Named>,
        changes: &Changes,
        header: &Header,
    ) -> Result<Option<(Header, Vec<u8>)>, Failure> {
        let Some(index) = index else { return Ok(None) };
        let mut octets = vec![0; usize::try_from(header.length()).unwrap_or_default()];
        index.read(0, &mut octets)?;
        changes.overlay(0, &mut octets);
        Ok(Header::decode(&octets).ok().map(|header| (header, octets)))
    }
}

fn slots_in(named: &Named) -> Result<u32, Failure> {
    let octets = named.length()?.saturating_sub(place_of(0));
    Ok(u32::try_from(octets.div_ceil(SLOT as u64)).unwrap_or(u32::MAX))
}
