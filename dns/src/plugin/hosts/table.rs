//! Names and addresses, as compact as a block list of half a million names needs.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use hashbrown::HashTable;

use super::key::Key;

/// The most entries of a table.
pub(super) const MAX_ENTRIES: usize = 2_000_000;

/// The most addresses of one name, and the most names that the PTR records of one address tell. A block list
/// has hundreds of thousands of names for one address, of which nobody wants a reply.
pub(super) const MAX_RECORDS: usize = 64;

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// Maps names to addresses and back.
///
/// Every entry has 32 octets, and its name stands in one long text as its labels, each after its length
/// (RFC 1035 §3.1); the two indexes hold numbers of entries.
pub(super) struct HostTable {
    hasher: RandomState,
    names: Vec<u8>,
    entries: Vec<Entry>,
    by_name: HashTable<u32>,
    by_address: HashTable<u32>,
    has_reverse: bool,
    reverse_count: usize,
}

/// An address of a name. Entries of equal names are chained, and so are those of equal addresses.
struct Entry {
    address: IpAddr,
    name_length: u8,
    name_start: u32,
    same_name: u32,
    same_address: u32,
}

impl HostTable {
    /// Returns an empty table; without `has_reverse` it finds no names of addresses.
    pub(super) fn new(has_reverse: bool) -> Self {
        Self {
            hasher: RandomState::new(),
            names: Vec::new(),
            entries: Vec::new(),
            by_name: HashTable::new(),
            by_address: HashTable::new(),
            has_reverse,
            reverse_count: 0,
        }
    }

    /// Counts the addresses of names and the names of addresses.
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.reverse_count
    }

    /// Adds an address to a name, after those that it has. What is there already, or beyond [`MAX_RECORDS`] of a
    /// name, is left out.
    ///
    /// # Errors
    /// The table has [`MAX_ENTRIES`] entries.
    pub(super) fn insert(&mut self, name: &Key, address: IpAddr) -> Result<(), TooManyEntries> {
        let chain: Vec<u32> = self.chain_of_name(name.octets()).take(MAX_RECORDS).collect();
        let has = |at: &u32| self.entries[*at as usize].address == address;
        if chain.len() == MAX_RECORDS || chain.iter().any(has) {
            return Ok(());
        }
        if self.entries.len() == MAX_ENTRIES {
            return Err(TooManyEntries);
        }
        // The entries are fewer than 2^32, and so are the octets of their names: 2,000,000 times 254.
        let number = u32::try_from(self.entries.len()).map_err(|_| TooManyEntries)?;
        let name_start = match chain.first() {
            Some(first) => self.entries[*first as usize].name_start,
            None => self.append(name)?,
        };
        self.entries.push(Entry {
            address,
            name_length: u8::try_from(name.octets().len()).unwrap_or(u8::MAX),
            name_start,
            same_name: NONE,
            same_address: NONE,
        });
        match chain.last() {
            Some(last) => self.entries[*last as usize].same_name = number,
            None => self.index_name(number),
        }
        if self.has_reverse && !name.is_wildcard() {
            self.index_address(number);
        }
        Ok(())
    }

    fn append(&mut self, name: &Key) -> Result<u32, TooManyEntries> {
        let start = u32::try_from(self.names.len()).map_err(|_| TooManyEntries)?;
        self.names.extend_from_slice(name.octets());
        Ok(start)
    }

    fn index_name(&mut self, number: u32) {
        let (names, entries, hasher) = (&self.names, &self.entries, &self.hasher);
        let hash = |at: &u32| hasher.hash_one(entries[*at as usize].name(names));
        self.by_name.insert_unique(hash(&number), number, hash);
    }

    fn index_address(&mut self, number: u32) {
        let address = self.entries[number as usize].address;
        let chain: Vec<u32> = self.chain_of_address(address).take(MAX_RECORDS).collect();
        if chain.len() == MAX_RECORDS {
            return;
        }
        self.reverse_count += 1;
        if let Some(last) = chain.last() {
            self.entries[*last as usize].same_address = number;
            return;
        }
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |at: &u32| hasher.hash_one(entries[*at as usize].address);
        self.by_address.insert_unique(hash(&number), number, hash);
    }

    /// Says whether the table has the name.
    pub(super) fn has(&self, name: &Key) -> bool {
        self.chain_of_name(name.octets()).next().is_some()
    }

    /// Returns the addresses of a name, in the order in which they were added.
    pub(super) fn addresses(&self, name: &Key) -> impl Iterator<Item = IpAddr> {
        self.chain_of_name(name.octets()).map(|at| self.entries[at as usize].address)
    }

    /// Returns the names of an address as their labels, in the order in which they were added.
    pub(super) fn names(&self, address: IpAddr) -> impl Iterator<Item = Vec<&[u8]>> {
        let chain = self.chain_of_address(address);
        chain.map(|at| labels_of(self.entries[at as usize].name(&self.names)))
    }

    fn chain_of_name(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let is_it = |at: &u32| self.entries[*at as usize].name(&self.names) == name;
        let first = self.by_name.find(self.hasher.hash_one(name), is_it).copied();
        std::iter::successors(first, |at| next(self.entries[*at as usize].same_name))
    }

    fn chain_of_address(&self, address: IpAddr) -> impl Iterator<Item = u32> {
        let is_it = |at: &u32| self.entries[*at as usize].address == address;
        let first = self.by_address.find(self.hasher.hash_one(address), is_it).copied();
        std::iter::successors(first, |at| next(self.entries[*at as usize].same_address))
    }

    /// Gives memory back that growing has left over.
    pub(super) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// Returns the memory that the table takes, in octets.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.names.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.by_name.allocation_size()
            + self.by_address.allocation_size()
    }
}

