//! STATUS: whether an ADD would get an address, found out as ADD finds it out, without taking one.

use cni::{Attachment, Config};

use super::add::{read_config, read_dns};
use super::session::{Cause, Session};
use crate::allocate::{Quarantine, Wanted, allocate, spans};
use crate::config::{IpamConfig, Pool};
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::lease::Pod;

/// Serves STATUS. It is not available when no pool has an address left, even after dead attachments have been freed, or
/// when the store cannot be used.
///
/// # Errors
/// It is not available, the configuration is invalid, or the store is in use.
pub fn status(config: &Config, site: &Site) -> Result<(), Failure> {
    IpamConfig::parse(config)?;
    // What else is wrong are the blocks of the node, which are no part of the configuration.
    let config = read_config(config, site).map_err(unavailable)?;
    read_dns(&config).map_err(unavailable)?;
    let is_durable = Some(config.placement.is_durable);
    let ranges = spans(&config.pools);
    let session = Session::open(site, &config.network, &config.placement, &ranges, is_durable)
        .map_err(unavailable)?;
    let mut session = session.with_quarantine(config.rest());
    let Err(_) = any_serves(&session, &config.pools, site) else { return Ok(()) };
    session.sweep(Cause::Exhausted, None).map_err(unavailable)?;
    any_serves(&session, &config.pools, site).map_err(unavailable)
}

fn unavailable(failure: Failure) -> Failure {
    match failure {
        busy @ Failure::Busy { .. } => busy,
        failure => Failure::NotAvailable(Box::new(failure)),
    }
}

fn any_serves(session: &Session<'_>, pools: &[Pool], site: &Site) -> Result<(), Failure> {
    let nobody = Attachment::parse("status", "-")?;
    let mut failed = None;
    for pool in pools {
        let wanted = Wanted {
            attachment: &nobody,
            pod: &Pod::default(),
            pool,
            requested: &[],
            is_sticky: false,
            quarantine: Quarantine::Yield,
            now: site.now,
        };
        match allocate(&session.store.table(), &wanted) {
            Ok(_) => return Ok(()),
            Err(failure) => drop(failed.get_or_insert(failure)),
        }
    }
    failed.map_or(Ok(()), Err)
}
