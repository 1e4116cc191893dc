//! The load: dnsperf, and what it says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// One of dnsperf's modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Udp,
    /// Connections that stay, with several questions under way on each.
    Tcp,
    Tls,
}

/// How dnsperf is to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) mode: Mode,
    pub(crate) port: u16,
    /// A name and a type on each line.
    pub(crate) questions: &'a Path,
    pub(crate) time: Duration,
    /// Questions a second; none: as many as are answered.
    pub(crate) rate: Option<f64>,
    pub(crate) end: End,
}

/// When dnsperf ends, beside when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Not before.
    Time,
    /// When every question has been asked twice: a reply is kept for repetition when its question comes a second time.
    AllAskedTwice,
}

/// What dnsperf counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) completed: u64,
    pub(crate) lost: u64,
    pub(crate) per_second: f64,
}

/// Sockets that questions are sent from.
const CLIENTS: &str = "8";

/// Seconds until a question is lost; dnsperf stays as long for those under way at the end.
const TIMEOUT: &str = "1";

/// Questions that may be without an answer at a time. They fit into the buffer of a socket of the default size, so that
/// none is lost before a server sees it.
const OUTSTANDING: &str = "128";

impl Mode {
    fn arguments(self, port: u16) -> [String; 4] {
        let mode = match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "dot",
        };
        ["-m".into(), mode.into(), "-p".into(), port.to_string()]
    }
}

/// Returns the command line, without an end of its own: this process's processor is the client's.
pub(crate) fn command(load: Load<'_>) -> Command {
    let mut command = Command::new("dnsperf");
    command.args(["-s", "127.0.0.1", "-T", "1", "-c", CLIENTS, "-q", OUTSTANDING, "-t", TIMEOUT]);
    command.args(["-l", &format!("{:.3}", load.time.as_secs_f64())]);
    command.args(load.mode.arguments(load.port)).arg("-d").arg(load.questions);
    if load.end == End::AllAskedTwice {
        command.args(["-n", "2"]);
    }
    if let Some(rate) = load.rate {
        command.args(["-Q", &format!("{:.0}", rate.max(1.0))]);
    }
    command
}

/// Runs dnsperf to its end.
///
/// # Errors
/// It fails, or no answer comes.
pub(crate) fn run(load: Load<'_>) -> anyhow::Result<Outcome> {
    let text = output(&mut command(load))?;
    let outcome = parse(&text).with_context(|| format!("read dnsperf's report: {text}"))?;
    if outcome.completed == 0 {
        bail!("dnsperf got no answer on port {}", load.port);
    }
    Ok(outcome)
}

/// Runs dnsperf to its end, and returns how long each answer took, sorted, and how many questions got none.
///
/// # Errors
/// It fails, or no answer comes.
pub(crate) fn latencies(load: Load<'_>) -> anyhow::Result<(Vec<Duration>, u64)> {
    let text = output(command(load).arg("-v"))?;
    let outcome = parse(&text).context("read dnsperf's report")?;
    let mut times = parse_latencies(&text);
    ensure!(!times.is_empty(), "dnsperf got no answer on port {} at a paced rate", load.port);
    times.sort_unstable();
    Ok((times, outcome.lost))
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("dnsperf cannot be run (`make bench` installs it)")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "dnsperf failed: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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

/// Reads the lines of `-v`: `> NOERROR name A 0.000131`, in seconds.
fn parse_latencies(report: &str) -> Vec<Duration> {
    let answers = report.lines().filter_map(|line| line.strip_prefix("> "));
    let seconds = answers.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{End, Load, Mode, Outcome, command, parse, parse_latencies};

    #[test]
    fn a_report_is_read() {
        let report = "Statistics:\n\n  Queries sent:         500123\n  Queries completed:    500100 (100.00%)\n  \
            Queries lost:         23 (0.00%)\n\n  Run time (s):         5.0\n  Queries per second:   100020.5\n";
        let expected = Outcome { completed: 500_100, lost: 23, per_second: 100_020.5 };
        assert_eq!(parse(report), Some(expected));
        assert_eq!(parse("Statistics:\n"), None);
    }

    #[test]
    fn answers_are_told_from_the_rest() {
        let report =
            "[Status] Sending\n> NOERROR a.example A 0.000131\n> T a.example A\nStatistics:\n";
        assert_eq!(parse_latencies(report), [Duration::from_micros(131)]);
    }

    #[test]
    fn a_rate_and_a_path_are_asked_for() {
        let load = Load {
            mode: Mode::Tls,
            port: 5443,
            questions: Path::new("/q"),
            time: Duration::from_millis(1500),
            rate: Some(10.4),
            end: End::AllAskedTwice,
        };
        let line = format!("{:?}", command(load));
        for part in [r#""-l" "1.500""#, r#""-Q" "10""#, r#""-m" "dot" "-p" "5443""#, r#""-n" "2""#]
        {
            assert!(line.contains(part), "{line}");
        }
    }
}
