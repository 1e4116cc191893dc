//! What is asked.

use std::fmt::Write as _;

use crate::cluster::{Cluster, Service};

/// A stream of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A of Services.
    A,
    /// AAAA of Services.
    Aaaa,
    /// SRV of ports of Services.
    Srv,
    /// PTR of addresses of Services.
    Ptr,
    /// A of names that are not there.
    Miss,
    /// Names outside of the cluster through the search list of a pod with `ndots:5`: A and AAAA of each step but
    /// the last, which an upstream answers.
    Search,
    /// A of names outside of the cluster that an upstream has answered before.
    Cached,
}

/// Every workload, in the order of the table.
pub(crate) const ALL: [Workload; 7] = [
    Workload::A,
    Workload::Aaaa,
    Workload::Srv,
    Workload::Ptr,
    Workload::Miss,
    Workload::Search,
    Workload::Cached,
];

/// How many questions of a workload there are at most, so that its file stays small.
const MOST: usize = 100_000;

/// A stride that is prime, so that neighbours in the data are not asked after one another.
const STRIDE: u32 = 7_919;

impl Workload {
    /// Returns its name in tables and results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
            Self::Ptr => "PTR",
            Self::Miss => "NXDOMAIN",
            Self::Search => "search list",
            Self::Cached => "cached",
        }
    }

    /// Returns the questions in dnsperf's format: a name and a type on each line.
    pub(crate) fn questions(self, cluster: Cluster) -> String {
        let mut text = String::new();
        let mut lines = 0;
        for service in scattered(cluster) {
            if lines >= MOST {
                break;
            }
            for (name, kind) in self.of(service) {
                let _ = writeln!(text, "{name} {kind}");
                lines += 1;
            }
        }
        text
    }

    fn of(self, service: Service) -> Vec<(String, &'static str)> {
        let host = service.host();
        match self {
            Self::A => vec![(host, "A")],
            Self::Aaaa => vec![(host, "AAAA")],
            Self::Srv => vec![(format!("_http._tcp.{host}"), "SRV")],
            Self::Ptr => vec![(service.reverse(), "PTR")],
            Self::Miss => vec![(format!("not-{host}"), "A")],
            Self::Search => search_list(service),
            Self::Cached => vec![(service.outside(), "A")],
        }
    }
}

fn search_list(service: Service) -> Vec<(String, &'static str)> {
    let namespace = service.namespace();
    let domains = [
        format!("{namespace}.svc.cluster.local"),
        "svc.cluster.local".into(),
        "cluster.local".into(),
    ];
    let names = domains.iter().map(|domain| format!("www.example.com.{domain}"));
    names.flat_map(|name| [(name.clone(), "A"), (name, "AAAA")]).collect()
}

fn scattered(cluster: Cluster) -> impl Iterator<Item = Service> {
    let number = u64::from(cluster.services.max(1));
    let services: Vec<_> = cluster.services().collect();
    (0..services.len() as u64).filter_map(move |i| {
        let at = i * u64::from(STRIDE) % number;
        services.get(usize::try_from(at).ok()?).copied()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{ALL, Workload};
    use crate::cluster::Cluster;

    #[test]
    fn every_service_is_asked_for_once() {
        let text = Workload::A.questions(Cluster { services: 1_000 });
        let lines: HashSet<_> = text.lines().collect();
        assert_eq!(lines.len(), 1_000);
        assert!(lines.contains("service-999.namespace-9.svc.cluster.local A"));
    }

    #[test]
    fn no_file_is_larger_than_asked_for() {
        for workload in ALL {
            let lines = workload.questions(Cluster { services: 120_000 }).lines().count();
            assert!((100_000..100_006).contains(&lines), "{workload:?}: {lines}");
        }
    }

    #[test]
    fn a_search_list_ends_before_the_name_itself() {
        let text = Workload::Search.questions(Cluster { services: 1 });
        assert_eq!(text.lines().count(), 6);
        assert!(text.starts_with("www.example.com.namespace-0.svc.cluster.local A\n"));
        assert!(text.ends_with("www.example.com.cluster.local AAAA\n"));
    }
}
