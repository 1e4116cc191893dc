//! One server and one workload.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::dnsperf::{self, Load};
use crate::latency;
use crate::process::Running;

/// Which processors the server and its client run on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

/// How long and how hard is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) seconds: u32,
    pub(crate) processors: Processors,
}

/// A workload on disk and in memory.
#[derive(Debug)]
pub(crate) struct Questions<'a> {
    pub(crate) file: &'a Path,
    pub(crate) list: &'a [(String, String)],
}

/// What one server did with one workload.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    /// Answers a second, as many as go.
    pub(crate) per_second: f64,
    /// CPU time of the server for each answer, microseconds.
    pub(crate) cpu: f64,
    /// Questions without an answer.
    pub(crate) lost: u64,
    /// The part of the questions at half of that rate that was answered, from 0 to 1.
    pub(crate) answered: f64,
    /// Their latency, microseconds.
    pub(crate) p50: f64,
    /// The same, of the slowest of a hundred.
    pub(crate) p99: f64,
    /// Resident memory after the load, KiB.
    pub(crate) resident_kib: u64,
}

/// Asks a running server over UDP: first a second that does not count, then as fast as it answers, then at half
/// of that rate.
///
/// # Errors
/// The server ends, or does not answer.
pub(crate) fn measure(
    server: &Running,
    port: u16,
    questions: &Questions<'_>,
    effort: Effort,
) -> anyhow::Result<Measured> {
    let load = Load {
        mode: "udp",
        port,
        questions: questions.file,
        seconds: 1,
        clients: 8,
        outstanding: 256,
        processor: effort.processors.client,
    };
    dnsperf::run(load)?;
    let before = server.cpu_nanoseconds()?;
    let outcome = dnsperf::run(Load { seconds: effort.seconds, ..load })?;
    let spent = server.cpu_nanoseconds()?.saturating_sub(before);
    let rate = outcome.per_second / 2.0;
    let time = Duration::from_secs(u64::from(effort.seconds));
    let latency = latency::measure(port, questions.list, rate, time)?;
    Ok(Measured {
        per_second: outcome.per_second,
        cpu: spent as f64 / 1e3 / outcome.completed as f64,
        lost: outcome.lost,
        answered: latency.answered,
        p50: latency.p50.as_secs_f64() * 1e6,
        p99: latency.p99.as_secs_f64() * 1e6,
        resident_kib: server.resident_kib()?,
    })
}
