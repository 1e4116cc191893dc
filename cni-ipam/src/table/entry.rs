//! What the index keeps of a slot: its places in two hash tables and in the queue of released addresses.

use std::net::IpAddr;

use cni::Attachment;

use super::layout::NONE;
use crate::address::number;
use crate::lease::{Lease, Pod};

/// Octets of an entry.
pub const ENTRY: usize = 32;

/// In no queue: the lease is held, or the slot is free.
pub const NO_RANGE: u8 = u8::MAX;

/// In no queue: the lease is released, and no range of the index has its address.
pub const OUTSIDE: u8 = u8::MAX - 1;

/// The entry of a slot with a lease. Of a free slot only `newer` counts: the next free one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Hash of what it is found by: of a held lease the attachment, of a released one the pod.
    pub key: u32,
    /// Hash of the address.
    pub address: u32,
    /// Next slot of the same bucket by attachment.
    pub next_by_key: u32,
    /// Next slot of the same bucket by address.
    pub next_by_address: u32,
    /// The slot that was released before.
    pub older: u32,
    /// The slot that was released after.
    pub newer: u32,
    /// The range whose queue it is in, or [`NO_RANGE`], or [`OUTSIDE`].
    pub range: u8,
}

impl Entry {
    /// An entry without a place.
    pub const EMPTY: Self = Self {
        key: 0,
        address: 0,
        next_by_key: NONE,
        next_by_address: NONE,
        older: NONE,
        newer: NONE,
        range: NO_RANGE,
    };

    /// Makes the entry of a lease without its places.
    pub fn of(lease: &Lease) -> Self {
        Self { key: key_of(lease), address: hash_of_address(lease.address), ..Self::EMPTY }
    }

    /// Writes the entry.
    pub fn encode(&self) -> [u8; ENTRY] {
        let mut octets = [0; ENTRY];
        let words = [
            self.key,
            self.address,
            self.next_by_key,
            self.next_by_address,
            self.older,
            self.newer,
        ];
        for (place, word) in octets.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        octets[24] = self.range;
        octets
    }

    /// Reads an entry.
    pub fn decode(octets: &[u8; ENTRY]) -> Self {
        let word =
            |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets"));
        Self {
            key: word(0),
            address: word(4),
            next_by_key: word(8),
            next_by_address: word(12),
            older: word(16),
            newer: word(20),
            range: octets[24],
        }
    }
}

/// Returns the hash of what a lease is found by.
pub fn key_of(lease: &Lease) -> u32 {
    if lease.is_held() {
        hash_of_attachment(&lease.attachment)
    } else {
        hash_of_pod(&lease.pod, &lease.attachment)
    }
}

/// Returns the hash of an attachment.
pub fn hash_of_attachment(attachment: &Attachment) -> u32 {
    hash(&[
        b"a",
        attachment.container_id.as_str().as_bytes(),
        attachment.ifname.as_str().as_bytes(),
    ])
}

/// Returns the hash of a pod's interface.
pub fn hash_of_pod(pod: &Pod, attachment: &Attachment) -> u32 {
    let ifname = attachment.ifname.as_str();
    hash(&[b"p", pod.namespace.as_bytes(), pod.name.as_bytes(), ifname.as_bytes()])
}

/// Returns the hash of an address.
pub fn hash_of_address(address: IpAddr) -> u32 {
    hash(&[if address.is_ipv4() { b"4" } else { b"6" }, &number(address).to_be_bytes()])
}

fn hash(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
        hasher.update(&[0]);
    }
    hasher.finalize()
}
