//! The plan: which workloads are measured on which cluster with which Corefile.

use crate::dnsperf::Mode;
use crate::scene::{HTTPS, TLS};
use crate::workload::Questions;

/// A cluster, by its size beside that of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    /// A tenth of the Services.
    Small,
    Main,
    /// Ten times as many.
    Large,
}

/// A Corefile of `bench/servers/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corefile {
    /// That of kubeadm.
    Stock,
    /// With `autopath @kubernetes`, and with `pods verified`, which it needs.
    Autopath,
    /// With server blocks for DNS over TLS and HTTPS.
    Encrypted,
}

/// How questions reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Dnsperf(Mode),
    /// TCP with one question on a connection.
    Connections,
    /// HTTP/2 over TLS.
    Https,
}

/// A row of the table for each server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) questions: Questions,
    pub(crate) transport: Transport,
}

/// What one start of a server is for.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) size: Size,
    pub(crate) corefile: Corefile,
    pub(crate) workloads: Vec<Workload>,
}

impl Size {
    /// Returns the number of Services, where the run has `services`.
    pub(crate) fn services(self, services: u32) -> u32 {
        match self {
            Self::Small => (services / 10).max(1),
            Self::Main => services,
            Self::Large => services.saturating_mul(10),
        }
    }
}

impl Transport {
    /// Returns the port of a server for this transport, by that for UDP and TCP.
    pub(crate) fn port(self, plain: u16) -> u16 {
        match self {
            Self::Dnsperf(Mode::Udp | Mode::Tcp) | Self::Connections => plain,
            Self::Dnsperf(Mode::Tls) => TLS,
            Self::Https => HTTPS,
        }
    }
}

impl Corefile {
    /// Returns the name of the file.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Stock => "stock.Corefile",
            Self::Autopath => "autopath.Corefile",
            Self::Encrypted => "encrypted.Corefile",
        }
    }
}

/// Returns the name of the workload that shows growth, by the number of Services.
pub(crate) fn growth(services: u32) -> String {
    format!("A, {services} services")
}

/// Returns the trials of a run with this many Services, with the workloads whose names are wanted; all when none is
/// named.
pub(crate) fn plan(services: u32, wanted: &[String]) -> Vec<Trial> {
    let udp = |name: &str, questions| workload(name, questions, Transport::Dnsperf(Mode::Udp));
    let stock = vec![
        udp("A", Questions::A),
        udp("AAAA", Questions::Aaaa),
        udp("SRV", Questions::Srv),
        udp("PTR", Questions::Ptr),
        udp("NXDOMAIN", Questions::Miss),
        udp("search list", Questions::Search),
        udp("cached", Questions::Cached),
    ];
    let over = |name: &str, transport| workload(name, Questions::A, transport);
    let streams = vec![
        over("TCP, a connection each", Transport::Connections),
        over("TCP, pipelined", Transport::Dnsperf(Mode::Tcp)),
        over("DoT", Transport::Dnsperf(Mode::Tls)),
        over("DoH", Transport::Https),
    ];
    let grown = |size: Size| vec![udp(&growth(size.services(services)), Questions::A)];
    let autopath = vec![udp("search list, autopath", Questions::Autopath)];
    let mut trials = vec![
        Trial { size: Size::Main, corefile: Corefile::Stock, workloads: stock },
        Trial { size: Size::Main, corefile: Corefile::Autopath, workloads: autopath },
        Trial { size: Size::Small, corefile: Corefile::Stock, workloads: grown(Size::Small) },
        Trial { size: Size::Large, corefile: Corefile::Stock, workloads: grown(Size::Large) },
        Trial { size: Size::Main, corefile: Corefile::Encrypted, workloads: streams },
    ];
    for trial in &mut trials {
        trial.workloads.retain(|w| wanted.is_empty() || wanted.contains(&w.name));
    }
    trials.retain(|trial| !trial.workloads.is_empty());
    trials
}

fn workload(name: &str, questions: Questions, transport: Transport) -> Workload {
    Workload { name: name.to_owned(), questions, transport }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Size, plan};

    #[test]
    fn every_workload_has_a_name_of_its_own() {
        let trials = plan(10_000, &[]);
        let names: Vec<_> = trials.iter().flat_map(|t| &t.workloads).map(|w| &w.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.contains(&&"A, 100000 services".to_owned()), "{names:?}");
    }

    #[test]
    fn what_nobody_wants_needs_no_cluster() {
        let trials = plan(10_000, &["DoT".into(), "DoH".into()]);
        assert_eq!(trials.len(), 1);
        assert_eq!((trials[0].size, trials[0].workloads.len()), (Size::Main, 2));
        assert!(plan(10_000, &["no such thing".into()]).is_empty());
    }
}
