//! The machine that is measured on: its processors, and what has to stand beside numbers.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use time::OffsetDateTime;

/// Which processors the server and its client run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Processors {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

/// Where and when a run was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// UTC, `2026-11-21T20:15:00Z`.
    pub(crate) date: String,
    /// The commit, with `-dirty` when files differ from it; empty outside of a repository.
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) processors: Processors,
    /// Processes that ran or waited for a processor in the minute before; what else the machine did.
    pub(crate) load_before: f64,
}

impl Processors {
    /// Takes two of those that this process may use, and has it run on the client's from now on, with its threads
    /// and what it starts. With a single one both share it, which the result says.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("which processors there are")?;
        let all = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
        let processors = Self::of(&all.collect::<Vec<_>>())?;
        let mut own = CpuSet::new();
        own.set(processors.client)?;
        sched_setaffinity(Pid::from_raw(0), &own).context("stay on the client's processor")?;
        Ok(processors)
    }

    fn of(allowed: &[usize]) -> anyhow::Result<Self> {
        ensure!(!allowed.is_empty(), "there is no processor");
        Ok(Self { server: allowed[0], client: *allowed.get(1).unwrap_or(&allowed[0]) })
    }
}

impl Machine {
    /// Describes this machine.
    pub(crate) fn here(processors: Processors) -> Self {
        let date = OffsetDateTime::now_utc();
        let (day, time) = (date.date(), date.time());
        let (hour, minute, second) = time.as_hms();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            date: format!("{day}T{hour:02}:{minute:02}:{second:02}Z"),
            commit: commit(),
            processor: model.map_or_else(String::new, |(_, name)| name.to_owned()),
            kernel: kernel.trim_end().to_owned(),
            processors,
            load_before: load.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default(),
        }
    }

    /// Returns the name of a file of results of this moment.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.json", self.date.replace(':', "").trim_end_matches('Z'))
    }
}

fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]).output();
    let text = git.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    String::from_utf8_lossy(&text.unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Machine, Processors};

    #[test]
    fn client_and_server_are_apart_where_they_can_be() {
        assert_eq!(Processors::of(&[2, 5, 7]).unwrap(), Processors { server: 2, client: 5 });
        assert_eq!(Processors::of(&[3]).unwrap(), Processors { server: 3, client: 3 });
        assert!(Processors::of(&[]).is_err());
    }

    #[test]
    fn a_file_is_called_after_its_time() {
        let machine = Machine::here(Processors { server: 0, client: 1 });
        let name = machine.file_name();
        assert_eq!(name.len(), "2026-11-21T201500.json".len(), "{name}");
        assert!(!name.contains(':'), "{name}");
    }
}
