//! The goals that the results are held to: ratios of one run on one machine.

use serde::Serialize;

use crate::results::Results;
use crate::trial::{Size, growth};

/// The server that has goals.
pub(crate) const PORTOLAN: &str = "portolan";

/// Whose static zone it is compared with.
const KNOT: &str = "knot";

/// Cluster names over UDP.
const CLUSTER: [&str; 5] = ["A", "AAAA", "SRV", "PTR", "NXDOMAIN"];

/// What passes more plugins.
const BEHIND: [&str; 3] = ["search list", "search list, autopath", "cached"];

/// Transports with connections.
const STREAMS: [&str; 4] = ["TCP, a connection each", "TCP, pipelined", "DoT", "DoH"];

/// One goal and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Goal {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) measured: f64,
    pub(crate) limit: f64,
    pub(crate) met: bool,
}

impl Goal {
    fn at_most(name: impl Into<String>, unit: &'static str, measured: f64, limit: f64) -> Self {
        Self { name: name.into(), unit, measured, limit, met: measured <= limit }
    }

    /// Returns a row of the table of goals.
    pub(crate) fn row(&self) -> String {
        let met = if self.met { "yes" } else { "no" };
        let Self { name, unit, measured, limit, met: _ } = self;
        format!("| {name} | {limit:.2} {unit} | {measured:.2} {unit} | {met} |")
    }
}

/// Returns the goals of which something was measured.
pub(crate) fn goals(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    goals.extend(CLUSTER.iter().filter_map(|w| over_reflector(results, w, 1.10)));
    goals.extend(CLUSTER.iter().filter_map(|w| {
        // Both by the reflector's of the same time, which differs less than microseconds do.
        let ratio = |server| results.over_reflector(w, server);
        Some(Goal::at_most(format!("{w}: CPU below Knot's"), "×", ratio(PORTOLAN)?, ratio(KNOT)?))
    }));
    goals.extend(BEHIND.iter().filter_map(|w| over_reflector(results, w, 1.25)));
    goals.extend(grown(results));
    goals.extend(CLUSTER.iter().filter_map(|w| {
        let p99 = |server| results.of(w, server, |m| m.p99);
        Some(Goal::at_most(format!("{w}: p99 not above Knot's"), "µs", p99(PORTOLAN)?, p99(KNOT)?))
    }));
    goals.extend(STREAMS.iter().filter_map(|w| as_fast_as_any(results, w)));
    goals.extend(of_memory(results));
    goals.extend(of_changes(results));
    goals
}

fn over_reflector(results: &Results, workload: &str, limit: f64) -> Option<Goal> {
    let ratio = results.over_reflector(workload, PORTOLAN)?;
    Some(Goal::at_most(format!("{workload}: CPU over the reflector's"), "×", ratio, limit))
}

fn grown(results: &Results) -> Option<Goal> {
    let size = |size: Size| size.services(results.services);
    let of = |services| results.over_reflector(&growth(services), PORTOLAN);
    let (small, large) = (size(Size::Small), size(Size::Large));
    let ratio = of(large)? / of(small)?;
    Some(Goal::at_most(format!("growth from {small} to {large} services"), "×", ratio, 1.10))
}

/// One processor with a client does not keep a server busy over connections, so the CPU time counts and not the rate.
fn as_fast_as_any(results: &Results, workload: &str) -> Option<Goal> {
    let cpu = |server: &str| results.of(workload, server, |m| m.cpu);
    let others = results.workloads.get(workload)?.keys().filter(|server| *server != PORTOLAN);
    let others = others.filter_map(|server| Some((cpu(server)?, server)));
    let (best, server) = others.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let name = format!("{workload}: CPU not above that of {server}, the fastest other");
    Some(Goal::at_most(name, "µs", cpu(PORTOLAN)?, best))
}

