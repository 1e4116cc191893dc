//! Who holds an address, since when, which witness keeps it, and what else of its range is taken.

use std::net::IpAddr;

use serde::Serialize;

use super::listed::Listed;
use super::networks;
use crate::address::{Family, number};
use crate::edge::settings::Settings;
use crate::edge::site::Site;
use crate::edge::snapshot::Snapshot;
use crate::edge::witness::Witnesses;
use crate::failure::Failure;
use crate::table::layout::RangeState;

/// What is known of an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The address.
    pub address: String,
    /// One sentence: who has it, or that nobody has.
    pub summary: String,
    /// What each network knows of it; networks that do not have it in a range or a lease are left out.
    pub networks: Vec<Finding>,
}

/// What a network knows of an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// The network.
    pub network: String,
    /// Its lease, held or released.
    pub lease: Option<Listed>,
    /// The ranges that it is in, and how full they are.
    pub ranges: Vec<RangeUse>,
}

/// How full a range is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RangeUse {
    /// The first address.
    pub first: String,
    /// The last address.
    pub last: String,
    /// Addresses, with the gateway and exclusions in between.
    pub addresses: String,
    /// Addresses that are held.
    pub held: u64,
    /// Addresses that were released and are left alone.
    pub released: u64,
}

/// Explains an address with all stores of this host.
///
/// # Errors
/// A store cannot be read.
pub fn explain(site: &Site, address: IpAddr) -> Result<Explanation, Failure> {
    let mut found = Vec::new();
    for network in networks(site)? {
        let Some(snapshot) = Snapshot::read(site, &network)? else { continue };
        let lease = snapshot.leases().find(|lease| lease.address == address);
        let is_inside = |state: &&RangeState| state.has(Family::of(address), number(address));
        let ranges: Vec<RangeUse> =
            snapshot.header.ranges.iter().filter(is_inside).map(RangeUse::of).collect();
        if lease.is_some() || !ranges.is_empty() {
            let settings = Settings::read(&snapshot.directory)?;
            let witnesses = Witnesses::new(site, &network, &settings.placement(), None)?;
            let lease = lease.map(|lease| Listed::new(lease, &network, &witnesses, site.now));
            found.push(Finding { network: network.to_string(), lease, ranges });
        }
    }
    Ok(Explanation {
        address: address.to_string(),
        summary: summary(address, &found),
        networks: found,
    })
}

/// Returns how full the ranges of each network's store are, by network.
///
/// # Errors
/// A store cannot be read.
pub fn usage(site: &Site) -> Result<Vec<(String, Vec<RangeUse>)>, Failure> {
    let mut found = Vec::new();
    for network in networks(site)? {
        let Some(snapshot) = Snapshot::read(site, &network)? else { continue };
        let ranges = snapshot.header.ranges.iter().map(RangeUse::of).collect();
        found.push((network.to_string(), ranges));
    }
    Ok(found)
}

impl RangeUse {
    fn of(state: &RangeState) -> Self {
        let released = u64::from(state.released);
        Self {
            first: state.family.address(state.span.first).to_string(),
            last: state.family.address(state.span.last).to_string(),
            addresses: state.span.count().to_string(),
            held: state.taken.saturating_sub(released),
            released,
        }
    }
}

fn summary(address: IpAddr, found: &[Finding]) -> String {
    let leases: Vec<&Listed> = found.iter().filter_map(|finding| finding.lease.as_ref()).collect();
    if let Some(lease) = leases.iter().find(|lease| lease.state == "held") {
        let pod = lease
            .pod
            .as_ref()
            .map_or(String::new(), |pod| format!(", pod {}/{}", pod.namespace, pod.name));
        let verdict = lease.verdict.as_deref().unwrap_or_default();
        return format!(
            "{address} is held in {} by container {} interface {}{pod} for {} s; {verdict}",
            lease.network,
            lease.container,
            lease.ifname,
            lease.age / 1000
        );
    }
    if let Some(lease) = leases.first() {
        return format!(
            "{address} is free: container {} of {} had it last; it is left alone for a while after its release",
            lease.container, lease.network
        );
    }
    match found.first() {
        Some(finding) => format!(
            "{address} is free, excluded, or a gateway: it is in a range of {} and nobody has it",
            finding.network
        ),
        None => format!("{address} is in no lease or range of any store in this host"),
    }
}
