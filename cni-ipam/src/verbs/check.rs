//! CHECK: the attachment holds what the container was given.

use std::net::IpAddr;

use cni::AttachmentRequest;

use super::present;
use crate::address::{Family, number};
use crate::config::Placement;
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::lease::Lease;

/// Serves CHECK.
///
/// # Errors
/// The attachment holds no address, or one that `prevResult` does not have, or the store cannot be read.
pub fn check(request: &AttachmentRequest, site: &Site) -> Result<(), Failure> {
    let placement = Placement::parse(&request.config)?;
    let previous = request.config.prev_result()?;
    let network = &request.config.name;
    let attachment = &request.attachment;
    let none =
        || Failure::Differs(format!("the attachment {attachment} holds no address in {network}"));
    let is_meant = |lease: &Lease| lease.is_of(attachment);
    let session = present::open(site, network, &placement, is_meant)?.ok_or_else(none)?;
    let held = session.held_by(attachment)?;
    if held.is_empty() {
        return Err(none());
    }
    let Some(previous) = previous else { return Ok(()) };
    let given: Vec<IpAddr> = previous.ips.iter().map(|ip| ip.address.addr()).collect();
    let addresses: Vec<IpAddr> = held.iter().map(|found| found.lease.address).collect();
    if !addresses.iter().any(|address| given.contains(address)) {
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let shown = shown.join(", ");
        return Err(Failure::Differs(format!(
            "the attachment {attachment} holds {shown}, which prevResult does not have"
        )));
    }
    // What other plugins have added is in none of the ranges.
    let table = session.store.table();
    let is_ours = |address: &&IpAddr| {
        table.header().range_of(Family::of(**address), number(**address)).is_some()
    };
    match given.iter().filter(is_ours).find(|address| !addresses.contains(address)) {
        Some(address) => Err(Failure::Differs(format!(
            "prevResult has {address}, which the attachment {attachment} does not hold"
        ))),
        None => Ok(()),
    }
}
