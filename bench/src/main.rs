//! `make bench`: every server on the same data in turn, on one processor, with its client on another.

mod cluster;
mod dnsperf;
mod latency;
mod measure;
mod process;
mod question;
mod report;
mod scene;
mod servers;
mod workload;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser;

use cluster::Cluster;
use measure::{Effort, Processors, Questions};
use process::Running;
use report::Results;
use scene::Scene;
use servers::Listed;
use workload::{ALL, Workload};

/// Compares DNS servers with each other and with a bare reflector.
#[derive(Parser)]
struct Arguments {
    /// Services of the cluster
    #[arg(long, default_value_t = 10_000)]
    services: u32,
    /// Rounds; the table has their medians
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Servers to measure, by name; all without it
    #[arg(long)]
    server: Vec<String>,
    /// Workloads to measure, by name; all without it
    #[arg(long)]
    workload: Vec<String>,
    /// The directory with servers.conf and servers/
    #[arg(long, default_value = "bench")]
    configuration: PathBuf,
    /// Where the results go, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let list = arguments.configuration.join("servers.conf");
    let text = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let mut listed = servers::parse(&text).with_context(|| list.display().to_string())?;
    listed.retain(|server| is_wanted(&arguments.server, &server.name));
    let workloads: Vec<_> =
        ALL.into_iter().filter(|w| is_wanted(&arguments.workload, w.name())).collect();
    ensure!(!listed.is_empty(), "no server of {} has this name", list.display());
    ensure!(!workloads.is_empty(), "there is no such workload");

    let results = compare(&arguments, &listed, &workloads)?;
    let names: Vec<_> = listed.iter().map(|server| server.name.as_str()).collect();
    let kinds: Vec<_> = workloads.iter().map(|workload| workload.name()).collect();
    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    {
        print!("{}", results.table(&kinds, &names));
    }
    if let Some(path) = &arguments.out {
        let json = serde_json::to_string_pretty(&results)?;
        fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn is_wanted(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|w| w == name)
}

/// Measures every server with every workload, in rounds, so that what disturbs the machine for a while disturbs
/// all of them.
fn compare(
    arguments: &Arguments,
    listed: &[Listed],
    workloads: &[Workload],
) -> anyhow::Result<Results> {
    let cluster = Cluster { services: arguments.services };
    let processors = Processors { server: 0, client: 1 };
    let templates = arguments.configuration.join("servers");
    let scene = Scene::prepare(cluster, &templates, listed, processors.client)?;
    let effort = Effort { seconds: arguments.seconds, processors };
    let mut results = Results::new(arguments.services);
    for round in 1..=arguments.rounds {
        for server in listed {
            let log = scene.directory().join(format!("{}.log", server.name));
            let mut running = Running::start(&scene.command(server), processors.server, &log)?;
            running.wait_until_answering(server.port).with_context(|| {
                let log = fs::read_to_string(&log).unwrap_or_default();
                format!("{} in round {round}: {log}", server.name)
            })?;
            for workload in workloads {
                let text = workload.questions(cluster);
                let file = scene.directory().join("questions");
                fs::write(&file, &text)?;
                let list = pairs(&text);
                let questions = Questions { file: &file, list: &list };
                let measured = measure::measure(&running, server.port, &questions, effort)
                    .with_context(|| format!("{}: {}", server.name, workload.name()))?;
                results.add(workload.name(), &server.name, measured);
            }
        }
    }
    Ok(results)
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}
