//! From the start to the end of the process.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::Built;
use super::node_local::{Keeper, NodeLocal};
use super::notify::{State, notify};
use super::pid_file::PidFile;
use super::reload::Reloader;
use crate::output::Output;
use crate::signals::{Signals, Told};

/// How long questions under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// How often a start that waits says what for.
const REPORT: Duration = Duration::from_millis(500);

/// Handles the other signals as CoreDNS does: SIGQUIT ends the process at once, with 0; SIGHUP means nothing
/// and SIGUSR2 asks for another binary.
///
/// # Errors
/// The kernel refuses.
pub(super) fn handle_other_signals(output: &Output, pid_file: &PidFile) -> Result<()> {
    let take = |kind| signal(kind).context("cannot handle signals");
    let (mut quit, mut hangup) = (take(SignalKind::quit())?, take(SignalKind::hangup())?);
    let mut upgrade = take(SignalKind::user_defined2())?;
    let (output, pid_file) = (output.clone(), pid_file.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = quit.recv() => {
                    tracing::info!(signal = "SIGQUIT", "ending at once");
                    pid_file.remove();
                    output.flush();
                    std::process::exit(0);
                }
                Some(()) = hangup.recv() => {}
                Some(()) = upgrade.recv() => {
                    tracing::warn!(
                        signal = "SIGUSR2",
                        "the binary is not replaced; start the other one with --takeover, then end this one"
                    );
                }
                else => return,
            }
        }
    });
    Ok(())
}

/// Waits until every cluster is listed, as long as the Corefile allows.
pub(crate) async fn wait_for_sync(built: &Built) {
    let mut left = built.served().startup_timeout;
    while !left.is_zero() {
        let step = REPORT.min(left);
        if built.served().sources.wait_until_synced(step).await {
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

/// Goes on until a signal ends the process: takes changed Corefiles over, then stops in order. A second signal
/// ends the process at once.
pub(super) async fn live(
    mut reloader: Reloader,
    mut signals: Signals,
    pid_file: &PidFile,
    node_local: Option<NodeLocal>,
) {
    let keeper = node_local.clone().map(Keeper::start);
    let name = loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop(name) => break name,
                Told::Reload => reloader.insist(),
            },
            () = reloader.pause() => {}
        }
        let prepared = tokio::select! {
            // A reload that waits for a cluster must not keep the process.
            name = signals.stop() => break name,
            prepared = reloader.look() => prepared,
        };
        if let Some(prepared) = prepared {
            reloader.take_over(prepared).await;
        }
    };
    let lameduck = reloader.lameduck();
    tracing::info!(signal = name, lameduck_s = lameduck.as_secs_f64(), "shutting down");
    notify(State::Stopping);
    tokio::select! {
        () = stop(reloader, lameduck, node_local, keeper) => {}
        name = signals.stop() => {
            tracing::warn!(signal = name, "second signal: ending at once");
            pid_file.remove();
            std::process::exit(2);
        }
    }
}

async fn stop(
    reloader: Reloader,
    lameduck: Duration,
    node_local: Option<NodeLocal>,
    keeper: Option<Keeper>,
) {
    let Reloader { server, mut http, .. } = reloader;
    http.leave_shared().await;
    http.go_unready();
    // Watching and answering go on meanwhile.
    tokio::time::sleep(lameduck).await;
    if let Some(keeper) = keeper {
        keeper.end().await;
    }
    if let Some(node_local) = &node_local {
        node_local.give_up().await;
    }
    server.drain(DRAIN).await;
    if let Some(node_local) = &node_local {
        node_local.leave().await;
    }
    http.stop().await;
}
