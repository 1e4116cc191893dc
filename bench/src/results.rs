//! All that was measured, as it goes to a file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::changes::Changes;
use crate::goals::Goal;
use crate::machine::Machine;
use crate::measure::Measured;
use crate::memory::Memory;
use crate::start::Start;
use crate::statistics::median;

/// The results of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Services of the cluster; the small one has a tenth, the large one ten times as many.
    pub(crate) services: u32,
    /// How often everything was measured.
    pub(crate) rounds: u32,
    /// How long each measurement took.
    pub(crate) seconds: f64,
    /// Each workload, each server, each round.
    pub(crate) workloads: BTreeMap<String, BTreeMap<String, Vec<Measured>>>,
    /// Workloads and the servers that do not serve them.
    pub(crate) left_out: BTreeSet<(String, String)>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) changes: Vec<Changes>,
    pub(crate) starts: Vec<Start>,
    /// The goals, with what was measured of them.
    pub(crate) goals: Vec<Goal>,
}

impl Results {
    pub(crate) fn new(machine: Machine, services: u32, rounds: u32, seconds: f64) -> Self {
        Self {
            machine,
            services,
            rounds,
            seconds,
            workloads: BTreeMap::new(),
            left_out: BTreeSet::new(),
            memory: Vec::new(),
            changes: Vec::new(),
            starts: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, workload: &str, server: &str, measured: Measured) {
        let servers = self.workloads.entry(workload.to_owned()).or_default();
        servers.entry(server.to_owned()).or_default().push(measured);
    }

    /// Returns the median of the rounds; none when it was not measured.
    pub(crate) fn of(
        &self,
        workload: &str,
        server: &str,
        value: impl Fn(&Measured) -> f64,
    ) -> Option<f64> {
        median(self.workloads.get(workload)?.get(server)?.iter().map(value).collect())
    }

    /// Returns the median of the CPU time by the reflector's, each of a time when both were measured; none when it took no
    /// part.
    pub(crate) fn over_reflector(&self, workload: &str, server: &str) -> Option<f64> {
        let rounds = self.workloads.get(workload)?.get(server)?;
        median(rounds.iter().filter_map(|measured| measured.over_reflector).collect())
    }
}
