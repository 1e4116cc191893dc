//! DEL: needs the names of network, container and interface, and succeeds when there is nothing to do.

use cni::AttachmentRequest;

use super::session::{Session, quarantine_of};
use crate::config::Placement;
use crate::edge::site::Site;
use crate::edge::store::Store;
use crate::failure::Failure;

/// Serves DEL.
///
/// # Errors
/// The store cannot be read or written.
pub fn del(request: &AttachmentRequest, site: &Site) -> Result<(), Failure> {
    let placement = Placement::of(&request.config);
    let network = &request.config.name;
    let has_store = Store::is_there(&site.store_of(network, &placement));
    let has_files = placement.data_dir.join(network.as_str()).is_dir();
    if !has_store && !has_files {
        return Ok(());
    }
    let session = match Session::open(site, network, &placement, &[], None) {
        // No ADD was ever served there.
        Err(Failure::Config { .. }) => return Ok(()),
        opened => opened?,
    };
    let rest = quarantine_of(&request.config, session.store.directory());
    let mut session = session.with_quarantine(rest);
    let held = session.held_by(&request.attachment)?;
    held.iter().try_for_each(|found| session.give_back(found))
}
