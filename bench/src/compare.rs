//! A whole comparison: every server on the same data in turn.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::arguments::{Comparison, Part};
use crate::cluster::Cluster;
use crate::goals::goals;
use crate::machine::{Machine, Processors};
use crate::measure::{Side, TURNS, Task};
use crate::report;
use crate::results::Results;
use crate::scene::Scene;
use crate::servers::{self, Listed};
use crate::trial::{Corefile, Size, Trial, plan};
use crate::{changes, memory, start};

/// Measures what is asked for, prints the table and writes the file.
///
/// # Errors
/// Something is missing, or a server does not do what it should.
pub(crate) fn compare(wanted: &Comparison) -> anyhow::Result<()> {
    let processors = Processors::take()?;
    let mut listed = read_servers(&wanted.configuration)?;
    let reflector = listed.iter().find(|server| server.is_reflector()).cloned();
    listed.retain(|s| wanted.server.is_empty() || wanted.server.contains(&s.name));
    ensure!(!listed.is_empty(), "no server of servers.conf has this name");
    let trials =
        if wanted.has(Part::Table) { plan(wanted.services, &wanted.workload) } else { vec![] };
    ensure!(!wanted.has(Part::Table) || !trials.is_empty(), "there is no such workload");
    let machine = Machine::here(processors);
    let mut comparison = Run {
        wanted,
        listed: &listed,
        reflector,
        processors,
        scenes: BTreeMap::new(),
        results: Results::new(
            machine,
            wanted.services,
            wanted.rounds,
            wanted.seconds.as_secs_f64(),
        ),
    };
    comparison.rounds(&trials)?;
    comparison.parts()?;
    let mut results = comparison.results;
    results.goals = goals(&results);
    let page = page(&results, &trials, &listed);
    show(&page);
    if let Some(document) = &wanted.document {
        let text =
            fs::read_to_string(document).with_context(|| format!("read {}", document.display()))?;
        let text = report::put_into(&text, &page)
            .with_context(|| format!("{} has no place for results", document.display()))?;
        fs::write(document, text).with_context(|| format!("write {}", document.display()))?;
    }
    wanted.out.as_deref().map_or(Ok(()), |out| save(&results, out))
}

/// Reads `servers.conf` of a directory.
///
/// # Errors
/// It cannot be read, or a line is wrong.
pub(crate) fn read_servers(configuration: &Path) -> anyhow::Result<Vec<Listed>> {
    let list = configuration.join("servers.conf");
    let text = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    servers::parse(&text).with_context(|| list.display().to_string())
}

/// A comparison under way.
struct Run<'a> {
    wanted: &'a Comparison,
    listed: &'a [Listed],
    /// The measure of the others.
    reflector: Option<Listed>,
    processors: Processors,
    /// Prepared clusters; they stay to the end.
    scenes: BTreeMap<Size, Scene>,
    results: Results,
}

