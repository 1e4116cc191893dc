//! The verbs of CNI, each given to what does it.

use cni::{AddResult, Error, Request};

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
    match request {
        Request::Add(_)
        | Request::Del(_)
        | Request::Check(_)
        | Request::Gc(_)
        | Request::Status(_)
        | Request::Version => Ok(None),
    }
}
