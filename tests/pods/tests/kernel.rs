//! The kernel does what the verdict says: every policy shape, every pair of pods, by real packets. The ruleset is that
//! of `netpol::compile`; for routed pods Debian's `nft` loads its text, for those on a bridge one socket brings the kernel
//! from each to the next.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use cluster::Cluster;
use cluster_source::{Interest, Origin, RequestLimits, Source, SourceConfig, Timing};
use netfilter::Netfilter;
use netpol::{Flow, LogOptions, Options, Traffic};
use nft::Ruleset;
use portolan_test_pods::case::{Case, Expectation, e2e};
use portolan_test_pods::namespace::inside;
use portolan_test_pods::network::{NODE, Network, between_pods, beyond_pods, ip, lines};
use portolan_test_pods::probe::{Outcome, Probe, Transport};
use portolan_test_pods::shapes;
use portolan_test_pods::wiring::Layout;
use portolan_test_pods::world::{Edit, NODE_NAME, World};

/// Reads objects as the agent does.
fn cluster(world: &World, directory: &Path) -> Arc<Cluster> {
    let file = directory.join("cluster.yaml");
    world.write(&file);
    let kinds = [
        cluster::Kind::Namespace,
        cluster::Kind::Node,
        cluster::Kind::Pod,
        cluster::Kind::NetworkPolicy,
    ];
    let config = SourceConfig {
        origin: Origin::Manifests(file),
        interest: Interest::everything(cluster::KindSet::of(&kinds)),
        timing: Timing::default(),
        limits: RequestLimits::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Source::start(config).await.unwrap().snapshot() })
}

/// Who loads rulesets.
enum Loader {
    Nft,
    Netlink(Netfilter),
}

impl Loader {
    fn of(layout: Layout) -> Self {
        match layout {
            Layout::Routed => Self::Nft,
            Layout::Bridged | Layout::BridgedPast => Self::Netlink(Netfilter::open().unwrap()),
        }
    }

    /// Puts a ruleset in the place of the one that is there.
    fn load(&mut self, ruleset: &Ruleset) {
        match self {
            Self::Nft => load_text(&ruleset.to_string()),
            Self::Netlink(netfilter) => {
                netfilter.apply(ruleset).unwrap();
            }
        }
    }
}

fn load_text(ruleset: &str) {
    let table = netpol::TABLE;
    let text = format!("table inet {table}\ndelete table inet {table}\n{ruleset}");
    let mut child = Command::new("/usr/sbin/nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nft can be run (`make test` installs it)");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "nft refuses:\n{text}");
}

/// Returns what the verdict says of a probe.
fn expected(cluster: &Cluster, options: &Options, probe: &Probe) -> Outcome {
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
        (NODE, _) => netpol::Path::FromNode,
        (_, NODE) => netpol::Path::ToNode,
        _ => netpol::Path::Forwarded,
    };
    let (source, destination) = (ip(probe.from, probe.family), ip(probe.to, probe.family));
    let verdict = netpol::verdict(cluster, options, &Flow { source, destination, traffic, path });
    if verdict.passes() { Outcome::Connected } else { Outcome::Timeout }
}

/// What the rules do beside what policies say.
#[derive(Clone, Copy, Debug)]
enum Logging {
    /// Nothing.
    Off,
    /// What is denied is logged, as it is by default.
    On,
    /// The namespace that most policies are of is audited: what they deny is logged and passes.
    Audit,
}

impl Logging {
    fn options(self) -> Options {
        let log = LogOptions { group: 9353, per_second: 10 };
        let log = (!matches!(self, Self::Off)).then_some(log);
        Options { log, ..Options::default() }
    }

    fn world(self) -> World {
        let mut world = World::new();
        if matches!(self, Self::Audit) {
            world.edit(&Edit::Mode { namespace: "x".to_owned(), mode: "audit".to_owned() });
        }
        world
    }
}

