//! Opens the files of a store, and makes those anew that are missing, damaged, too small or of another boot.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::{Journal, Wish, index_header, is_whole, read_journal};
use crate::address::Family;
use crate::edge::files::{LeasesHeader, Named, OpenFiles, place_of, read_slot};
use crate::failure::Failure;
use crate::journal::{JOURNAL, RECORD_HEADER};
use crate::lease::Slot;
use crate::range::Span;
use crate::table::build::{build, with_cursors};
use crate::table::layout::{Header, MAX_STATES, RangeState, ReleasedCount};

/// Slots of a store that is made.
const FIRST_CAPACITY: u32 = 64;

/// The files that there are.
struct Parts {
    leases: Option<Named>,
    copy: Option<Named>,
    index: Option<Named>,
    journal: Option<Named>,
}

/// What a store is made of anew.
struct Plan {
    template: Header,
    ranges: Vec<(Family, Span)>,
    slots: Vec<Slot>,
    /// The last change is of leases that are gone.
    forgets_journal: bool,
}

/// Opens the files; the caller has the lock.
pub(super) fn open(directory: &Path, wish: &Wish<'_>) -> Result<(OpenFiles, Header), Failure> {
    let parts = Parts::open(directory)?;
    let mut header = match &parts.index {
        Some(index) => index_header(index)?,
        None => None,
    };
    match (parts, header.take()) {
        (
            Parts {
                leases: Some(leases),
                copy: Some(copy),
                index: Some(index),
                journal: Some(journal),
            },
            Some(known),
        ) if is_whole(&leases, known.capacity)? && is_whole(&copy, known.capacity)? => {
            let files = OpenFiles { leases, copy, index, journal };
            let known = replay(&files, known)?;
            match known {
                Some(known) if is_wished(&known, wish) => Ok((files, known)),
                known => make_anew(directory, Parts::from(files), known, wish),
            }
        }
        (parts, known) => make_anew(directory, parts, known, wish),
    }
}

/// Makes room for more leases.
pub(super) fn grow(
    directory: &Path,
    header: &Header,
    capacity: u32,
) -> Result<(OpenFiles, Header), Failure> {
    let parts = Parts::open(directory)?;
    let slots = parts.slots(Some(header), &BTreeMap::new())?;
    let ranges: Vec<(Family, Span)> =
        header.ranges.iter().map(|state| (state.family, state.span)).collect();
    let template = Header { capacity, buckets: capacity.next_power_of_two(), ..header.clone() };
    write(directory, parts, Plan { template, ranges, slots, forgets_journal: false })
}

/// Finishes the change that the journal has and the index does not; none when the index cannot be what it was made of.
fn replay(files: &OpenFiles, header: Header) -> Result<Option<Header>, Failure> {
    match read_journal(&files.journal, Some(header.sequence))? {
        Journal::Change(sequence, changes) if sequence == header.sequence + 1 => {
            files.apply(&changes, header.is_durable)?;
            index_header(&files.index)
        }
        Journal::Change(sequence, _) if sequence > header.sequence => Ok(None),
        Journal::Change(..) | Journal::Nothing => Ok(Some(header)),
    }
}

fn is_wished(header: &Header, wish: &Wish<'_>) -> bool {
    let is_known = |(family, span): &(Family, Span)| header.range_at(*family, *span).is_some();
    header.boot == wish.boot
        && header.released_count == ReleasedCount::OfRange
        && wish.is_durable.is_none_or(|is_durable| is_durable == header.is_durable)
        && wish.ranges.iter().all(is_known)
}

