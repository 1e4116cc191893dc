//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Compares DNS servers with each other and with a bare reflector.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) comparison: Comparison,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a flame graph of one server under one workload
    Flame(Flame),
    /// Sends requests to an API server and reads what comes
    #[command(hide = true)]
    List {
        /// Whom to ask
        kubeconfig: PathBuf,
        /// Paths with queries
        requests: Vec<String>,
    },
}

/// A comparison.
#[derive(Clone, Debug, Args)]
pub(crate) struct Comparison {
    /// Services of the cluster; a small one has a tenth, a large one ten times as many
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) services: u32,
    /// Rounds; the table has their medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Seconds of each measurement, such as 3 or 0.5
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Servers to measure, by name; all without it
    #[arg(long)]
    pub(crate) server: Vec<String>,
    /// What to measure; everything without it
    #[arg(long, value_enum)]
    pub(crate) part: Vec<Part>,
    /// Workloads of the table, by name; all without it
    #[arg(long)]
    pub(crate) workload: Vec<String>,
    /// The directory with servers.conf and servers/
    #[arg(long, default_value = "bench")]
    pub(crate) configuration: PathBuf,
    /// A directory, where the results become DATE.json, or the name of a file
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// A document that gets the results between its two marks, as docs/performance.md has them
    #[arg(long)]
    pub(crate) document: Option<PathBuf>,
}

/// A flame graph.
#[derive(Clone, Debug, Args)]
pub(crate) struct Flame {
    /// The server
    #[arg(long, default_value = "portolan")]
    pub(crate) server: String,
    /// The workload, by its name in the table
    #[arg(long, default_value = "A")]
    pub(crate) workload: String,
    /// Services of the cluster
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) services: u32,
    /// Seconds that are recorded
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// The directory with servers.conf and servers/
    #[arg(long, default_value = "bench")]
    pub(crate) configuration: PathBuf,
    /// The SVG
    #[arg(long, default_value = "flame.svg")]
    pub(crate) out: PathBuf,
}

/// A part of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The table
    Table,
    /// Memory with a cluster and during a relist
    Memory,
    /// Changes of an EndpointSlice in the large cluster
    Changes,
    /// From the start until ready
    Start,
}

impl Comparison {
    /// Whether a part is to be measured.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.filter(|time| (0.05..=600.0).contains(&time.as_secs_f64()));
    seconds.ok_or_else(|| "a number of seconds from 0.05 to 600, such as 3 or 0.5".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::{Arguments, Command, Part};

    #[test]
    fn a_comparison_needs_no_word() {
        let arguments = Arguments::parse_from(["b", "--seconds", "0.5", "--part", "memory"]);
        assert!(arguments.command.is_none());
        assert_eq!(arguments.comparison.seconds, Duration::from_millis(500));
        assert!(arguments.comparison.has(Part::Memory) && !arguments.comparison.has(Part::Table));
        let arguments = Arguments::parse_from(["b", "flame", "--workload", "DoT"]);
        assert!(
            matches!(arguments.command, Some(Command::Flame(flame)) if flame.workload == "DoT")
        );
    }

    #[test]
    fn times_have_bounds() {
        for seconds in ["0", "-1", "601", "x", "NaN"] {
            assert!(Arguments::try_parse_from(["b", "--seconds", seconds]).is_err(), "{seconds}");
        }
    }
}
