//! From the start of a server until it is ready, beside the time of the list alone.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::scene::{READY, Scene};
use crate::servers::Listed;
use crate::statistics::median;
use crate::trial::Corefile;

/// Times of a start, milliseconds, each a median of the rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Start {
    pub(crate) server: String,
    pub(crate) services: u32,
    /// Until `/ready` says 200.
    pub(crate) ready: f64,
    /// Until a question is answered.
    pub(crate) answering: f64,
    /// A process on the same processor that sends the requests of the server and only reads what comes.
    pub(crate) list: f64,
}

/// Starts a server and the bare list in turn.
///
/// # Errors
/// One of them fails.
pub(crate) fn measure(
    scene: &Scene,
    server: &Listed,
    processor: usize,
    rounds: u32,
) -> anyhow::Result<Start> {
    let (mut ready, mut answering, mut list) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        scene.api.take_requests();
        let start = Instant::now();
        let mut running = scene.launch(server, Corefile::Stock, processor)?;
        running.wait_until_ready(READY).with_context(|| server.name.clone())?;
        ready.push(millis(start));
        running.wait_until_answering(server.port)?;
        answering.push(millis(start));
        drop(running);
        list.push(bare_list(scene, &scene.api.take_requests(), processor)?);
    }
    Ok(Start {
        server: server.name.clone(),
        services: scene.cluster.services,
        ready: median(ready).context("no round")?,
        answering: median(answering).context("no round")?,
        list: median(list).context("no round")?,
    })
}

/// Runs `portolan-bench list` and returns how long it took, milliseconds.
fn bare_list(scene: &Scene, requests: &[String], processor: usize) -> anyhow::Result<f64> {
    ensure!(!requests.is_empty(), "the server has asked the API server for nothing");
    let mut command = Command::new("taskset");
    command.args(["-c", &processor.to_string()]).arg(std::env::current_exe()?);
    command.arg("list").arg(scene.api.kubeconfig()?).args(requests);
    let start = Instant::now();
    let status = command.status().context("taskset (package util-linux) cannot be run")?;
    ensure!(status.success(), "the bare list failed: {status}");
    Ok(millis(start))
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
