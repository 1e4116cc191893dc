//! Opens stores for the verbs that have nothing to do where nothing was given out: DEL, CHECK and GC.

use std::path::Path;

use cni::NetworkName;

use super::session::Session;
use crate::config::Placement;
use crate::edge::host_local::entries;
use crate::edge::site::Site;
use crate::edge::snapshot::Snapshot;
use crate::edge::store::Store;
use crate::failure::Failure;
use crate::host_local::Entry;
use crate::lease::Lease;

/// Opens the store of a network; none where it surely has no held lease that is meant. That is so where nothing was ever
/// given out, and where files cannot be written, as on a full disk, that the first ADD could not make, or that have to be
/// mended first: the store is read as it is then.
///
/// # Errors
/// As [`Session::open`].
pub(super) fn open<'a>(
    site: &'a Site,
    network: &'a NetworkName,
    placement: &'a Placement,
    is_meant: impl Fn(&Lease) -> bool,
) -> Result<Option<Session<'a>>, Failure> {
    let store = site.store_of(network, placement);
    let files = placement.data_dir.join(network.as_str());
    if !Store::is_there(&store) && !files.is_dir() {
        return Ok(None);
    }
    match Session::open(site, network, placement, &[], None) {
        Err(failure @ Failure::Io { .. }) => match may_have(site, &store, &files, is_meant) {
            Ok(false) => Ok(None),
            Ok(true) | Err(_) => Err(failure),
        },
        opened => opened.map(Some),
    }
}

/// Tells whether a store or the files of host-local that it would import may have a held lease that is meant. Nothing is
/// written.
fn may_have(
    site: &Site,
    store: &Path,
    files: &Path,
    is_meant: impl Fn(&Lease) -> bool,
) -> Result<bool, Failure> {
    let snapshot = Snapshot::of(store, site)?;
    let mut is_imported = false;
    match snapshot {
        // Its leases are gone with another boot, and its files are imported again.
        Some(snapshot) if snapshot.is_over(site.boot()?) => {}
        Some(snapshot) => {
            if snapshot.has_lost_leases()
                || snapshot.leases().any(|lease| lease.is_held() && is_meant(lease))
            {
                return Ok(true);
            }
            is_imported = snapshot.header.is_imported;
        }
        // Without its lock nobody may read it.
        None if Store::is_there(store) => return Ok(true),
        None => {}
    }
    if is_imported || !files.is_dir() {
        return Ok(false);
    }
    let mut leases = entries(files)?.into_iter().filter_map(|imported| match imported.entry {
        Entry::Lease(address, attachment) => {
            Some(Lease::imported(address, attachment, imported.written))
        }
        Entry::Last(..) | Entry::Leaked(_) | Entry::Other => None,
    });
    Ok(leases.any(|lease| is_meant(&lease)))
}
