//! The table, and the results as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::measure::Measured;

/// The server that the others are compared with.
pub(crate) const MEASURE: &str = "reflector";

/// All that was measured: the rounds of each server for each workload.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// Services of the cluster.
    services: u32,
    rounds: BTreeMap<String, BTreeMap<String, Vec<Measured>>>,
}

impl Results {
    pub(crate) fn new(services: u32) -> Self {
        Self { services, rounds: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, workload: &str, server: &str, measured: Measured) {
        let servers = self.rounds.entry(workload.to_owned()).or_default();
        servers.entry(server.to_owned()).or_default().push(measured);
    }

    /// Returns the table: the medians of the rounds, and the ratio of CPU time to the reflector's.
    pub(crate) fn table(&self, workloads: &[&str], servers: &[&str]) -> String {
        let mut table = String::from(
            "| workload | server | queries/s | CPU µs/query | ratio | p50 µs | p99 µs | lost | MiB |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for workload in workloads {
            let measure = self.median(workload, MEASURE, |m| m.cpu);
            for server in servers {
                let of = |value: fn(&Measured) -> f64| self.median(workload, server, value);
                let (Some(per_second), Some(cpu)) = (of(|m| m.per_second), of(|m| m.cpu)) else {
                    continue;
                };
                let ratio =
                    measure.map_or_else(|| "–".into(), |measure| format!("{:.2}", cpu / measure));
                let _ = writeln!(
                    table,
                    "| {workload} | {server} | {per_second:.0} | {cpu:.2} | {ratio} | {:.0} | {:.0} | {:.0} | {:.1} |",
                    of(|m| m.p50).unwrap_or_default(),
                    of(|m| m.p99).unwrap_or_default(),
                    of(|m| m.lost as f64).unwrap_or_default(),
                    of(|m| m.resident_kib as f64 / 1024.0).unwrap_or_default(),
                );
            }
        }
        table
    }

    fn median(&self, workload: &str, server: &str, value: fn(&Measured) -> f64) -> Option<f64> {
        let mut values: Vec<_> =
            self.rounds.get(workload)?.get(server)?.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Results;
    use crate::measure::Measured;

    #[test]
    fn the_table_has_medians_and_ratios() {
        let mut results = Results::new(1_000);
        for (server, cpus) in [("reflector", [4.0, 5.0, 9.0]), ("portolan", [10.0, 7.5, 7.0])] {
            for cpu in cpus {
                let measured = Measured {
                    per_second: 1e5,
                    cpu,
                    lost: 0,
                    answered: 1.0,
                    p50: 50.0,
                    p99: 90.0,
                    resident_kib: 2048,
                };
                results.add("A", server, measured);
            }
        }
        let table = results.table(&["A", "PTR"], &["portolan", "knot"]);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(
            table.ends_with("| A | portolan | 100000 | 7.50 | 1.50 | 50 | 90 | 0 | 2.0 |\n"),
            "{table}"
        );
    }
}
