//! The released leases of each range in the order of their release, linked in both directions.

use super::chain::{entry, put_entry};
use super::entry::Entry;
use super::layout::{Header, NONE};
use super::transaction::Transaction;
use crate::failure::Failure;

/// Appends a slot to the queue of its entry's range; the caller writes the entry.
pub(super) fn push(
    transaction: &mut Transaction<'_>,
    header: &mut Header,
    slot: u32,
    new: &mut Entry,
) -> Result<(), Failure> {
    let range = usize::from(new.range);
    let newest = header.ranges[range].newest;
    new.older = newest;
    new.newer = NONE;
    if newest == NONE {
        header.ranges[range].oldest = slot;
    } else {
        let mut before = entry(transaction, header, newest)?;
        before.newer = slot;
        put_entry(transaction, header, newest, &before);
    }
    header.ranges[range].newest = slot;
    Ok(())
}

/// Takes the slot of an entry out of its queue, if it is in one; the caller writes the entry.
pub(super) fn remove(
    transaction: &mut Transaction<'_>,
    header: &mut Header,
    old: &Entry,
) -> Result<(), Failure> {
    let range = usize::from(old.range);
    if range >= header.ranges.len() {
        return Ok(());
    }
    if old.older == NONE {
        header.ranges[range].oldest = old.newer;
    } else {
        let mut before = entry(transaction, header, old.older)?;
        before.newer = old.newer;
        put_entry(transaction, header, old.older, &before);
    }
    if old.newer == NONE {
        header.ranges[range].newest = old.older;
    } else {
        let mut after = entry(transaction, header, old.newer)?;
        after.older = old.older;
        put_entry(transaction, header, old.newer, &after);
    }
    Ok(())
}