impl Run<'_> {
    /// Measures every server with every workload, in rounds, so that what disturbs the machine for a while disturbs
    /// all of them. The reflector runs beside each, too.
    fn rounds(&mut self, trials: &[Trial]) -> anyhow::Result<()> {
        let rounds = if trials.is_empty() { 0 } else { self.wanted.rounds };
        for round in 1..=rounds {
            for server in self.listed {
                tell(&format!("round {round} of {rounds}: {}", server.name));
                for trial in trials.iter().filter(|trial| takes_part(server, trial)) {
                    self.trial(server, trial)?;
                }
            }
        }
        Ok(())
    }

    fn trial(&mut self, server: &Listed, trial: &Trial) -> anyhow::Result<()> {
        self.prepare(trial.size)?;
        let scene = &self.scenes[&trial.size];
        let mut running = scene.start(server, trial.corefile, self.processors.server)?;
        running.wait_until_idle()?;
        let loaded_kib = running.resident_kib()?;
        let reflector = self.reflector.as_ref();
        let reflector = reflector.filter(|r| !server.is_reflector() && takes_part(r, trial));
        let beside = reflector.map(|listed| {
            let running = scene.start(listed, trial.corefile, self.processors.server)?;
            anyhow::Ok((running, listed.port))
        });
        let beside = beside.transpose()?;
        let beside = beside.as_ref().map(|(server, port)| Side { server, port: *port });
        let side = Side { server: &running, port: server.port };
        for workload in &trial.workloads {
            let task = Task {
                workload,
                cluster: scene.cluster,
                directory: scene.directory(),
                time: self.wanted.seconds,
            };
            if !task.is_served(server.port) {
                self.results.left_out.insert((workload.name.clone(), server.name.clone()));
                continue;
            }
            let place = format!("{}: {}", server.name, workload.name);
            match task.measure(side, beside, loaded_kib).context(place) {
                Ok(measured) => self.results.add(&workload.name, &server.name, measured),
                // A peer that stumbles loses its round, and the others do not lose theirs.
                Err(error) if server.is_peer() => tell(&format!("without this round: {error:#}")),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Measures what has no row in the table, of the servers that get their cluster from the API server.
    fn parts(&mut self) -> anyhow::Result<()> {
        let processor = self.processors.server;
        for server in self.listed.iter().filter(|server| server.reads_corefiles()) {
            if self.wanted.has(Part::Memory) {
                for size in [Size::Main, Size::Large] {
                    tell(&format!("memory: {}", server.name));
                    let memory = memory::measure(self.scene(size)?, server, processor)?;
                    self.results.memory.push(memory);
                }
            }
            if self.wanted.has(Part::Changes) {
                tell(&format!("changes: {}", server.name));
                let (time, turns) = (self.wanted.seconds, TURNS * self.wanted.rounds);
                let scene = self.scene(Size::Large)?;
                let changes = changes::measure(scene, server, processor, time, turns)?;
                self.results.changes.push(changes);
            }
            if self.wanted.has(Part::Start) {
                tell(&format!("start: {}", server.name));
                let rounds = self.wanted.rounds;
                let start = start::measure(self.scene(Size::Main)?, server, processor, rounds)?;
                self.results.starts.push(start);
            }
        }
        Ok(())
    }

    fn scene(&mut self, size: Size) -> anyhow::Result<&Scene> {
        self.prepare(size)?;
        Ok(&self.scenes[&size])
    }

    fn prepare(&mut self, size: Size) -> anyhow::Result<()> {
        if self.scenes.contains_key(&size) {
            return Ok(());
        }
        let cluster = Cluster { services: size.services(self.wanted.services) };
        tell(&format!("a cluster of {} services", cluster.services));
        let templates = self.wanted.configuration.join("servers");
        let scene = Scene::prepare(size, cluster, &templates, self.listed, self.processors.client)?;
        self.scenes.insert(size, scene);
        Ok(())
    }
}

/// Whether a server can do what a trial is about; [`Task::is_served`] looks at the rest.
fn takes_part(server: &Listed, trial: &Trial) -> bool {
    match (trial.corefile, trial.size) {
        (Corefile::Stock, Size::Main) => true,
        (Corefile::Encrypted, _) => !server.is_reflector(),
        // Search lists of clients, and what becomes more expensive as the cluster grows.
        (Corefile::Autopath, _) | (Corefile::Stock, Size::Small | Size::Large) => {
            server.reads_corefiles() || server.is_reflector()
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a run takes long, and the table is on the standard output"
)]
fn tell(what: &str) {
    eprintln!("{what}");
}

fn page(results: &Results, trials: &[Trial], listed: &[Listed]) -> String {
    let workloads: Vec<_> =
        trials.iter().flat_map(|trial| &trial.workloads).map(|w| w.name.clone()).collect();
    let servers: Vec<_> = listed.iter().map(|server| server.name.clone()).collect();
    report::page(results, &workloads, &servers)
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn show(page: &str) {
    print!("{page}");
}

fn save(results: &Results, out: &Path) -> anyhow::Result<()> {
    let is_file = out.extension().is_some_and(|extension| extension == "json");
    let path = if is_file { out.to_owned() } else { out.join(results.machine.file_name()) };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    }
    let json = serde_json::to_string_pretty(results)?;
    fs::write(&path, json + "\n").with_context(|| format!("write {}", path.display()))?;
    tell(&format!("results: {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::takes_part;
    use crate::servers::parse;
    use crate::trial::plan;

    #[test]
    fn servers_of_static_zones_do_not_grow() {
        let servers = parse("reflector 1 r\nknot 2 knotd\ncoredns 3 c {corefile}\n").unwrap();
        let trials = plan(100, &[]);
        let of = |server: usize| -> Vec<bool> {
            trials.iter().map(|trial| takes_part(&servers[server], trial)).collect()
        };
        assert_eq!(of(0), [true, true, true, true, false]);
        assert_eq!(of(1), [true, false, false, false, true]);
        assert_eq!(of(2), [true; 5]);
    }
}