fn make_anew(
    directory: &Path,
    parts: Parts,
    known: Option<Header>,
    wish: &Wish<'_>,
) -> Result<(OpenFiles, Header), Failure> {
    let head = parts.leases_header()?;
    let was_durable =
        known.as_ref().map(|header| header.is_durable).or(head.map(|head| head.is_durable));
    let boot = known.as_ref().map(|header| header.boot).or(head.map(|head| head.boot));
    let is_durable = wish.is_durable.or(was_durable).unwrap_or(false);
    let is_lost = parts.leases.is_none() && parts.copy.is_none();
    let is_over = boot.is_some_and(|boot| boot != wish.boot) && !is_durable;
    let is_first = is_lost && parts.index.is_none();
    if !is_over && !is_first && head.is_none() {
        let problem = "neither leases nor leases.copy can be read".to_owned();
        return Err(Failure::Damaged { path: directory.to_owned(), problem });
    }
    let mut template =
        known.unwrap_or_else(|| Header::new(boot.unwrap_or(wish.boot), FIRST_CAPACITY, Vec::new()));
    let mut slots = Vec::new();
    let mut parts = parts;
    if is_over || is_first {
        let sequence = template.sequence;
        template = Header::new(wish.boot, FIRST_CAPACITY, Vec::new());
        template.sequence = sequence;
        (parts.leases, parts.copy) = (None, None);
    } else {
        let changes = match &parts.journal {
            Some(journal) => read_journal(journal, None)?,
            None => Journal::Nothing,
        };
        let late = match changes {
            Journal::Change(sequence, changes) if sequence >= template.sequence => {
                template.sequence = sequence;
                changes.slots
            }
            Journal::Change(..) | Journal::Nothing => BTreeMap::new(),
        };
        slots = parts.slots(Some(&template), &late)?;
    }
    template.has_earlier_boots |= is_durable && template.boot != wish.boot;
    template.boot = wish.boot;
    template.is_durable = is_durable;
    let ranges = wish.ranges.to_vec();
    write(directory, parts, Plan { template, ranges, slots, forgets_journal: is_over || is_first })
}

impl Parts {
    fn open(directory: &Path) -> Result<Self, Failure> {
        let open = |name: &str| Named::open(directory.join(name), true);
        Ok(Self {
            leases: open("leases")?,
            copy: open("leases.copy")?,
            index: open("index")?,
            journal: open("journal")?,
        })
    }

