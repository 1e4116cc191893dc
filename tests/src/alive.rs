//! What a server that lives does, whatever was done to it before.

use crate::dig::dig;
use crate::server::Server;
use crate::stage::metric;

/// A name of the cluster in `fixtures/dig`.
pub const NAME: &str = "web.alpha.svc.cluster.local.";

/// The address of [`NAME`].
pub const ADDRESS: &str = "10.97.0.12";

/// The process of a server of `fixtures/dig` lives, nothing panicked, and a name of the cluster is answered.
///
/// # Panics
/// It is not so.
pub fn assert_serves(server: &mut Server) {
    assert_eq!(dig(server.address(), NAME).answer_data(), [ADDRESS]);
    assert!(metric(server, "coredns_panics_total", "").abs() < 0.1);
}
