//! The verbs of CNI, each given to what does it.

use cni::{AddResult, Error, Request};

use crate::{Site, verbs};

/// What a person is told who starts the plugin by hand.
pub const ABOUT: &str = concat!(
    "portolan-ipam ",
    env!("CARGO_PKG_VERSION"),
    ": a CNI IPAM plugin; a container runtime calls it by \"ipam\": {\"type\": \"portolan-ipam\", ...}"
);

/// Serves a call on this host. Only ADD has a result.
///
/// # Errors
/// As the verbs.
pub fn serve(request: &Request) -> Result<Option<AddResult>, Error> {
    let site = Site::host();
    match request {
        Request::Add(request) => return Ok(Some(verbs::add(request, &site)?)),
        Request::Del(request) => verbs::del(request, &site)?,
        Request::Check(request) => verbs::check(request, &site)?,
        Request::Gc(request) => verbs::gc(request, &site)?,
        Request::Status(config) => verbs::status(config, &site)?,
        Request::Version => {}
    }
    Ok(None)
}