/// The limits are for 10,000 and 100,000 Services, and hold for clusters that are smaller.
fn of_memory(results: &Results) -> Vec<Goal> {
    let own = results.memory.iter().filter(|memory| memory.server == PORTOLAN);
    own.flat_map(|m| {
        let mib = m.resident_kib as f64 / 1024.0;
        let limit = if m.services <= 10_000 { 25.0 } else { 130.0 };
        let ratio = m.relist_peak_kib as f64 / m.resident_kib.max(1) as f64;
        let of = format!("{} services", m.services);
        [
            Goal::at_most(format!("memory, {of} + {} endpoints", m.endpoints), "MiB", mib, limit),
            Goal::at_most(format!("memory during a full relist, {of}"), "×", ratio, 1.3),
        ]
    })
    .collect()
}

fn of_changes(results: &Results) -> Vec<Goal> {
    let own = results.changes.iter().filter(|changes| changes.server == PORTOLAN);
    own.flat_map(|c| {
        let (p99, ratio) = (c.event_p99 / 1e3, c.changing.p99 / c.still.p99);
        let of = format!("{} services", c.services);
        [
            Goal::at_most(format!("event to answer at {of}, p99"), "ms", p99, 5.0),
            // Above 1, to leave room for noise.
            Goal::at_most(format!("p99 of queries with changes at {of}"), "×", ratio, 1.10),
        ]
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::goals;
    use crate::machine::{Machine, Processors};
    use crate::measure::Measured;
    use crate::memory::Memory;
    use crate::results::Results;

    fn results() -> Results {
        Results::new(Machine::here(Processors { server: 0, client: 1 }), 10_000, 1, 1.0)
    }

    fn measured(cpu: f64) -> Measured {
        let over_reflector = Some(cpu / 5.0);
        Measured { cpu, over_reflector, p99: cpu * 10.0, ..Measured::default() }
    }

    fn met(results: &Results) -> Vec<(String, bool)> {
        goals(results).into_iter().map(|goal| (goal.name, goal.met)).collect()
    }

    #[test]
    fn what_was_not_measured_has_no_row() {
        assert_eq!(met(&results()), []);
    }

    #[test]
    fn a_ratio_may_be_as_large_as_its_limit() {
        let mut results = results();
        for (server, cpu) in [("portolan", 5.5), ("knot", 5.4)] {
            results.add("SRV", server, measured(cpu));
        }
        let expected = [
            ("SRV: CPU over the reflector's".into(), true),
            ("SRV: CPU below Knot's".into(), false),
            ("SRV: p99 not above Knot's".into(), false),
        ];
        assert_eq!(met(&results), expected);
    }

    #[test]
    fn growth_is_that_of_portolan() {
        let mut results = results();
        results.add("A, 1000 services", "portolan", measured(5.0));
        results.add("A, 100000 services", "portolan", measured(5.6));
        assert_eq!(met(&results), [("growth from 1000 to 100000 services".into(), false)]);
    }

    #[test]
    fn the_fastest_other_counts() {
        let mut results = results();
        for (server, cpu) in [("portolan", 20.0), ("dnsdist", 30.0), ("unbound", 19.0)] {
            results.add("DoT", server, measured(cpu));
        }
        let name = "DoT: CPU not above that of unbound, the fastest other";
        assert_eq!(met(&results), [(name.into(), false)]);
    }

    #[test]
    fn memory_is_in_mib() {
        let mut results = results();
        let memory = |server: &str, resident_kib| Memory {
            server: server.into(),
            services: 10_000,
            endpoints: 20_000,
            resident_kib,
            relist_peak_kib: 28 * 1024,
            relisted_kib: resident_kib,
        };
        results.memory = vec![memory("portolan", 20 * 1024), memory("coredns", 100 * 1024)];
        let expected = [
            ("memory, 10000 services + 20000 endpoints".into(), true),
            ("memory during a full relist, 10000 services".into(), false),
        ];
        assert_eq!(met(&results), expected);
    }
}
