//! A store as it is, read whole and without changing it: for those who want to know, not to have.

use std::path::{Path, PathBuf};

use cni::NetworkName;

use crate::config::Placement;
use crate::edge::files::{LeasesHeader, Named, is_same_slot, place_of, read_slot};
use crate::edge::lock::{Lock, Sharing};
use crate::edge::site::Site;
use crate::edge::store::{Journal, index_header, read_journal};
use crate::failure::Failure;
use crate::lease::{Boot, Lease, SLOT, Slot};
use crate::table::build::build;
use crate::table::layout::Header;
use crate::table::transaction::Changes;
use crate::verify::verify;

/// Contradictions that are told one by one.
const MAX_SHOWN: usize = 20;

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
    /// What is damaged and was read from its copy.
    damaged: Vec<String>,
}

/// The files that there are.
struct Parts {
    leases: Option<Named>,
    copy: Option<Named>,
    index: Option<Named>,
    journal: Option<Named>,
}

impl Snapshot {
    /// Reads the store of a network; none when there is none.
    ///
    /// # Errors
    /// It is in use for too long, of a newer version, damaged beyond mending, or cannot be read.
    pub fn read(site: &Site, network: &NetworkName) -> Result<Option<Self>, Failure> {
        Self::of(&site.store_of(network, &Placement::default()), site)
    }

    /// Reads the store of a directory; none when there is none, or no lock.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub fn of(directory: &Path, site: &Site) -> Result<Option<Self>, Failure> {
        let Some(_lock) = Lock::existing(&directory.join("lock"), Sharing::Shared, site.lock_wait)?
        else {
            return Ok(None);
        };
        let open = |name: &str| Named::open(directory.join(name), false);
        let parts = Parts {
            leases: open("leases")?,
            copy: open("leases.copy")?,
            index: open("index")?,
            journal: open("journal")?,
        };
        if parts.leases.is_none() && parts.copy.is_none() && parts.index.is_none() {
            return Ok(None);
        }
        let known = parts.index.as_ref().map_or(Ok(None), index_header)?;
        let changes = parts.changes(known.as_ref())?;
        let (slots, damaged) = parts.slots(directory, &changes)?;
        let (header, index, is_anew) = parts.index(known, &changes, &slots)?;
        let mut mended_on_use = parts.cut_short(&header)?;
        let mut note =
            |is_so: bool, text: &str| mended_on_use.extend(is_so.then(|| text.to_owned()));
        note(is_anew, "the index is missing or damaged");
        note(!changes.is_empty() && !is_anew, "a change was cut short; the journal has it");
        note(
            is_over(&header, site.boot()?),
            "the store is of another boot: all its leases are gone with it",
        );
        let directory = directory.to_owned();
        Ok(Some(Self { directory, header, index, slots, mended_on_use, damaged }))
    }

    /// Tells whether the leases are gone with another boot than this one.
    pub fn is_over(&self, boot: Boot) -> bool {
        is_over(&self.header, boot)
    }

    /// Tells whether leases may be missing, which are damaged.
    pub fn has_lost_leases(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// Returns the leases, held and released.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Lease(lease) => Some(lease.as_ref()),
            Slot::Free | Slot::Unused => None,
        })
    }

    /// Returns what is damaged, and where the index does not say what the slots say.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.damaged.clone();
        let contradictions = verify(&self.header, &self.index, &self.slots);
        if !contradictions.is_empty() {
            let count = contradictions.len();
            let cure = "remove the file index, and the next call makes it anew of the leases";
            problems.push(format!("the index contradicts the leases in {count} places; {cure}"));
        }
        problems.extend(contradictions.into_iter().take(MAX_SHOWN));
        problems
    }
}

impl Parts {
    /// Returns the change that the journal has and the index does not.
    fn changes(&self, known: Option<&Header>) -> Result<Changes, Failure> {
        let Some(journal) = &self.journal else { return Ok(Changes::default()) };
        Ok(match read_journal(journal, known.map(|header| header.sequence))? {
            Journal::Change(_, changes) => changes,
            Journal::Nothing => Changes::default(),
        })
    }

