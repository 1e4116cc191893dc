//! Where things are in the index file. All numbers are little-endian.
//!
//! | part | octets |
//! |---|---|
//! | header and ranges | [`HEADER`] |
//! | first slot of each bucket, by attachment | 4 × buckets |
//! | first slot of each bucket, by address | 4 × buckets |
//! | an [`Entry`](super::entry::Entry) for each slot | 32 × capacity |
//! | for each range of at most [`MAX_MAPPED`] addresses: taken addresses of each chunk, then a bit for each address | see [`Map`] |

use crate::address::Family;
use crate::lease::Boot;
use crate::range::Span;

/// The format of index and leases.
pub const FORMAT: u32 = 1;
/// What an index begins with.
pub const INDEX_MAGIC: &[u8; 8] = b"ptlnIDX\n";
/// Octets of the header with all ranges.
pub const HEADER: usize = 8192;
/// No slot.
pub const NONE: u32 = u32::MAX;
/// Most ranges of an index: those of the configuration, and others that requests have brought along.
pub const MAX_STATES: usize = 90;
/// Most leases of a store, held and released: 1.6 GiB in both files of leases.
pub const MAX_LEASES: u32 = 1 << 20;
/// Ranges with more addresses have no bits: so few of them are ever taken that trying one after the other finds a free one.
pub const MAX_MAPPED: u128 = 1 << 24;
/// Addresses of a chunk of a map: a page of bits.
pub const CHUNK: u64 = 8 * CHUNK_OCTETS as u64;
/// Octets of a chunk.
pub const CHUNK_OCTETS: usize = 4096;

const FIXED: usize = 128;
const STATE: usize = 80;

/// What is known of a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeState {
    /// Its family.
    pub family: Family,
    /// Its addresses.
    pub span: Span,
    /// The address to try next; inside of the span.
    pub cursor: u128,
    /// The change that took the last address of it, 0 for none: host-local goes on in the range it last used.
    pub served: u64,
    /// Addresses of it that are held or released.
    pub taken: u64,
    /// Oldest slot of its released leases.
    pub oldest: u32,
    /// Newest slot of its released leases.
    pub newest: u32,
    /// Addresses of it that are released; their leases may be in the queue of another range that has them, too.
    pub released: u32,
}

/// What [`RangeState::released`] counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReleasedCount {
    /// The leases in the range's queue: an earlier version has counted so, which is wrong where ranges overlap.
    OfQueue,
    /// The released leases whose addresses are in the range.
    OfRange,
}

/// The changing part of the index that is read and written as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The number of the last change.
    pub sequence: u64,
    /// The boot in which the index was made.
    pub boot: Boot,
    /// Slots that there is room for.
    pub capacity: u32,
    /// Buckets of each of the two hash tables; a power of two.
    pub buckets: u32,
    /// Slots that have ever been used.
    pub used: u32,
    /// First free slot below `used`.
    pub free: u32,
    /// Leases that are held.
    pub held: u32,
    /// Slot that collecting looks at next.
    pub collected: u32,
    /// The leases of host-local have been imported.
    pub is_imported: bool,
    /// The leases outlive a reboot.
    pub is_durable: bool,
    /// Leases may be of an earlier boot.
    pub has_earlier_boots: bool,
    /// What is counted as released of each range.
    pub released_count: ReleasedCount,
    /// Checksum of the settings that are written beside the store; 0: none are.
    pub settings: u32,
    /// The ranges.
    pub ranges: Vec<RangeState>,
}

/// The header cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// It is none, or its checksum is wrong.
    Damaged,
    /// It has this format, which is newer.
    Newer(u32),
}

/// Where the map of a range is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Map {
    /// Octet of the counts: two octets for each chunk.
    pub counts: u64,
    /// Octet of the bits.
    pub bits: u64,
    /// Chunks.
    pub chunks: u64,
    /// Addresses.
    pub addresses: u64,
}

