//! The role `portolan ipam-controller`: gives nodes their blocks and Services their addresses, as the replica that leads.
//!
//! ```text
//!  Lease ─ held ─► fresh lists and watches ─► Part (decides) ─► writes within a rate ─► what came of them ─► Part
//!                                               └─► Events, metrics
//! ```
//!
//! Everything that is known is forgotten with the Lease: who leads next lists anew.

mod admin;
mod drive;
mod dry_run;
mod life;
mod listing;
mod metrics;
mod nodes;
mod part;
mod service_objects;
mod services;
mod status;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::IpamControllerArguments;
use crate::logging::{self, LineForm};

/// Runs until a signal.
///
/// # Errors
/// The command line cannot be used, or the role cannot start.
pub(crate) fn run(arguments: &IpamControllerArguments, form: LineForm) -> Result<()> {
    if arguments.blocks.origin.manifests.is_some() {
        bail!("--manifests: files cannot be written to; add --dry-run, or write --kubeconfig FILE");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (output, _) = logging::start(form)?;
    logging::log_panics(false);
    let ended = runtime.block_on(life::live(arguments));
    runtime.shutdown_background();
    output.flush();
    ended
}

/// Prints what would be written.
///
/// # Errors
/// The objects cannot be read, or a flag cannot be used.
pub(crate) fn dry_run(arguments: &IpamControllerArguments) -> Result<ExitCode> {
    dry_run::run(arguments)
}