/// Goes through every step of a case.
fn show(network: &Network, loader: &mut Loader, logging: Logging, case: &Case, probes: &[Probe]) {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, options) = (logging.world(), logging.options());
    for (number, step) in case.steps.iter().enumerate() {
        step.edits.iter().for_each(|edit| world.edit(edit));
        let cluster = cluster(&world, directory.path());
        if let (Some(expectation), Logging::Off | Logging::On) = (&step.expect, logging) {
            agrees(expectation, &cluster, &options, case);
        }
        let compiled = netpol::compile(&cluster, NODE_NAME, &options);
        loader.load(&compiled.ruleset);
        let wrong = network.check(probes, |probe| expected(&cluster, &options, probe));
        let (layout, name) = (network.layout(), &case.name);
        let ruleset = &compiled.ruleset;
        assert!(wrong.is_empty(), "{layout:?}, {name}, step {number}: {}{ruleset}", lines(&wrong));
    }
}

/// What was written by hand and the verdict are the same.
fn agrees(expectation: &Expectation, cluster: &Cluster, options: &Options, case: &Case) {
    for probe in between_pods() {
        let (by_hand, by_verdict) = (expectation.of(&probe), expected(cluster, options, &probe));
        assert_eq!(by_hand, by_verdict, "{}: {probe:?}, by hand and by verdict", case.name);
    }
}

fn all(layout: Layout, logging: Logging, cases: &[Case], probes: &[Probe]) {
    let network = Network::new(layout);
    let start = Instant::now();
    let mut loader = Loader::of(layout);
    cases.iter().for_each(|case| show(&network, &mut loader, logging, case, probes));
    let steps: usize = cases.iter().map(|case| case.steps.len()).sum();
    let took = start.elapsed().as_secs_f64();
    println!(
        "{layout:?}, log {logging:?}: {} cases, {steps} steps, {} probes each, {took:.1} s",
        cases.len(),
        probes.len()
    );
}

/// Those of Kubernetes' own tests, with the node and what is outside.
fn end_to_end(layout: Layout) {
    all(layout, Logging::Off, &e2e(), &[between_pods(), beyond_pods()].concat());
}

#[test]
fn the_end_to_end_cases_with_routed_pods() {
    inside("the_end_to_end_cases_with_routed_pods", || end_to_end(Layout::Routed));
}

#[test]
fn the_end_to_end_cases_with_bridged_pods() {
    inside("the_end_to_end_cases_with_bridged_pods", || end_to_end(Layout::Bridged));
}

fn shapes_of(name: &str, layout: Layout, logging: Logging, cases: &[Case]) {
    inside(name, || all(layout, logging, cases, &between_pods()));
}

#[test]
fn all_shapes_with_routed_pods() {
    let name = "all_shapes_with_routed_pods";
    shapes_of(name, Layout::Routed, Logging::Off, &shapes::all());
}

#[test]
fn all_shapes_with_bridged_pods() {
    let name = "all_shapes_with_bridged_pods";
    shapes_of(name, Layout::Bridged, Logging::Off, &shapes::all());
}

/// Returns every third shape from one on: what rules decide is shown without a log, by all of them. `make soak` sets
/// `PORTOLAN_SOAK`, for which it is all of them once more.
fn third_of_shapes(first: usize) -> Vec<Case> {
    let is_long = std::env::var_os("PORTOLAN_SOAK").is_some();
    let shapes = shapes::all().into_iter();
    if is_long { shapes.collect() } else { shapes.skip(first).step_by(3).collect() }
}

#[test]
fn shapes_with_a_log() {
    shapes_of("shapes_with_a_log", Layout::Routed, Logging::On, &third_of_shapes(0));
}

#[test]
fn shapes_with_a_log_and_an_audited_namespace() {
    let name = "shapes_with_a_log_and_an_audited_namespace";
    shapes_of(name, Layout::Bridged, Logging::Audit, &third_of_shapes(1));
}