impl RangeState {
    /// Makes the state of a range with nothing in it.
    pub fn new(family: Family, span: Span) -> Self {
        let (cursor, served, taken, released) = (span.first, 0, 0, 0);
        Self { family, span, cursor, served, taken, oldest: NONE, newest: NONE, released }
    }

    /// Says whether an address is of this range.
    pub fn has(&self, family: Family, number: u128) -> bool {
        self.family == family && self.span.contains(number)
    }

    /// Returns the number of addresses if they have a map.
    pub fn mapped(&self) -> Option<u64> {
        let count = self.span.count();
        if count <= MAX_MAPPED { u64::try_from(count).ok() } else { None }
    }
}

impl Header {
    /// Makes the header of an empty index.
    pub fn new(boot: Boot, capacity: u32, ranges: Vec<RangeState>) -> Self {
        let buckets = capacity.next_power_of_two();
        let (sequence, used, held, collected) = (0, 0, 0, 0);
        let (is_imported, is_durable, has_earlier_boots, settings) = (false, false, false, 0);
        Self {
            is_durable,
            has_earlier_boots,
            released_count: ReleasedCount::OfRange,
            settings,
            sequence,
            boot,
            capacity,
            buckets,
            used,
            free: NONE,
            held,
            collected,
            is_imported,
            ranges,
        }
    }

    /// Returns where the first slot of an attachment's bucket is.
    pub fn attachment_bucket(&self, hash: u32) -> u64 {
        HEADER as u64 + 4 * u64::from(hash & (self.buckets - 1))
    }

    /// Returns where the first slot of an address's bucket is.
    pub fn address_bucket(&self, hash: u32) -> u64 {
        self.attachment_bucket(hash) + 4 * u64::from(self.buckets)
    }

    /// Returns where the entry of a slot is.
    pub fn entry(&self, slot: u32) -> u64 {
        HEADER as u64 + 8 * u64::from(self.buckets) + 32 * u64::from(slot)
    }

    /// Returns where the map of a range is; none when it has none.
    pub fn map(&self, range: usize) -> Option<Map> {
        let addresses = self.ranges[range].mapped()?;
        let before = self.ranges[..range].iter().map(map_octets).sum::<u64>();
        let chunks = addresses.div_ceil(CHUNK);
        let counts = self.entry(self.capacity) + before;
        Some(Map { counts, bits: counts + count_octets(chunks), chunks, addresses })
    }

    /// Returns the octets of the whole index.
    pub fn length(&self) -> u64 {
        self.entry(self.capacity) + self.ranges.iter().map(map_octets).sum::<u64>()
    }

