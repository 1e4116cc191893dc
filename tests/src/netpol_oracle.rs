//! What probes of pods have to come to, by the verdict; and what has to be in the kernel.

use std::path::PathBuf;
use std::sync::Arc;

use cluster::{Cluster, Kind, KindSet};
use cluster_source::{Interest, Origin, RequestLimits, Source, SourceConfig, Timing};
use netfilter::Netfilter;
use netpol::{Flow, LogOptions, Options, Path, Traffic};
use test_pods::network::{NODE, ip};
use test_pods::probe::{Outcome, Probe, Transport};
use test_pods::world::NODE_NAME;

/// Reads the objects of manifests as the agent does.
///
/// # Panics
/// They cannot be read.
pub fn cluster(manifests: PathBuf) -> Arc<Cluster> {
    let kinds = [Kind::Namespace, Kind::Node, Kind::Pod, Kind::NetworkPolicy];
    let config = SourceConfig {
        origin: Origin::Manifests(manifests),
        interest: Interest::everything(KindSet::of(&kinds)),
        timing: Timing::default(),
        limits: RequestLimits::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Source::start(config).await.unwrap().snapshot() })
}

/// Returns what the role compiles with when it has no flags.
pub fn options() -> Options {
    let log = Some(LogOptions { group: 9353, per_second: 10 });
    Options { log, ..Options::default() }
}

/// Returns what the verdict says of a probe.
pub fn outcome(cluster: &Cluster, probe: &Probe) -> Outcome {
    if probe.from == probe.to {
        // Its packets do not leave the pod.
        return Outcome::Connected;
    }
    let traffic = match probe.transport {
        Transport::Tcp => Traffic::Tcp(probe.port),
        Transport::Udp => Traffic::Udp(probe.port),
        Transport::Sctp => Traffic::Sctp(probe.port),
    };
    let path = match (probe.from, probe.to) {
        (NODE, _) => Path::FromNode,
        (_, NODE) => Path::ToNode,
        _ => Path::Forwarded,
    };
    let (source, destination) = (ip(probe.from, probe.family), ip(probe.to, probe.family));
    let flow = Flow { source, destination, traffic, path };
    let verdict = netpol::verdict(cluster, &Options::default(), &flow);
    if verdict.passes() { Outcome::Connected } else { Outcome::Timeout }
}

/// Reads the table, which has to be the one that is compiled of a cluster.
///
/// # Panics
/// It is another one.
pub fn assert_table(netfilter: &mut Netfilter, cluster: &Cluster, what: &str) {
    let ruleset = netpol::compile(cluster, NODE_NAME, &options()).ruleset;
    let there = netfilter.read(&ruleset.table).unwrap().map(|there| there.into_ruleset());
    let Some(there) = there else { panic!("{what}: there is no table") };
    let plan = nft::Transaction::between(Some(&there), &ruleset);
    assert!(plan.is_empty(), "{what}: what is there differs by\n{plan}");
}
