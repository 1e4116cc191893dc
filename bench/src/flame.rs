//! A flame graph: perf samples the stacks of a server under load, and they become an SVG.

mod fold;
mod svg;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::arguments::Flame;
use crate::cluster::Cluster;
use crate::compare::read_servers;
use crate::dnsperf::{self, End, Load};
use crate::machine::{Machine, Processors};
use crate::process::Running;
use crate::scene::Scene;
use crate::trial::{Size, Transport, Trial, plan};
use crate::workload::{Pass, text};

/// Samples a second; no multiple of what timers of the server run at.
const FREQUENCY: &str = "997";

/// Records a server under a workload and writes the graph.
///
/// # Errors
/// perf is missing or not allowed, or the server does not do what it should.
pub(crate) fn record(wanted: &Flame) -> anyhow::Result<()> {
    let processors = Processors::take()?;
    let listed = read_servers(&wanted.configuration)?;
    let server = listed.iter().find(|server| server.name == wanted.server);
    let server = server.with_context(|| format!("servers.conf has no '{}'", wanted.server))?;
    let trial = trial(wanted)?;
    let cluster = Cluster { services: wanted.services };
    let templates = wanted.configuration.join("servers");
    let scene = Scene::prepare(Size::Main, cluster, &templates, &listed, processors.client)?;
    let running = scene.start(server, trial.corefile, processors.server)?;
    let workload = &trial.workloads[0];
    let Transport::Dnsperf(mode) = workload.transport else {
        anyhow::bail!("the workload '{}' has no flame graph", workload.name);
    };
    let file = scene.directory().join("questions");
    fs::write(&file, text(&workload.questions.list(cluster, Pass::Peak(0))))?;
    let port = workload.transport.port(server.port);
    let load =
        Load { mode, port, questions: &file, time: wanted.seconds, rate: None, end: End::Time };
    dnsperf::run(load)?;
    let stacks = sample(&running, scene.directory(), || dnsperf::run(load).map(drop))?;
    let machine = Machine::here(processors);
    let title = format!(
        "{}, {}, {} services; commit {}, {}",
        wanted.server, workload.name, wanted.services, machine.commit, machine.date
    );
    fs::write(&wanted.out, svg::draw(&title, &stacks))
        .with_context(|| format!("write {}", wanted.out.display()))
}

fn trial(wanted: &Flame) -> anyhow::Result<Trial> {
    let trials = plan(wanted.services, std::slice::from_ref(&wanted.workload));
    trials.into_iter().next().with_context(|| format!("there is no workload '{}'", wanted.workload))
}

/// Samples a process while something is done, and returns how often each stack was seen.
fn sample(
    server: &Running,
    directory: &Path,
    act: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<fold::Stacks> {
    let data = directory.join("perf.data").display().to_string();
    let pid = server.id().to_string();
    // By the clock, because virtual machines have no counters; by unwinding, because the release build has no frame
    // pointers.
    let arguments = ["record", "-e", "cpu-clock", "-F", FREQUENCY, "--call-graph", "dwarf,16384"];
    let mut perf = Command::new("perf")
        .args(arguments)
        .args(["-q", "-p", &pid, "-o", &data])
        .spawn()
        .context("perf cannot be run (`make bench-flame` installs it)")?;
    let acted = act();
    // It writes what it has when it is interrupted.
    let stop = Command::new("kill").args(["-INT", &perf.id().to_string()]).status();
    perf.wait()?;
    acted?;
    stop.context("stop perf")?;
    let script = Command::new("perf")
        .args(["script", "--no-inline", "-F", "comm,ip,sym", "-i", &data])
        .output()
        .context("read what perf recorded")?;
    let stacks = fold::fold(&String::from_utf8_lossy(&script.stdout));
    let errors = String::from_utf8_lossy(&script.stderr);
    ensure!(!stacks.is_empty(), "perf has no samples; is perf_event_paranoid above 2? {errors}");
    Ok(stacks)
}
