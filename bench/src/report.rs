//! The table, and what stands below it.

use std::fmt::Write as _;

use crate::measure::Measured;
use crate::results::Results;
use crate::servers::REFLECTOR;

const HEAD: &str = "\
    | workload | server | queries/s | CPU µs/query | × reflector | p50 µs | p99 µs | lost | MiB loaded | MiB peak |\n\
    |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";

/// Returns everything that is shown: where it was measured, the table, and the rest.
pub(crate) fn page(results: &Results, workloads: &[String], servers: &[String]) -> String {
    let (machine, processors) = (&results.machine, results.machine.processors);
    format!(
        "{}, commit {}: {}, Linux {}, server on processor {}, client on {}, load of the machine before {}; {} services, \
         medians of {} rounds of {} s.\n\n{}\n{}",
        machine.date,
        machine.commit,
        machine.processor,
        machine.kernel,
        processors.server,
        processors.client,
        machine.load_before,
        results.services,
        results.rounds,
        results.seconds,
        table(results, workloads, servers),
        rest(results),
    )
}

/// The lines of a document that results stand between.
const MARKS: [&str; 2] = ["<!-- results of `make bench` -->\n", "<!-- end of results -->\n"];

/// Returns a document with a page in the place of the one in it; none when it has no place for it.
pub(crate) fn put_into(document: &str, page: &str) -> Option<String> {
    let [begin, end] = MARKS;
    let (before, rest) = document.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{page}\n{end}{after}"))
}

/// Returns the table: for each workload and server the medians of the rounds. Without any it is empty.
fn table(results: &Results, workloads: &[String], servers: &[String]) -> String {
    let mut table = String::from(HEAD);
    for workload in workloads {
        for server in servers {
            table.extend(row(results, workload, server));
        }
    }
    if table == HEAD { String::new() } else { table }
}

/// Returns what has rows of its own: memory, changes, starts, what was left out, and the goals.
fn rest(results: &Results) -> String {
    let mut text = String::new();
    for m in &results.memory {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let _ = writeln!(
            text,
            "- memory, {}, {} services + {} endpoints: {:.1} MiB, {:.1} MiB in a full relist, {:.1} MiB after it",
            m.server,
            m.services,
            m.endpoints,
            mib(m.resident_kib),
            mib(m.relist_peak_kib),
            mib(m.relisted_kib),
        );
    }
    for c in &results.changes {
        let _ = writeln!(
            text,
            "- changes, {}, {} services: event to answer under full load p50 {:.0} µs, p99 {:.0} µs of {}; queries at half \
             rate p50 {:.0} µs, p99 {:.0} µs without changes, p50 {:.0} µs, p99 {:.0} µs with {} a second",
            c.server,
            c.services,
            c.event_p50,
            c.event_p99,
            c.events,
            c.still.p50,
            c.still.p99,
            c.changing.p50,
            c.changing.p99,
            c.per_second,
        );
    }
    for s in &results.starts {
        let _ = writeln!(
            text,
            "- start, {}, {} services: ready after {:.0} ms, answers after {:.0} ms; the bare list {:.0} ms",
            s.server, s.services, s.ready, s.answering, s.list,
        );
    }
    for (workload, server) in &results.left_out {
        let _ = writeln!(text, "- left out: {server} does not serve {workload}");
    }
    if !results.goals.is_empty() {
        text += "\n| goal | limit | measured | met |\n|---|--:|--:|---|\n";
    }
    for goal in &results.goals {
        let _ = writeln!(text, "{}", goal.row());
    }
    text
}

fn row(results: &Results, workload: &str, server: &str) -> Option<String> {
    let of = |value: fn(&Measured) -> f64| results.of(workload, server, value);
    let (per_second, cpu) = (of(|m| m.per_second)?, of(|m| m.cpu)?);
    let ratio = results.over_reflector(workload, server);
    let ratio = ratio.or_else(|| (server == REFLECTOR).then_some(1.0));
    let ratio = ratio.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}"));
    Some(format!(
        "| {workload} | {server} | {per_second:.0} | {cpu:.2} | {ratio} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |\n",
        of(|m| m.p50)?,
        of(|m| m.p99)?,
        of(|m| m.lost as f64)?,
        of(|m| m.loaded_kib as f64 / 1024.0)?,
        of(|m| m.peak_kib as f64 / 1024.0)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::{put_into, rest, table};
    use crate::machine::{Machine, Processors};
    use crate::measure::Measured;
    use crate::results::Results;

    #[test]
    fn the_table_has_medians_and_ratios() {
        let machine = Machine::here(Processors { server: 0, client: 1 });
        let mut results = Results::new(machine, 1_000, 3, 3.0);
        for (server, cpus) in [("reflector", [4.0, 5.0, 9.0]), ("portolan", [10.0, 7.5, 7.0])] {
            for cpu in cpus {
                let measured = Measured {
                    per_second: 1e5,
                    cpu,
                    over_reflector: (server == "portolan").then_some(cpu / 5.0),
                    p50: 50.0,
                    p99: 90.0,
                    loaded_kib: 2048,
                    peak_kib: 3072,
                    ..Measured::default()
                };
                results.add("A", server, measured);
            }
        }
        results.left_out.insert(("DoT".into(), "knot".into()));
        let table =
            table(&results, &["A".into(), "PTR".into()], &["portolan".into(), "knot".into()]);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert_eq!(super::table(&results, &["PTR".into()], &["portolan".into()]), "");
        let row = "| A | portolan | 100000 | 7.50 | 1.50 | 50 | 90 | 0 | 2.0 | 3.0 |\n";
        assert!(table.ends_with(row), "{table}");
        assert_eq!(rest(&results), "- left out: knot does not serve DoT\n");
    }

    #[test]
    fn a_document_keeps_what_is_around_the_results() {
        let document =
            "# Speed\n<!-- results of `make bench` -->\nold\n<!-- end of results -->\nEnd.\n";
        let filled = put_into(document, "a table\n").unwrap();
        assert_eq!(
            filled,
            "# Speed\n<!-- results of `make bench` -->\n\na table\n\n<!-- end of results -->\nEnd.\n"
        );
        assert_eq!(put_into(&filled, "a table\n"), Some(filled));
        assert_eq!(put_into("# Speed\n", "a table\n"), None);
    }
}
