//! The role `portolan dns`.
//!
//! ```text
//! read and check the Corefile ─▶ bind every socket ─▶ sync ─▶ serve
//!     ─▶ SIGTERM: unready, lameduck (still watching and answering), drain, exit 0
//! ```

mod admin;
mod banner;
mod build;
mod builtin;
mod corefile;
mod endpoints;
mod life;
mod runtime_metrics;
mod source_metrics;
mod sources;

use std::sync::Arc;

use anyhow::{Context, Result};
use dns::edge::open_files::raise_limit;
use dns::edge::server::{self, Limits, Server};

use crate::cli::DnsArguments;
use crate::logging;
use crate::output::Output;

pub(crate) use build::Built;
pub(crate) use corefile::Choice;

/// Serves until a signal.
///
/// # Errors
/// The configuration cannot be used, or an address cannot be listened on.
pub(crate) fn run(arguments: DnsArguments) -> Result<()> {
    if arguments.version || arguments.plugins {
        banner::print_facts(&arguments);
        return Ok(());
    }
    let (output, verbosity) = logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(arguments, &output, &verbosity));
    output.flush();
    result
}

async fn serve(
    arguments: DnsArguments,
    output: &Output,
    verbosity: &logging::Verbosity,
) -> Result<()> {
    let mut signals = life::Signals::listen()?;
    life::outlive_other_signals()?;
    if let Err(error) = raise_limit() {
        tracing::warn!(%error, "the limit of open files stays; `ulimit -n` shows it");
    }
    let loaded = corefile::load(&Choice::of_dns(&arguments))?;
    logging::log_panics(loaded.wants_stacktraces());
    if loaded.config.blocks.iter().any(|block| block.debug) {
        verbosity.log_every_decision();
    }
    let mut listeners = Vec::new();
    for listener in &loaded.config.listeners {
        listeners.push(server::bind(listener_address(listener))?);
    }
    let built = build::build(&loaded.config, output).await?;
    let endpoints = endpoints::bind(&loaded.config, arguments.admin.as_deref()).await?;
    if let Some(file) = &arguments.pidfile {
        std::fs::write(file, std::process::id().to_string())
            .with_context(|| format!("cannot write the process id to {}", file.display()))?;
    }
    let http = endpoints.serve(&built);
    tokio::select! {
        () = life::wait_for_sync(&built) => {}
        // Nothing has been answered yet that others would have to be told of.
        _ = signals.next() => return Ok(()),
    }
    if !arguments.quiet {
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address).collect();
        output.write(banner::zones(&loaded.config, &addresses).into_bytes());
    }
    let server = Server::serve(listeners, &built.responder, Limits::default());
    let stop = life::Stop { lameduck: loaded.lameduck(), server, http };
    stop.when_told(signals).await;
    Ok(())
}

fn listener_address(listener: &dns::config::ListenerConfig) -> std::net::SocketAddr {
    let host = listener.host.unwrap_or(std::net::Ipv6Addr::UNSPECIFIED.into());
    std::net::SocketAddr::new(host, listener.port)
}

/// Loads a Corefile and builds its engine, without any socket to serve on: for `explain`.
///
/// # Errors
/// The configuration cannot be used.
pub(crate) async fn offline(choice: &Choice) -> Result<Arc<Built>> {
    let loaded = corefile::load(choice)?;
    let built = build::build(&loaded.config, &Output::none()).await?;
    built.sources.wait_until_synced(built.startup_timeout).await;
    Ok(built)
}
