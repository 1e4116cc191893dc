//! What people ask of stores: who holds an address and why, whether a store is sound, and to collect what is dead.
//!
//! All but [`collect`] only read, and so they show a store as it is: of another boot, damaged, or of a network whose
//! configuration is gone.

mod explain;
mod fullness;
mod listed;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::Duration;

use cni::NetworkName;
use serde::Serialize;

pub use explain::{Explanation, Finding, RangeUse, explain, usage};
pub use fullness::Fullness;
pub use listed::{Listed, PodName};

use crate::config::Placement;
use crate::edge::settings::Settings;
use crate::edge::site::Site;
use crate::edge::snapshot::Snapshot;
use crate::edge::store::Store;
use crate::edge::witness::Witnesses;
use crate::failure::Failure;
use crate::lease::{Lease, Slot};
use crate::verbs::{Cause, Session};

/// The leases of the networks that were asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Listing {
    /// By network, then by address.
    pub leases: Vec<Listed>,
}

/// What a collection has freed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Collected {
    /// The leases that were freed, by network, then by slot.
    pub freed: Vec<Listed>,
    /// The leases that are left, with who keeps each.
    pub kept: Vec<Listed>,
}

/// Whether the stores are sound.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verification {
    /// Each store.
    pub stores: Vec<Verified>,
}

/// Whether a store is sound.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verified {
    /// The network.
    pub network: String,
    /// Its directory.
    pub directory: String,
    /// Leases that are held.
    pub held: usize,
    /// Leases that are released and left alone.
    pub released: usize,
    /// What is wrong and cannot be mended; empty: the store is sound.
    pub problems: Vec<String>,
    /// What was cut short or damaged, and is mended when a verb opens the store next.
    pub mended_on_use: Vec<String>,
}

/// Returns the networks that have a store, in order.
///
/// # Errors
/// The directory of stores cannot be read.
pub fn networks(site: &Site) -> Result<Vec<NetworkName>, Failure> {
    let entries = match fs::read_dir(&site.store_root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::io("read", &site.store_root, error)),
    };
    let mut networks = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Failure::io("read", &site.store_root, error))?;
        let name =
            entry.file_name().into_string().ok().and_then(|name| NetworkName::parse(&name).ok());
        networks.extend(name.filter(|_| entry.path().join("lock").exists()));
    }
    networks.sort_unstable();
    Ok(networks)
}

/// Lists the leases of a network, or of all.
///
/// # Errors
/// A store cannot be read.
pub fn list(site: &Site, network: Option<&NetworkName>) -> Result<Listing, Failure> {
    let mut leases = Vec::new();
    for network in asked(site, network)? {
        let Some(snapshot) = Snapshot::read(site, &network)? else { continue };
        let settings = Settings::read(&snapshot.directory)?;
        let witnesses = Witnesses::new(site, &network, &settings.placement(), None)?;
        leases.extend(
            snapshot.leases().map(|lease| Listed::new(lease, &network, &witnesses, site.now)),
        );
    }
    leases.sort_by(|one, other| (&one.network, one.address).cmp(&(&other.network, other.address)));
    Ok(Listing { leases })
}

/// Frees what is proven dead in a network, or in all. `runtime` are the ids of all containers, in any state, that the
/// container runtime knows; none when it could not be asked.
///
/// # Errors
/// A store cannot be read or written.
pub fn collect(
    site: &Site,
    network: Option<&NetworkName>,
    runtime: Option<&BTreeSet<String>>,
) -> Result<Collected, Failure> {
    let mut collected = Collected { freed: Vec::new(), kept: Vec::new() };
    for network in asked(site, network)? {
        let directory = site.store_of(&network, &Placement::default());
        if !Store::is_there(&directory) {
            continue;
        }
        let settings = Settings::read(&directory)?;
        let placement = settings.placement();
        let session = Session::open(site, &network, &placement, &[], None)?;
        let mut session = session.with_quarantine(Duration::from_secs(settings.rest));
        let freed = session.sweep(Cause::Exhausted, runtime)?;
        let witnesses = Witnesses::new(site, &network, &placement, runtime)?;
        let listed = |lease: &Lease| Listed::new(lease, &network, &witnesses, site.now);
        collected.freed.extend(freed.iter().map(listed));
        collected.kept.extend(session.held()?.iter().map(|found| listed(&found.lease)));
    }
    Ok(collected)
}

/// Checks the store of a network, or all.
///
/// # Errors
/// A store is of a newer version, in use, or cannot be read.
pub fn verify(site: &Site, network: Option<&NetworkName>) -> Result<Verification, Failure> {
    let mut stores = Vec::new();
    for network in asked(site, network)? {
        let Some(snapshot) = Snapshot::read(site, &network)? else { continue };
        let held = snapshot.leases().filter(|lease| lease.is_held()).count();
        let all = snapshot.slots.iter().filter(|slot| matches!(slot, Slot::Lease(_))).count();
        stores.push(Verified {
            network: network.to_string(),
            directory: snapshot.directory.display().to_string(),
            held,
            released: all - held,
            problems: snapshot.problems(),
            mended_on_use: snapshot.mended_on_use,
        });
    }
    Ok(Verification { stores })
}

fn asked(site: &Site, network: Option<&NetworkName>) -> Result<Vec<NetworkName>, Failure> {
    network.map_or_else(|| networks(site), |network| Ok(vec![network.clone()]))
}