    fn leases_header(&self) -> Result<Option<LeasesHeader>, Failure> {
        for named in [&self.leases, &self.copy].into_iter().flatten() {
            if let Some(header) = LeasesHeader::read(named)? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Reads the slots that were ever used, with those over them that a change has.
    fn slots(
        &self,
        known: Option<&Header>,
        late: &BTreeMap<u32, [u8; crate::lease::SLOT]>,
    ) -> Result<Vec<Slot>, Failure> {
        let (one, other) = match (&self.leases, &self.copy) {
            (Some(leases), Some(copy)) => (leases, copy),
            (Some(only), None) | (None, Some(only)) => (only, only),
            (None, None) => return Ok(Vec::new()),
        };
        let used = known.map_or(0, |header| header.used);
        let last_late = late.keys().next_back().map_or(0, |slot| slot + 1);
        let end = slots_in(one)?.max(slots_in(other)?).max(used).max(last_late);
        let mut slots = Vec::new();
        for slot in 0..end {
            slots.push(match late.get(&slot).and_then(|octets| Slot::decode(octets).ok()) {
                Some(slot) => slot,
                None => read_slot(one, other, slot)?,
            });
        }
        while slots.last() == Some(&Slot::Unused) && slots.len() as u64 > u64::from(used) {
            slots.pop();
        }
        // What the index calls used is in one of the files.
        if let Some(slot) = slots.iter().position(|slot| *slot == Slot::Unused) {
            let path = one.path.parent().unwrap_or(&one.path).to_owned();
            return Err(Failure::Damaged {
                path,
                problem: format!("slot {slot} is missing from leases and leases.copy"),
            });
        }
        Ok(slots)
    }
}

impl From<OpenFiles> for Parts {
    fn from(files: OpenFiles) -> Self {
        let OpenFiles { leases, copy, index, journal } = files;
        Self { leases: Some(leases), copy: Some(copy), index: Some(index), journal: Some(journal) }
    }
}

fn slots_in(named: &Named) -> Result<u32, Failure> {
    let octets = named.length()?.saturating_sub(place_of(0));
    Ok(u32::try_from(octets.div_ceil(crate::lease::SLOT as u64)).unwrap_or(u32::MAX))
}

/// Writes the files. Until the index has its name, all of this can be done again.
fn write(directory: &Path, parts: Parts, plan: Plan) -> Result<(OpenFiles, Header), Failure> {
    let Plan { mut template, ranges, slots, forgets_journal } = plan;
    let used = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    template.capacity = template.capacity.max(used);
    template.buckets = template.capacity.next_power_of_two();
    template.ranges = merge(&template.ranges, &ranges, &slots);
    let (header, index_octets) = build(template, &slots);
    let head = LeasesHeader { boot: header.boot, is_durable: header.is_durable };
    let leases = leases_file(directory, "leases", parts.leases, head, header.capacity, &slots)?;
    let copy = leases_file(directory, "leases.copy", parts.copy, head, header.capacity, &slots)?;
    let journal = match parts.journal {
        Some(journal) => journal,
        None => Named::create(directory.join("journal"))?,
    };
    journal.allocate(JOURNAL)?;
    if forgets_journal {
        journal.write(0, &[0; RECORD_HEADER])?;
    }
    let mut index = Named::create(directory.join("index.new"))?;
    index.allocate(index_octets.len() as u64)?;
    index.write(0, &index_octets)?;
    if header.is_durable {
        [&leases, &copy, &journal, &index].into_iter().try_for_each(Named::sync)?;
    }
    index.rename(directory.join("index"))?;
    if header.is_durable {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| Failure::io("write", directory, error))?;
    }
    Ok((OpenFiles { leases, copy, index, journal }, header))
}

/// Brings a file of leases to what it should hold; one that is missing or damaged is written next to its place first.
fn leases_file(
    directory: &Path,
    name: &str,
    there: Option<Named>,
    head: LeasesHeader,
    capacity: u32,
    slots: &[Slot],
) -> Result<Named, Failure> {
    if let Some(named) = there
        && LeasesHeader::read(&named)?.is_some()
        && named.length()? >= place_of(u32::try_from(slots.len()).unwrap_or(u32::MAX))
    {
        named.allocate(place_of(capacity))?;
        named.write(0, &head.encode())?;
        for (at, slot) in (0..).zip(slots) {
            let octets = slot.encode();
            let mut present = [0; crate::lease::SLOT];
            named.read(place_of(at), &mut present)?;
            if present != octets {
                named.write(place_of(at), &octets)?;
            }
        }
        return Ok(named);
    }
    let mut named = Named::create(directory.join(format!("{name}.new")))?;
    named.allocate(place_of(capacity))?;
    named.write(0, &head.encode())?;
    (0..).zip(slots).try_for_each(|(at, slot)| named.write(place_of(at), &slot.encode()))?;
    named.rename(directory.join(name))?;
    Ok(named)
}

/// Returns the states of the ranges: those that are wished first, then others that are known, as many as there is room.
fn merge(known: &[RangeState], wished: &[(Family, Span)], slots: &[Slot]) -> Vec<RangeState> {
    let state_of = |family: Family, span: Span| {
        known.iter().find(|state| state.family == family && state.span == span).cloned()
    };
    let all = wished.iter().copied().chain(known.iter().map(|state| (state.family, state.span)));
    let mut spans: Vec<(Family, Span)> = Vec::new();
    for span in all {
        if !spans.contains(&span) && spans.len() < MAX_STATES {
            spans.push(span);
        }
    }
    let fresh = spans.iter().map(|(family, span)| RangeState::new(*family, *span)).collect();
    let fresh = with_cursors(fresh, slots);
    fresh.into_iter().map(|fresh| state_of(fresh.family, fresh.span).unwrap_or(fresh)).collect()
}
