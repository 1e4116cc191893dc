//! The load: dnsperf, and what it says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// How dnsperf is to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// One of dnsperf's modes: `udp`, `tcp`, `dot`, `doh`.
    pub(crate) mode: &'static str,
    pub(crate) port: u16,
    pub(crate) questions: &'a Path,
    pub(crate) seconds: u32,
    /// Sockets that questions are sent from.
    pub(crate) clients: u32,
    /// Questions that may be without an answer at a time.
    pub(crate) outstanding: u32,
    /// The processor that it runs on.
    pub(crate) processor: usize,
}

/// What dnsperf counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) completed: u64,
    pub(crate) lost: u64,
    pub(crate) per_second: f64,
}

/// Runs dnsperf to its end.
///
/// # Errors
/// It fails, or no answer comes.
pub(crate) fn run(load: Load<'_>) -> anyhow::Result<Outcome> {
    let mut command = Command::new("taskset");
    command.args(["-c", &load.processor.to_string(), "dnsperf", "-s", "127.0.0.1", "-T", "1"]);
    command.args(["-m", load.mode, "-p", &load.port.to_string(), "-l", &load.seconds.to_string()]);
    command.args(["-c", &load.clients.to_string(), "-q", &load.outstanding.to_string(), "-d"]);
    let output = command.arg(load.questions).output().context("start dnsperf")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let outcome = parse(&text).with_context(|| {
        format!("read dnsperf's report: {text}{}", String::from_utf8_lossy(&output.stderr))
    })?;
    if outcome.completed == 0 {
        bail!("dnsperf got no answer on port {}", load.port);
    }
    Ok(outcome)
}

fn parse(report: &str) -> Option<Outcome> {
    let value = |label: &str| {
        let line = report.lines().find_map(|line| line.trim().strip_prefix(label))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    Some(Outcome {
        completed: value("Queries completed:")?.parse().ok()?,
        lost: value("Queries lost:")?.parse().ok()?,
        per_second: value("Queries per second:")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, parse};

    #[test]
    fn a_report_is_read() {
        let report = "Statistics:\n\n  Queries sent:         500123\n  Queries completed:    500100 (100.00%)\n  \
            Queries lost:         23 (0.00%)\n\n  Run time (s):         5.0\n  Queries per second:   100020.5\n";
        let expected = Outcome { completed: 500_100, lost: 23, per_second: 100_020.5 };
        assert_eq!(parse(report), Some(expected));
        assert_eq!(parse("Statistics:\n"), None);
    }
}
