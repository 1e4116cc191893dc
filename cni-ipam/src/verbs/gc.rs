//! GC: frees what is not in the runtime's list, which is authoritative for its network. Without a list nothing is freed.

use std::collections::BTreeSet;

use cni::{Attachment, GcRequest};

use super::present;
use super::session::quarantine_of;
use crate::config::Placement;
use crate::edge::site::Site;
use crate::failure::Failure;
use crate::lease::Lease;

/// Serves GC.
///
/// # Errors
/// The store cannot be read, or addresses not be freed: all others are, and each failure is reported.
pub fn gc(request: &GcRequest, site: &Site) -> Result<(), Failure> {
    let Some(valid) = &request.valid else { return Ok(()) };
    let placement = Placement::of(&request.config);
    let network = &request.config.name;
    let valid: BTreeSet<&Attachment> = valid.iter().collect();
    let containers: BTreeSet<&str> =
        valid.iter().map(|attachment| attachment.container_id.as_str()).collect();
    let is_valid = |lease: &Lease| {
        let attachment = &lease.attachment;
        valid.contains(attachment)
            || lease.is_of_any_interface() && containers.contains(attachment.container_id.as_str())
    };
    let Some(session) = present::open(site, network, &placement, |lease| !is_valid(lease))? else {
        return Ok(());
    };
    let rest = quarantine_of(&request.config, session.store.directory());
    let mut session = session.with_quarantine(rest);
    let mut failed = Vec::new();
    for found in session.held()? {
        if !is_valid(&found.lease)
            && let Err(failure) = session.give_back(&found)
        {
            failed.push(failure);
        }
    }
    match failed.len() {
        0 => Ok(()),
        1 => Err(failed.remove(0)),
        _ => Err(Failure::Several(failed)),
    }
}
