//! CHECK: the attachment holds what the container was given.

use std::net::IpAddr;

use cni::AttachmentRequest;

use super::session::Session;
use crate::config::Placement;
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::table::Found;

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
    let has_files = placement.data_dir.join(network.as_str()).is_dir();
    if !site.store_of(network, &placement).is_dir() && !has_files {
        return Err(none());
    }
    let session = Session::open(site, network, &placement, &[], None)?;
    let held = session.held_by(attachment)?;
    if held.is_empty() {
        return Err(none());
    }
    let Some(previous) = previous else { return Ok(()) };
    let given: Vec<IpAddr> = previous.ips.iter().map(|ip| ip.address.addr()).collect();
    let is_other = |found: &&Found| !given.contains(&found.lease.address);
    held.iter().find(is_other).map_or(Ok(()), |found| {
        let address = found.lease.address;
        Err(Failure::Differs(format!(
            "the attachment {attachment} holds {address}, which prevResult does not have"
        )))
    })
}
