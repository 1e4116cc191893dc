//! What black-box tests have in common: the real binary, clients, an upstream and namespaces.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

pub mod acme;
pub mod alive;
pub mod appliance;
pub mod certificates;
pub mod client;
pub mod cni;
pub mod cri;
pub mod dig;
pub mod faulty;
pub mod fuzzing;
pub mod ipam_cases;
pub mod ipam_controller;
pub mod ipam_store;
pub mod knot;
pub mod limited;
pub mod memory;
pub mod netpol_agent;
pub mod netpol_edits;
pub mod netpol_oracle;
pub mod netpol_scale;
pub mod picture;
pub mod pod;
pub mod puppet;
pub mod quic_client;
pub mod random;
pub mod recorded;
pub mod records;
pub mod relay;
pub mod server;
pub mod soak;
pub mod stage;
pub mod tap;
pub mod upstream;

use std::path::PathBuf;

pub use test_pods::namespace;

/// Returns the path of a fixture; a missing one fails the test.
pub fn fixture(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    assert!(path.exists(), "the fixture {} is missing", path.display());
    path
}
