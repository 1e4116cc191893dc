//! DEL: needs the names of network, container and interface, and succeeds when there is nothing to do.

use cni::AttachmentRequest;

use super::present;
use super::session::quarantine_of;
use crate::config::Placement;
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::lease::Lease;

/// Serves DEL.
///
/// # Errors
/// The store cannot be read or written.
pub fn del(request: &AttachmentRequest, site: &Site) -> Result<(), Failure> {
    let placement = Placement::of(&request.config);
    let network = &request.config.name;
    let is_meant = |lease: &Lease| lease.is_of(&request.attachment);
    let session = match present::open(site, network, &placement, is_meant) {
        // No ADD was ever served there.
        Ok(None) | Err(Failure::Config { .. }) => return Ok(()),
        Ok(Some(session)) => session,
        Err(failure) => return Err(failure),
    };
    let rest = quarantine_of(&request.config, session.store.directory());
    let mut session = session.with_quarantine(rest);
    let held = session.held_by(&request.attachment)?;
    held.iter().try_for_each(|found| session.give_back(found))
}
