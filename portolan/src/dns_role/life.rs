//! From the start to the end of the process.

use std::time::Duration;

use anyhow::{Context, Result};
use dns::edge::server::Server;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Built;
use super::endpoints::Serving;
use crate::output::Output;

/// How long questions under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// How often a start that waits says what for.
const REPORT: Duration = Duration::from_millis(500);

/// The signals that end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn listen() -> Result<Self> {
        let take = |kind| signal(kind).context("cannot handle signals");
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Handles the other signals as CoreDNS does: SIGQUIT ends the process at once, with 0; SIGHUP means nothing,
/// SIGUSR1 asks for a reload and SIGUSR2 for another binary.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn handle_other_signals(output: &Output) -> Result<()> {
    let take = |kind| signal(kind).context("cannot handle signals");
    let (mut quit, mut hangup) = (take(SignalKind::quit())?, take(SignalKind::hangup())?);
    let mut reload = take(SignalKind::user_defined1())?;
    let mut upgrade = take(SignalKind::user_defined2())?;
    let output = output.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = quit.recv() => {
                    tracing::info!(signal = "SIGQUIT", "ending at once");
                    output.flush();
                    std::process::exit(0);
                }
                Some(()) = hangup.recv() => {}
                Some(()) = reload.recv() => {
                    tracing::warn!("SIGUSR1: reloading is not available yet; restart instead");
                }
                Some(()) = upgrade.recv() => {
                    tracing::warn!("SIGUSR2: replacing the binary is not available; restart instead");
                }
                else => return,
            }
        }
    });
    Ok(())
}

/// Waits until every cluster is listed, as long as the Corefile allows.
pub(crate) async fn wait_for_sync(built: &Built) {
    let mut left = built.startup_timeout;
    while !left.is_zero() {
        let step = REPORT.min(left);
        if built.sources.wait_until_synced(step).await {
            return;
        }
        left -= step;
        tracing::info!(
            missing = built.unready().join(", "),
            "waiting for the cluster to be listed"
        );
    }
    if !built.unready().is_empty() {
        tracing::warn!(
            "serving before the cluster is listed: unknown names are answered with SERVFAIL"
        );
    }
}

/// What has to be stopped, in its order.
#[derive(Debug)]
pub(crate) struct Stop {
    /// How long the server goes on, unready, so that others can notice.
    pub lameduck: Duration,
    /// The DNS sockets.
    pub server: Server,
    /// The HTTP endpoints.
    pub http: Serving,
}

impl Stop {
    /// Waits for a signal and stops in order; a second signal ends the process at once.
    pub(crate) async fn when_told(self, mut signals: Signals) {
        let name = signals.next().await;
        tracing::info!(signal = name, lameduck_s = self.lameduck.as_secs_f64(), "shutting down");
        tokio::select! {
            () = self.in_order() => {}
            name = signals.next() => {
                tracing::warn!(signal = name, "second signal: ending at once");
                std::process::exit(2);
            }
        }
    }

    async fn in_order(self) {
        self.http.go_unready();
        // Watching and answering go on meanwhile.
        tokio::time::sleep(self.lameduck).await;
        self.server.drain(DRAIN).await;
        self.http.stop().await;
    }
}