/// Says that a table is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooManyEntries;

impl Entry {
    fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        let start = self.name_start as usize;
        &names[start..start + usize::from(self.name_length)]
    }
}

fn next(number: u32) -> Option<u32> {
    (number != NONE).then_some(number)
}

fn labels_of(mut name: &[u8]) -> Vec<&[u8]> {
    let mut labels = Vec::new();
    while let Some((length, rest)) = name.split_first() {
        let (label, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        labels.push(label);
        name = rest;
    }
    labels
}

impl std::fmt::Debug for HostTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostTable").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text.as_bytes()).unwrap()
    }

    fn names(table: &HostTable, address: &str) -> Vec<String> {
        let names = table.names(address.parse().unwrap());
        names.map(|labels| String::from_utf8(labels.join(&b'.')).unwrap()).collect()
    }

    #[test]
    fn names_and_addresses_find_each_other() {
        let mut table = HostTable::new(true);
        for (name, address) in [
            ("a.example", "10.0.0.1"),
            ("b.example", "10.0.0.1"),
            ("a.example", "2001:db8::1"),
            ("A.example", "10.0.0.1"),
            ("*.example", "10.0.0.1"),
        ] {
            table.insert(&key(name), address.parse().unwrap()).unwrap();
        }
        let addresses: Vec<String> =
            table.addresses(&key("a.example")).map(|ip| ip.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.1", "2001:db8::1"]);
        assert_eq!(names(&table, "10.0.0.1"), ["a.example", "b.example"]);
        assert_eq!(names(&table, "10.0.0.2"), [""; 0]);
        assert!(table.has(&key("*.example")) && !table.has(&key("example")));
        assert_eq!(table.len(), 4 + 3);
    }

    #[test]
    fn chains_are_bounded() {
        let mut table = HostTable::new(true);
        for number in 0..1000_u32 {
            let name = key(&format!("n{number}"));
            table.insert(&name, [10, 0, 0, 1].into()).unwrap();
            table.insert(&key("many"), IpAddr::V4((number + 1).into())).unwrap();
        }
        assert_eq!(table.addresses(&key("many")).count(), MAX_RECORDS);
        assert_eq!(names(&table, "10.0.0.1").len(), MAX_RECORDS);
        assert!(table.has(&key("n999")));
    }

    #[test]
    fn a_block_list_takes_less_than_90_octets_a_name() {
        let mut table = HostTable::new(true);
        let count = 500_000;
        for number in 0..count {
            let name = key(&format!("ads{number}.tracker.example"));
            table.insert(&name, [0, 0, 0, 0].into()).unwrap();
        }
        table.shrink();
        assert_eq!(size_of::<Entry>(), 32);
        assert!(table.has(&key("ads499999.tracker.example")));
        assert!(table.memory() < 90 * count, "{} octets", table.memory());
    }
}