    /// Returns the used slots, and what is damaged of them.
    fn slots(
        &self,
        directory: &Path,
        changes: &Changes,
    ) -> Result<(Vec<Slot>, Vec<String>), Failure> {
        let (one, other) = match (&self.leases, &self.copy) {
            (Some(leases), Some(copy)) => (leases, copy),
            (Some(only), None) | (None, Some(only)) => (only, only),
            (None, None) => return Err(unreadable(directory)),
        };
        if LeasesHeader::read(one)?.is_none() && LeasesHeader::read(other)?.is_none() {
            return Err(unreadable(directory));
        }
        let (mut slots, mut different, mut lost) = (Vec::new(), 0, 0);
        let whole = one.length()?.min(other.length()?);
        for slot in 0..slots_in(one)?.max(slots_in(other)?) {
            let late = changes.slots.get(&slot).and_then(|octets| Slot::decode(octets).ok());
            let is_in_both = late.is_none() && place_of(slot + 1) <= whole;
            different += u32::from(is_in_both && !is_same_slot(one, other, slot)?);
            slots.push(match late.map_or_else(|| read_slot(one, other, slot), Ok) {
                Err(Failure::Damaged { .. }) => {
                    lost += 1;
                    Slot::Free
                }
                read => read?,
            });
        }
        while slots.last() == Some(&Slot::Unused) {
            slots.pop();
        }
        let mut damaged = Vec::new();
        if different > 0 {
            let cure = "remove the file index to have both mended";
            damaged
                .push(format!("{different} slots differ between leases and leases.copy; {cure}"));
        }
        if lost > 0 {
            let cure = "with no container running, remove the directory";
            damaged.push(format!(
                "{lost} leases are lost: damaged in leases and in leases.copy; {cure}"
            ));
        }
        Ok((slots, damaged))
    }

    /// Returns the index, and whether it had to be made anew.
    fn index(
        &self,
        known: Option<Header>,
        changes: &Changes,
        slots: &[Slot],
    ) -> Result<(Header, Vec<u8>, bool), Failure> {
        if let (Some(index), Some(header)) = (&self.index, &known) {
            let mut octets = vec![0; usize::try_from(header.length()).unwrap_or_default()];
            index.read(0, &mut octets)?;
            changes.overlay(0, &mut octets);
            if let Ok(header) = Header::decode(&octets) {
                return Ok((header, octets, false));
            }
        }
        let capacity = u32::try_from(slots.len().max(1)).unwrap_or(u32::MAX);
        let heads = [&self.leases, &self.copy].into_iter().flatten().map(LeasesHeader::read);
        let head = heads.collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().next();
        let boot = head.map_or(Boot::default(), |head| head.boot);
        let mut template = known.unwrap_or_else(|| Header::new(boot, capacity, Vec::new()));
        template.is_durable = head.is_some_and(|head| head.is_durable);
        let (header, octets) = build(template, slots);
        Ok((header, octets, true))
    }

    /// Returns which files are missing or have lost a part.
    fn cut_short(&self, header: &Header) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        for (name, named) in
            [("leases", &self.leases), ("leases.copy", &self.copy), ("journal", &self.journal)]
        {
            let Some(named) = named else {
                all.push(format!("{name} is missing"));
                continue;
            };
            if name == "journal" {
                continue;
            }
            if named.length()? < place_of(header.used) {
                all.push(format!("{name} is cut short"));
            } else if LeasesHeader::read(named)?.is_none() {
                all.push(format!("the header of {name} is damaged; it is mended with the index"));
            }
        }
        Ok(all)
    }
}

fn is_over(header: &Header, boot: Boot) -> bool {
    header.boot != boot && !header.is_durable
}

fn slots_in(named: &Named) -> Result<u32, Failure> {
    let octets = named.length()?.saturating_sub(place_of(0));
    Ok(u32::try_from(octets.div_ceil(SLOT as u64)).unwrap_or(u32::MAX))
}

fn unreadable(directory: &Path) -> Failure {
    let problem = "neither leases nor leases.copy can be read".to_owned();
    Failure::Damaged { path: directory.to_owned(), problem }
}