    /// Writes the header.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = vec![0; FIXED + STATE * self.ranges.len()];
        octets[..8].copy_from_slice(INDEX_MAGIC);
        octets[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let ranges = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        let words =
            [self.capacity, self.buckets, self.used, self.free, self.held, self.collected, ranges];
        for (place, word) in octets[16..44].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        octets[44] = u8::from(self.is_imported);
        octets[45] = u8::from(self.is_durable);
        octets[46] = u8::from(self.has_earlier_boots);
        octets[47] = u8::from(self.released_count == ReleasedCount::OfRange);
        octets[72..76].copy_from_slice(&self.settings.to_le_bytes());
        octets[48..56].copy_from_slice(&self.sequence.to_le_bytes());
        octets[56..72].copy_from_slice(&self.boot.0.to_le_bytes());
        for (place, state) in octets[FIXED..].chunks_exact_mut(STATE).zip(&self.ranges) {
            encode_state(state, place);
        }
        let sum = crc32fast::hash(&octets[16..]);
        octets[12..16].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    /// Reads a header.
    ///
    /// # Errors
    /// It is damaged, or of a newer format.
    pub fn decode(octets: &[u8]) -> Result<Self, HeaderError> {
        if octets.get(..8) != Some(INDEX_MAGIC.as_slice()) || octets.len() < FIXED {
            return Err(HeaderError::Damaged);
        }
        let word =
            |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets"));
        if word(8) > FORMAT {
            return Err(HeaderError::Newer(word(8)));
        }
        let count = usize::try_from(word(40)).ok().filter(|count| *count <= MAX_STATES);
        let states = count
            .and_then(|count| octets.get(FIXED..FIXED + STATE * count))
            .ok_or(HeaderError::Damaged)?;
        if crc32fast::hash(&octets[16..FIXED + states.len()]) != word(12) {
            return Err(HeaderError::Damaged);
        }
        let ranges = states
            .chunks_exact(STATE)
            .map(decode_state)
            .collect::<Option<Vec<RangeState>>>()
            .ok_or(HeaderError::Damaged)?;
        let header = Self {
            sequence: u64::from_le_bytes(octets[48..56].try_into().expect("eight octets")),
            boot: Boot(u128::from_le_bytes(octets[56..72].try_into().expect("sixteen octets"))),
            capacity: word(16),
            buckets: word(20),
            used: word(24),
            free: word(28),
            held: word(32),
            collected: word(36),
            is_imported: octets[44] != 0,
            is_durable: octets[45] != 0,
            has_earlier_boots: octets[46] != 0,
            released_count: released_count(octets[47], &ranges),
            settings: word(72),
            ranges,
        };
        let is_sound = header.buckets.is_power_of_two() && header.used <= header.capacity;
        if is_sound { Ok(header) } else { Err(HeaderError::Damaged) }
    }

    /// Returns the first range that has an address.
    pub fn range_of(&self, family: Family, number: u128) -> Option<usize> {
        self.ranges.iter().position(|state| state.has(family, number))
    }

    /// Returns the range whose queue a released address is put into: of those that have it the smallest, so that the
    /// queue of a pool has the addresses of a smaller one inside of it only where it has to.
    pub fn queue_of(&self, family: Family, number: u128) -> Option<usize> {
        let having = self.ranges.iter().enumerate().filter(|(_, it)| it.has(family, number));
        having.min_by_key(|(_, it)| it.span.count()).map(|(range, _)| range)
    }

    /// Returns the ranges that have addresses of a range, with itself: their queues may have its released leases.
    pub fn overlapping(&self, range: usize) -> impl Iterator<Item = usize> {
        (0..self.ranges.len()).filter(move |other| self.overlap(*other, range))
    }

    /// Says whether two ranges have an address in common.
    pub fn overlap(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.ranges[one], &self.ranges[other]);
        one.family == other.family && one.span.overlaps(other.span)
    }

    /// Returns the range with these addresses.
    pub fn range_at(&self, family: Family, span: Span) -> Option<usize> {
        self.ranges.iter().position(|state| state.family == family && state.span == span)
    }
}

/// Reads what is counted as released. An earlier version has left the octet out; without overlaps it counted the same.
fn released_count(octet: u8, ranges: &[RangeState]) -> ReleasedCount {
    let overlaps = |(at, one): (usize, &RangeState)| {
        let mut others = ranges[..at].iter();
        others.any(|other| other.family == one.family && other.span.overlaps(one.span))
    };
    if octet == 0 && ranges.iter().enumerate().any(overlaps) {
        ReleasedCount::OfQueue
    } else {
        ReleasedCount::OfRange
    }
}

fn count_octets(chunks: u64) -> u64 {
    (2 * chunks).next_multiple_of(8)
}

fn map_octets(state: &RangeState) -> u64 {
    state.mapped().map_or(0, |addresses| {
        let chunks = addresses.div_ceil(CHUNK);
        count_octets(chunks) + chunks * CHUNK_OCTETS as u64
    })
}

