//! `deploy/`: what an operator applies builds, is valid, asks for no more than it needs, and works.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod access;
mod kustomize;
mod manifests;
mod monitoring;
mod node_cache;
mod node_network;
mod values;

use std::path::{Path, PathBuf};

/// Returns the project's directory.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
