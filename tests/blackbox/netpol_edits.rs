//! Random edits that a running `portolan netpol` follows, with probes before, between and after them: the kernel has the
//! ruleset that is compiled of the cluster, real packets meet the verdict, and at no moment do they meet anything but the
//! rules before an edit or those behind it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "how much was shown is worth knowing; a test that cannot go on says so by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use cluster::Cluster;
use netfilter::Netfilter;
use portolan_tests::client::http_get;
use portolan_tests::namespace::inside;
use portolan_tests::netpol_agent::{Agent, Node, deny};
use portolan_tests::netpol_edits::Edits;
use portolan_tests::netpol_oracle::{assert_table, cluster, options, outcome};
use portolan_tests::soak::{rounds, soak};
use portolan_tests::stage::until;
use test_pods::network::{OUTSIDE, between_pods, beyond_pods, lines};
use test_pods::probe::{Outcome, Probe, Transport};
use test_pods::prober::{Epochs, Sighting};
use test_pods::wiring::Layout;
use test_pods::world::{Edit, NODE_NAME};

/// How many probes are made after each edit.
const SAMPLE: usize = 60;

/// What the edits are drawn by.
const SEED: u64 = 1;

/// The rules that are and were in force, and who probes them.
struct Watch {
    sightings: Receiver<Sighting>,
    epochs: Epochs<Arc<Cluster>>,
    answered: usize,
    lost: usize,
}

impl Watch {
    /// Looks at what the probes met up to here.
    fn look(&mut self, what: &str) {
        for sighting in self.sightings.try_iter() {
            let probe = &sighting.probe;
            let allows = |rules: &Arc<Cluster>| outcome(rules, probe) == Outcome::Connected;
            assert!(self.epochs.explain(&sighting, allows), "up to {what}: {sighting:?}");
            if sighting.is_answered {
                self.answered += 1
            } else {
                self.lost += 1
            };
        }
    }

    /// Notes that an edit is written, before it is, and returns the cluster that it makes.
    fn edit(&mut self, node: &mut Node, edits: &[Edit]) -> Arc<Cluster> {
        let begins = Instant::now();
        node.edit(edits);
        let cluster = cluster(node.manifests());
        self.epochs.begin(Arc::clone(&cluster), begins);
        cluster
    }
}

/// Probes from every pod all the time while a body edits.
fn watched(node: &mut Node, body: impl FnOnce(&mut Node, &mut Watch)) {
    let (tell, sightings) = channel();
    let epochs = Epochs::new(cluster(node.manifests()), Instant::now());
    let mut watch = Watch { sightings, epochs, answered: 0, lost: 0 };
    let stop = AtomicBool::new(false);
    // The network is of the probers too, which only read it.
    let network = Arc::clone(&node.network);
    std::thread::scope(|scope| {
        let all = between_pods();
        let is_watched = |probe: &&Probe| {
            probe.transport != Transport::Sctp && probe.from != probe.to && probe.port == 80
        };
        for place in 0..OUTSIDE {
            let of_place = |probe: &&Probe| probe.from == place;
            let own: Vec<Probe> = all.iter().filter(is_watched).filter(of_place).copied().collect();
            let (network, stop, tell) = (&network, &stop, tell.clone());
            scope.spawn(move || network.keep_probing(&own, stop, &tell));
        }
        let stopped = Stop(&stop);
        body(node, &mut watch);
        drop(stopped);
    });
    watch.look("the end");
    println!("{} probes answered and {} lost meanwhile", watch.answered, watch.lost);
    assert!(watch.answered > 0 && watch.lost > 0, "both kinds were met");
}

/// Stops the probers when it is dropped, also by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes an edit, waits until it is enforced, and returns the cluster that it makes.
fn enforce(agent: &mut Agent, node: &mut Node, watch: &mut Watch, edits: &[Edit]) -> Arc<Cluster> {
    let name = "portolan_netpol_enforcement_seconds_count";
    let before = agent.metric(name);
    let cluster = watch.edit(node, edits);
    agent.waits_for(name, before + 1.0);
    watch.epochs.settle(Instant::now());
    cluster
}

/// What the kernel is compared with after each edit, and how.
struct Show {
    edits: Edits,
    netfilter: Netfilter,
    all: Vec<Probe>,
}

impl Show {
    fn new(seed: u64) -> Self {
        let all = [between_pods(), beyond_pods()].concat();
        Self { edits: Edits::new(seed), netfilter: Netfilter::open().unwrap(), all }
    }

    /// Probes some pairs, and compares what is in the kernel.
    fn of(&mut self, node: &Node, cluster: &Cluster, what: &str) {
        assert_table(&mut self.netfilter, cluster, what);
        let probes: Vec<Probe> = (0..SAMPLE).map(|_| *self.edits.choose(&self.all)).collect();
        let wrong = node.network.check(&probes, |probe| outcome(cluster, probe));
        assert!(wrong.is_empty(), "{what}: {}", lines(&wrong));
    }
}