fn encode_state(state: &RangeState, octets: &mut [u8]) {
    octets[0] = if state.family == Family::V4 { 4 } else { 6 };
    for (place, number) in
        octets[1..49].chunks_exact_mut(16).zip([state.span.first, state.span.last, state.cursor])
    {
        place.copy_from_slice(&number.to_le_bytes());
    }
    octets[49..57].copy_from_slice(&state.served.to_le_bytes());
    octets[57..65].copy_from_slice(&state.taken.to_le_bytes());
    for (place, word) in
        octets[65..77].chunks_exact_mut(4).zip([state.oldest, state.newest, state.released])
    {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

fn decode_state(octets: &[u8]) -> Option<RangeState> {
    let wide =
        |at: usize| u128::from_le_bytes(octets[at..at + 16].try_into().expect("sixteen octets"));
    let long = |at: usize| u64::from_le_bytes(octets[at..at + 8].try_into().expect("eight octets"));
    let word = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets"));
    let family = match octets[0] {
        4 => Family::V4,
        6 => Family::V6,
        _ => return None,
    };
    let span = Span { first: wide(1), last: wide(17) };
    if span.first > span.last {
        return None;
    }
    let (served, taken, oldest, newest, released) =
        (long(49), long(57), word(65), word(69), word(73));
    Some(RangeState { family, span, cursor: wide(33), served, taken, oldest, newest, released })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let mut v4 = RangeState::new(Family::V4, Span { first: 9, last: 9 + 100_000 });
        v4.cursor = 77;
        v4.released = 3;
        let v6 = RangeState::new(Family::V6, Span { first: 1 << 90, last: (1 << 90) + MAX_MAPPED });
        let mut header = Header::new(Boot(1 << 127), 300, vec![v6, v4]);
        header.is_imported = true;
        header.sequence = u64::MAX;
        header
    }

    #[test]
    fn a_header_is_read_as_it_was_written_or_not_at_all() {
        let octets = header().encode();
        assert_eq!(Header::decode(&octets), Ok(header()));
        for length in 0..octets.len() {
            assert_eq!(
                Header::decode(&octets[..length]),
                Err(HeaderError::Damaged),
                "{length} octets"
            );
        }
        for at in 16..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 0x10;
            assert_eq!(Header::decode(&changed), Err(HeaderError::Damaged), "octet {at}");
        }
        let mut newer = octets;
        newer[8] += 1;
        assert_eq!(Header::decode(&newer), Err(HeaderError::Newer(FORMAT + 1)));
    }

    /// What an earlier version has left out only matters where ranges overlap.
    #[test]
    fn released_addresses_of_an_earlier_version_are_counted_anew_where_ranges_overlap() {
        let span = |first, last| RangeState::new(Family::V4, Span { first, last });
        let v6 = RangeState::new(Family::V6, Span { first: 1, last: 9 });
        for (ranges, expected) in [
            (vec![span(1, 9), span(10, 19), v6.clone()], ReleasedCount::OfRange),
            (vec![span(1, 9), v6, span(9, 19)], ReleasedCount::OfQueue),
        ] {
            let mut header = Header::new(Boot(1), 1, ranges);
            assert_eq!(Header::decode(&header.encode()), Ok(header.clone()));
            header.released_count = ReleasedCount::OfQueue;
            let decoded = Header::decode(&header.encode()).unwrap();
            assert_eq!(decoded.released_count, expected);
        }
    }

    #[test]
    fn parts_of_the_index_do_not_overlap() {
        let header = header();
        assert_eq!(header.buckets, 512);
        assert_eq!(header.address_bucket(0), header.attachment_bucket(511) + 4);
        assert_eq!(header.entry(0), header.address_bucket(511) + 4);
        assert_eq!(header.map(0), None);
        let map = header.map(1).unwrap();
        assert_eq!(map.counts, header.entry(300));
        assert_eq!((map.chunks, map.addresses), (4, 100_001));
        assert_eq!(header.length(), map.bits + 4 * 4096);
    }

    #[test]
    fn all_ranges_fit_in_the_header() {
        let states = vec![RangeState::new(Family::V4, Span { first: 0, last: 1 }); MAX_STATES];
        assert!(Header::new(Boot(0), 1, states).encode().len() <= HEADER);
    }
}
