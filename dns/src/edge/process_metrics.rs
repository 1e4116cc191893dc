//! The `process_*` metrics that dashboards plot for every process.
//!
//! Read from `/proc/self` (proc(5)) at each scrape. The `process` feature of the prometheus crate would do the same
//! with four more crates, one of them an old rustix.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};
use prometheus::core::{Collector, Desc, Describer};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Error, Gauge, Opts};

const CPU: (&str, &str) =
    ("process_cpu_seconds_total", "Time on a processor, in user and in kernel mode.");
const OPEN_FDS: (&str, &str) = ("process_open_fds", "Open file descriptors.");
const MAX_FDS: (&str, &str) = ("process_max_fds", "How many file descriptors may be open.");
const VIRTUAL: (&str, &str) = ("process_virtual_memory_bytes", "Size of the address space.");
const RESIDENT: (&str, &str) = ("process_resident_memory_bytes", "Memory in use.");
const START: (&str, &str) =
    ("process_start_time_seconds", "When the process started, in Unix time.");

/// Collects the metrics of this process; what cannot be read is left out.
#[derive(Debug)]
pub struct ProcessCollector {
    descriptions: Vec<Desc>,
}

/// What `/proc/self/stat` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stat {
    /// In clock ticks.
    processor_time: u64,
    /// In clock ticks since boot.
    start: u64,
    virtual_octets: u64,
    resident_pages: u64,
}

impl ProcessCollector {
    /// Returns the collector, to be registered.
    ///
    /// # Errors
    ///
    /// None that can happen: the names of the metrics are valid.
    pub fn new() -> Result<Self, Error> {
        let all = [CPU, OPEN_FDS, MAX_FDS, VIRTUAL, RESIDENT, START];
        let describe = |(name, help)| Opts::new(name, help).describe();
        Ok(Self { descriptions: all.into_iter().map(describe).collect::<Result<_, _>>()? })
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        let mut gauge = |(name, help), value: Option<f64>| {
            if let (Some(value), Ok(gauge)) = (value, Gauge::new(name, help)) {
                gauge.set(value);
                families.extend(gauge.collect());
            }
        };
        let stat = read("/proc/self/stat").and_then(|text| parse_stat(&text));
        let start = stat.zip(read("/proc/stat").and_then(|text| parse_boot_time(&text)));
        gauge(OPEN_FDS, open_fds());
        gauge(MAX_FDS, read("/proc/self/limits").and_then(|text| parse_max_fds(&text)));
        gauge(VIRTUAL, stat.map(|stat| number(stat.virtual_octets)));
        gauge(RESIDENT, stat.map(|stat| number(stat.resident_pages) * page_octets()));
        gauge(START, start.map(|(stat, boot)| boot + seconds(stat.start)));
        if let (Some(stat), Ok(counter)) = (stat, Counter::new(CPU.0, CPU.1)) {
            counter.inc_by(seconds(stat.processor_time));
            families.extend(counter.collect());
        }
        families
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Counts the open descriptors without the one that the count itself needs.
fn open_fds() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(number(count as u64 - 1))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The second field is the name of the program in parentheses, which may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // proc(5) counts from 1 and the name is field 2.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        processor_time: field(14)? + field(15)?,
        start: field(22)?,
        virtual_octets: field(23)?,
        resident_pages: field(24)?,
    })
}

fn parse_max_fds(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        soft => soft.parse().ok(),
    }
}

fn parse_boot_time(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn seconds(ticks: u64) -> f64 {
    number(ticks) / of_system(SysconfVar::CLK_TCK, 100.0)
}

fn page_octets() -> f64 {
    of_system(SysconfVar::PAGE_SIZE, 4096.0)
}

/// Asks sysconf(3); the default is what it is nearly everywhere.
fn of_system(variable: SysconfVar, default: f64) -> f64 {
    let value = sysconf(variable).ok().flatten();
    value.and_then(|value| u64::try_from(value).ok()).map_or(default, number)
}

/// Metrics are floating point; above 2⁵³ the last digits do not matter.
#[allow(clippy::cast_precision_loss)]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    #[test]
    fn this_process_has_them_all() {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::new().unwrap())).unwrap();
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for (name, kind) in [
            ("process_cpu_seconds_total", "counter"),
            ("process_open_fds", "gauge"),
            ("process_max_fds", "gauge"),
            ("process_virtual_memory_bytes", "gauge"),
            ("process_resident_memory_bytes", "gauge"),
            ("process_start_time_seconds", "gauge"),
        ] {
            assert!(text.contains(&format!("# TYPE {name} {kind}\n{name} ")), "{name} in\n{text}");
        }
    }

    #[test]
    fn a_program_name_with_parentheses() {
        let numbers: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let text = format!("1 (a) b) c) S {}\n", numbers.join(" "));
        let stat = Stat { processor_time: 29, start: 22, virtual_octets: 23, resident_pages: 24 };
        assert_eq!(parse_stat(&text), Some(stat));
        assert_eq!(parse_stat("1 (a) S 1 2"), None);
    }

    #[test]
    fn limits_and_boot_time() {
        let limits = |soft| format!("Limit  Soft  Hard\nMax open files  {soft}  524288  files\n");
        assert_eq!(parse_max_fds(&limits("1024")), Some(1024.0));
        assert_eq!(parse_max_fds(&limits("unlimited")), Some(f64::INFINITY));
        assert_eq!(parse_max_fds("nothing"), None);
        assert_eq!(parse_boot_time("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
    }
}