/// `make test` makes some edits, `make soak` 10,000, or as many as fit into its time.
#[test]
fn after_every_edit_the_kernel_does_what_the_verdict_says() {
    inside("after_every_edit_the_kernel_does_what_the_verdict_says", || {
        let mut node = Node::new(Layout::Routed);
        let mut agent = node.agent();
        let mut show = Show::new(SEED);
        let end = soak().map(|limit| Instant::now() + limit);
        watched(&mut node, |node, watch| {
            for number in 1..=rounds(120, 10_000) {
                if number > 120 && end.is_some_and(|end| Instant::now() > end) {
                    println!("{} edits", number - 1);
                    break;
                }
                let what = format!("edit {number}");
                let next = show.edits.next(&node.world);
                let cluster = enforce(&mut agent, node, watch, &next);
                show.of(node, &cluster, &what);
                watch.look(&what);
                if number % 1_000 == 0 {
                    let Watch { answered, lost, .. } = watch;
                    println!(
                        "{number} edits of seed {SEED}, {answered} probes answered, {lost} lost"
                    );
                }
            }
        });
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
        assert!(agent.metric("portolan_netpol_drift_repairs_total") == 0.0);
    });
}

/// The agent is killed in the middle of an edit, wherever it is with it, and started again under the probes.
#[test]
fn a_kill_in_the_middle_of_an_edit_changes_no_verdict_but_by_the_edit() {
    inside("a_kill_in_the_middle_of_an_edit_changes_no_verdict_but_by_the_edit", || {
        let mut node = Node::new(Layout::Bridged);
        let mut agent = node.agent();
        let mut show = Show::new(SEED + 1);
        watched(&mut node, |node, watch| {
            for number in 1..=rounds(12, 100) {
                let what = format!("kill {number}");
                let enforced = "portolan_netpol_enforcement_seconds_count";
                let before = agent.metric(enforced);
                for _ in 0..3 {
                    let next = show.edits.next(&node.world);
                    watch.edit(node, &next);
                }
                // At once, or when some of it is enforced: then the rest may be under way.
                if number % 2 == 0 {
                    agent.waits_for(enforced, before + 1.0);
                }
                agent.server.signal("KILL");
                assert!(!agent.server.wait().success());
                agent = node.agent();
                watch.epochs.settle(Instant::now());
                show.of(node, &cluster(node.manifests()), &what);
                watch.look(&what);
            }
        });
    });
}

/// A table that belongs to somebody else is one that the kernel does not let the agent change: nothing of it changes, that
/// is told and tried again, and when it can be changed it is brought to what the cluster has become.
fn a_refusal_changes_nothing(name: &str, start: fn(&Node, &mut dyn FnMut()) -> Agent) {
    inside(name, || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let before = cluster(node.manifests());
        let ruleset = netpol::compile(&before, NODE_NAME, &options()).ruleset;
        // What is there is what every probe is to meet, from the beginning on.
        node.print(&["--once", "--table", "shared"]);
        let mut owner = Netfilter::open().unwrap();
        watched(&mut node, |node, watch| {
            let mut agent = start(node, &mut || assert!(owner.apply(&ruleset).is_ok()));
            let (failures, unsynced) =
                ("portolan_netpol_transaction_failures_total", "portolan_netpol_unsynced_seconds");
            until("failures", || agent.metric(failures), |count| *count >= 2.0);
            node.edit(&[deny("y/deny", None, &["Ingress"])]);
            let count = agent.metric(failures);
            until("more failures", || agent.metric(failures), |more| *more >= count + 2.0);
            assert!(agent.metric(unsynced) > 0.0);
            let line = agent.server.wait_for_line("the kernel is not up to date");
            assert!(line.contains("no other process may own the table"), "{line}");
            let (status, why) = http_get(agent.server.endpoint("admin"), "/readyz");
            assert_eq!((status, why.contains("the kernel refuses")), (503, true), "{why}");
            assert_table(&mut owner, &before, "while the kernel refuses");
            // Up to here, every probe has met the rules from before.
            watch.look("the end of the refusals");
            watch.epochs.begin(cluster(node.manifests()), Instant::now());
            let enforced = "portolan_netpol_enforcement_seconds_count";
            let count = agent.metric(enforced);
            drop(std::mem::replace(&mut owner, Netfilter::open().unwrap()));
            agent.waits_for(enforced, count + 1.0);
            watch.epochs.settle(Instant::now());
            let after = cluster(node.manifests());
            assert_table(&mut owner, &after, "when the kernel takes it");
            let wrong = node.network.check(&between_pods(), |probe| outcome(&after, probe));
            assert!(wrong.is_empty(), "{}", lines(&wrong));
            until("unsynced", || agent.metric(unsynced), |seconds| *seconds == 0.0);
            let ready = || http_get(agent.server.endpoint("admin"), "/readyz").0;
            until("it is ready", ready, |status| *status == 200);
        });
    });
}

#[test]
fn a_transaction_that_the_kernel_refuses_at_the_start_changes_nothing() {
    let name = "a_transaction_that_the_kernel_refuses_at_the_start_changes_nothing";
    a_refusal_changes_nothing(name, |node, take| {
        take();
        node.agent_that_waits()
    });
}

/// The table is anybody's until somebody makes it their own, as it is.
#[test]
fn a_transaction_that_the_kernel_refuses_in_mid_life_changes_nothing() {
    let name = "a_transaction_that_the_kernel_refuses_in_mid_life_changes_nothing";
    a_refusal_changes_nothing(name, |node, take| {
        let mut agent = node.agent_with(&["--table", "shared"]);
        let ready = || http_get(agent.server.endpoint("admin"), "/readyz").0;
        until("it is ready", ready, |status| *status == 200);
        take();
        agent
    });
}
