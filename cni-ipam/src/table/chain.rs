//! The buckets of the two hash tables: slots in singly linked chains.

use super::entry::Entry;
use super::layout::{Header, NONE};
use super::transaction::Transaction;
use crate::failure::Failure;

/// One of the two hash tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    /// By attachment, or by pod.
    Key,
    /// By address.
    Address,
}

impl By {
    fn bucket(self, header: &Header, hash: u32) -> u64 {
        match self {
            Self::Key => header.attachment_bucket(hash),
            Self::Address => header.address_bucket(hash),
        }
    }

    fn hash(self, entry: &Entry) -> u32 {
        match self {
            Self::Key => entry.key,
            Self::Address => entry.address,
        }
    }

    fn next(self, entry: &mut Entry) -> &mut u32 {
        match self {
            Self::Key => &mut entry.next_by_key,
            Self::Address => &mut entry.next_by_address,
        }
    }
}

/// Reads an entry.
pub(super) fn entry(
    transaction: &Transaction<'_>,
    header: &Header,
    slot: u32,
) -> Result<Entry, Failure> {
    Ok(Entry::decode(&transaction.read(header.entry(slot))?))
}

/// Writes an entry.
pub(super) fn put_entry(
    transaction: &mut Transaction<'_>,
    header: &Header,
    slot: u32,
    entry: &Entry,
) {
    transaction.write(header.entry(slot), &entry.encode());
}

/// Returns the slots whose hash is this one.
pub(super) fn slots(
    transaction: &Transaction<'_>,
    header: &Header,
    by: By,
    hash: u32,
) -> Result<Vec<u32>, Failure> {
    let mut found = Vec::new();
    let mut slot = u32::from_le_bytes(transaction.read(by.bucket(header, hash))?);
    // A chain that a damaged index has made a ring ends, too.
    for _ in 0..header.capacity {
        if slot >= header.capacity {
            break;
        }
        let mut entry = entry(transaction, header, slot)?;
        if by.hash(&entry) == hash {
            found.push(slot);
        }
        slot = *by.next(&mut entry);
    }
    Ok(found)
}

/// Puts a slot at the head of its chain.
pub(super) fn link(
    transaction: &mut Transaction<'_>,
    header: &Header,
    by: By,
    slot: u32,
    entry: &mut Entry,
) -> Result<(), Failure> {
    let bucket = by.bucket(header, by.hash(entry));
    *by.next(entry) = u32::from_le_bytes(transaction.read(bucket)?);
    transaction.write(bucket, &slot.to_le_bytes());
    Ok(())
}

/// Takes a slot out of its chain.
pub(super) fn unlink(
    transaction: &mut Transaction<'_>,
    header: &Header,
    by: By,
    slot: u32,
    entry: &mut Entry,
) -> Result<(), Failure> {
    let bucket = by.bucket(header, by.hash(entry));
    let next = std::mem::replace(by.next(entry), NONE);
    let mut at = u32::from_le_bytes(transaction.read(bucket)?);
    if at == slot {
        transaction.write(bucket, &next.to_le_bytes());
        return Ok(());
    }
    for _ in 0..header.capacity {
        if at >= header.capacity {
            break;
        }
        let mut before = self::entry(transaction, header, at)?;
        let after = *by.next(&mut before);
        if after == slot {
            *by.next(&mut before) = next;
            put_entry(transaction, header, at, &before);
            break;
        }
        at = after;
    }
    Ok(())
}
