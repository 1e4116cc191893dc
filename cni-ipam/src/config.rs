//! The `ipam` section of a network configuration: host-local's keys as host-local reads them, and our own.
//!
//! `ranges.rs` reads ranges, `requested.rs` the addresses that are asked for, `pools.rs` the pools and which of them an
//! attachment gets. DEL reads [`Placement`] alone, which never fails.

mod placement;
mod pools;
mod ranges;
mod requested;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use cni::{AttachmentRequest, Config, Field, FieldError, NetworkName, Route, Version};
use ipnet::IpNet;

pub use placement::Placement;
pub use pools::{POOL_ANNOTATION, Pool};
pub use requested::requested;

use crate::failure::Failure;
use crate::range::Range;
use crate::range_set::RangeSet;

/// How long a freed address is left alone, unless `quarantine` says otherwise.
pub const QUARANTINE: Duration = Duration::from_secs(60);

/// Longest `quarantine`.
pub const MAX_QUARANTINE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the address of a pod waits for it to come back with `sticky`, unless `stickyFor` says otherwise.
pub const STICKY_FOR: Duration = Duration::from_secs(24 * 3600);

/// Most ranges of a configuration, those of all pools together.
pub const MAX_RANGES: usize = 48;

/// What the `ipam` section says.
#[derive(Clone, PartialEq, Debug)]
pub struct IpamConfig {
    /// The name of the network.
    pub network: NetworkName,
    /// The version of the configuration.
    pub version: Version,
    /// Where the store is and what it is like.
    pub placement: Placement,
    /// The ranges of the section itself, if it has any, and the pools.
    pub pools: Vec<Pool>,
    /// Routes of the result.
    pub routes: Vec<Route>,
    /// A `resolv.conf` whose content becomes `dns` of the result.
    pub resolv_conf: Option<PathBuf>,
    /// How long a freed address is left alone.
    pub quarantine: Duration,
    /// A pod gets the address that it had.
    pub is_sticky: bool,
    /// How long the address of a pod that is gone waits for it.
    pub sticky_for: Duration,
    /// What is not given out of the blocks of the node either.
    exclusions: Vec<ranges::Exclusion>,
}

impl IpamConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// There is no `ipam`, or a value in it is invalid, named with its path.
    pub fn parse(config: &Config) -> Result<Self, Failure> {
        let Some(ipam) = config.get("ipam") else {
            return Err(Failure::config(
                "the configuration has no key \"ipam\"",
                "add \"ipam\": {\"type\": \"portolan-ipam\", …}",
            ));
        };
        let seconds = |key, default: Duration, most: Duration| -> Result<Duration, FieldError> {
            let Some(field) = ipam.get(key)? else { return Ok(default) };
            let value = Duration::from_secs(field.unsigned()?);
            let allowed = format!("want seconds from 0 to {}", most.as_secs());
            if value <= most { Ok(value) } else { Err(field.error(allowed)) }
        };
        let routes = routes(&ipam)?;
        let read = Self {
            network: config.name.clone(),
            version: config.version,
            placement: Placement::parse(config)?,
            pools: pools::parse(config, &ipam, &routes)?,
            resolv_conf: path(&ipam, "resolvConf")?,
            quarantine: seconds("quarantine", QUARANTINE, MAX_QUARANTINE)?,
            is_sticky: flag(&ipam, "sticky")?,
            sticky_for: seconds("stickyFor", STICKY_FOR, Duration::from_secs(365 * 24 * 3600))?,
            exclusions: ranges::exclusions(&ipam)?,
            routes,
        };
        read.check()?;
        Ok(read)
    }

    /// Tells whether the configuration names no range, so that the blocks of the node are meant.
    pub fn names_no_range(&self) -> bool {
        self.pools.is_empty()
    }

    /// Takes the blocks of the node as ranges: those of a family are one set, IPv4 first.
    ///
    /// # Errors
    /// The blocks overlap, are too small, or do not fit the version.
    pub fn use_blocks(&mut self, blocks: &[IpNet]) -> Result<(), Failure> {
        let (v4, v6): (Vec<IpNet>, Vec<IpNet>) =
            blocks.iter().partition(|block| block.addr().is_ipv4());
        let mut sets = Vec::new();
        for family in [v4, v6] {
            if family.is_empty() {
                continue;
            }
            let ranges: Result<Vec<Range>, String> =
                family.into_iter().map(|block| ranges::of_block(block, &self.exclusions)).collect();
            let set = ranges.and_then(RangeSet::new);
            sets.push(
                set.map_err(|problem| Failure::config("invalid blocks of the node", problem))?,
            );
        }
        self.pools = vec![Pool {
            name: String::new(),
            namespaces: Vec::new(),
            sets,
            routes: self.routes.clone(),
        }];
        self.check()
    }

    /// Returns the pool of an attachment: the one that the pod's annotation names, else the first with the pod's
    /// namespace, else the ranges of the section itself.
    ///
    /// # Errors
    /// The annotation names no pool, or no pool is meant for the pod.
    pub fn pool_of(&self, request: &AttachmentRequest) -> Result<&Pool, Failure> {
        pools::choose(&self.pools, request)
    }

    /// Returns how long a freed address is left alone, unless addresses become scarce.
    pub fn rest(&self) -> Duration {
        if self.is_sticky { self.quarantine.max(self.sticky_for) } else { self.quarantine }
    }

    fn check(&self) -> Result<(), Failure> {
        let ranges: usize =
            self.pools.iter().flat_map(|pool| &pool.sets).map(|set| set.ranges().len()).sum();
        if ranges > MAX_RANGES {
            let remedy =
                format!("at most {MAX_RANGES} ranges are allowed in all pools together; join some");
            return Err(Failure::config(format!("the configuration has {ranges} ranges"), remedy));
        }
        self.pools.iter().try_for_each(|pool| pool.check(self.version))
    }
}

fn routes(ipam: &Field<'_>) -> Result<Vec<Route>, FieldError> {
    let Some(list) = ipam.get("routes")? else { return Ok(Vec::new()) };
    list.list()?.iter().map(Route::decode).collect()
}

/// Reads a path; an empty one is none, as for host-local.
fn path(field: &Field<'_>, key: &str) -> Result<Option<PathBuf>, FieldError> {
    let Some(path) = field.get(key)? else { return Ok(None) };
    let text = path.string()?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

fn flag(field: &Field<'_>, key: &str) -> Result<bool, FieldError> {
    field.get(key)?.map_or(Ok(false), |value| value.boolean())
}
