//! From the start of a server until it is ready, beside the time of the list alone.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::process::Running;
use crate::scene::{READY, Scene};
use crate::servers::Listed;
use crate::statistics::median;
use crate::trial::Corefile;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(2);

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
        ready.push(wait_until_ready(&mut running, start).with_context(|| server.name.clone())?);
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

fn wait_until_ready(running: &mut Running, start: Instant) -> anyhow::Result<f64> {
    while start.elapsed() < PATIENCE {
        if is_ready().unwrap_or(false) {
            return Ok(millis(start));
        }
        running.ensure_alive()?;
        thread::sleep(Duration::from_millis(1));
    }
    bail!("not ready within {} s", PATIENCE.as_secs())
}

fn is_ready() -> anyhow::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, READY))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status == *b"HTTP/1.1 200")
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
