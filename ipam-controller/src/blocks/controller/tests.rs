//! The controller against an API server of a few lines: whatever is delivered, lost or refused, each node ends with one
//! block of each family, and no block has two owners.

use std::collections::{BTreeMap, BTreeSet};

use cluster::Selector;
use proptest::prelude::*;

use super::super::ask::Ask;
use super::super::choose::Choice;
use super::*;

fn pool(name: &str, network: &str, length: u8) -> Pool {
    Pool::new(name, network.parse().unwrap(), length, Selector::default()).unwrap()
}

fn settings() -> Settings {
    Settings { reserved: vec!["10.0.0.0/28".parse().unwrap()], quarantine: 100, most_asked: 3 }
}

fn node(name: &str, uid: &str, version: u64, cidrs: &[&str]) -> NodeState {
    NodeState {
        name: name.into(),
        uid: uid.into(),
        resource_version: version.to_string(),
        labels: cluster::Labels::default(),
        pod_cidrs: cidrs.iter().map(ToString::to_string).collect(),
        wanted: 1,
        is_deleting: false,
    }
}

fn started(pools: &[Pool], nodes: &[NodeState]) -> Controller {
    let mut controller = Controller::new(settings());
    pools.iter().for_each(|pool| controller.apply(Input::Pool(pool.clone())));
    nodes.iter().for_each(|node| controller.apply(Input::Node(node.clone())));
    controller.apply(Input::Synced);
    controller
}

fn blocks(choices: &[Choice]) -> Vec<String> {
    choices.iter().map(|choice| choice.block.to_string()).collect()
}

fn seconds(at: u64) -> String {
    format!("second {at}")
}

/// What is reported of the first node, and what is done for it.
fn told(actions: &[Action]) -> Vec<String> {
    let one = |action: &Action| match action {
        Action::Assign { node, blocks: given, .. } => {
            format!("{node}: {}", blocks(given).join(" "))
        }
        Action::Put(record) => format!(
            "record {}: {}{}",
            record.uid,
            blocks(&record.blocks).join(" "),
            record.released_at.map_or(String::new(), |at| format!(" released at {at}"))
        ),
        Action::Forget(record) => format!("forget {}", record.uid),
        Action::Report { reason, .. } => reason.as_str().to_owned(),
    };
    actions.iter().map(one).collect()
}

/// The cases of `range_allocator_test.go`'s "TestOccupyPreExistingCIDR": values of other programs. What is fatal to
/// kube-controller-manager is reported here, and the node keeps what it has.
#[test]
fn what_nodes_have_already_is_adopted_or_reported() {
    let pools = [pool("four", "10.10.0.0/16", 24), pool("six", "fd00::/48", 64)];
    for (cidrs, expected) in [
        (&["10.10.1.0/24"][..], &["record a: 10.10.1.0/24"][..]),
        (&["10.10.0.1/24"], &["record a: 10.10.0.0/24"]),
        (&["10.10.1.0/24", "fd00::/64"], &["record a: 10.10.1.0/24 fd00::/64"]),
        // Sizes that are not the pool's.
        (&["10.10.2.0/23"], &["record a: 10.10.2.0/23"]),
        (&["10.10.2.128/26"], &["record a: 10.10.2.128/26"]),
        // Bad IPv4, bad IPv6.
        (&["not-a-cidr"], &["InvalidPodCIDR"]),
        (&["10.10.1.0/24", "fd00::bad::/64"], &["InvalidPodCIDR", "record a: 10.10.1.0/24"]),
        // Out of every range: "CIDRs not in the cluster's".
        (&["172.10.1.0/24"], &["PodCIDROutOfRange", "record a: 172.10.1.0/24"]),
        (
            &["10.10.1.0/24", "cccc:cab:decb::/96"],
            &["PodCIDROutOfRange", "record a: 10.10.1.0/24 cccc:cab:decb::/96"],
        ),
    ] {
        let mut controller = started(&pools, &[node("a", "a", 1, cidrs)]);
        assert_eq!(told(&controller.actions(0, 10)), expected, "{cidrs:?}");
    }
}

#[test]
fn an_attempt_that_failed_is_made_again_with_the_same_blocks() {
    // The second family is full: kube-controller-manager loses a block of the first with every attempt.
    let pools = [pool("four", "10.0.0.0/24", 28), pool("six", "fd00::/64", 64)];
    let taken = node("x", "x", 1, &["10.0.0.16/28", "fd00::/64"]);
    let mut controller = started(&pools, &[taken, node("a", "a", 2, &[])]);
    for _ in 0..100 {
        controller.apply(Input::Node(node("a", "a", 2, &[])));
        controller.actions(0, 1);
    }
    assert_eq!(controller.ledger.used("10.0.0.0/24".parse().unwrap()), 16 + 16, "nothing leaks");
    assert_eq!(controller.starved(), 1);
    // Room comes: the same blocks however often the write fails.
    controller.apply(Input::Pool(pool("six", "fd00::/60", 64)));
    let first = told(&controller.actions(0, 1));
    assert_eq!(first, ["a: 10.0.0.32/28 fd00:0:0:1::/64"]);
    for version in 3..20 {
        assert_eq!(told(&controller.actions(0, 1)), [""; 0], "its write is under way");
        controller.apply(Input::Node(node("a", "a", version, &[])));
        controller.done("a");
        assert_eq!(told(&controller.actions(0, 1)), first);
    }
    assert_eq!(controller.ledger.used("10.0.0.0/24".parse().unwrap()), 16 + 32);
}

#[test]
fn a_block_is_free_when_its_quarantine_is_over_and_not_before() {
    let pools = [pool("four", "10.0.0.0/27", 28)];
    let mut controller = started(&pools, &[node("a", "1", 1, &["10.0.0.16/28"])]);
    // Deleted before there was a record, and registered again under the same name.
    controller.apply(Input::Node(node("a", "2", 2, &[])));
    assert_eq!(
        told(&controller.actions(50, 10)),
        ["CIDRNotAvailable", "record 1: 10.0.0.16/28 released at 50"]
    );
    // Another leader knows only what is written.
    let record = Record {
        uid: "1".into(),
        node: "a".into(),
        resource_version: "3".into(),
        blocks: vec![Choice { block: "10.0.0.16/28".parse().unwrap(), pool: None }],
        released_at: Some(50),
        asks: Vec::new(),
    };
    let mut controller = started(&pools, &[node("a", "2", 2, &[])]);
    controller.apply(Input::Record(record));
    assert_eq!(told(&controller.actions(149, 10)), ["CIDRNotAvailable"]);
    assert_eq!((controller.next_deadline(), controller.quarantined()), (Some(150), 1));
    assert_eq!(told(&controller.actions(150, 10)), ["forget 1"]);
    assert_eq!(told(&controller.actions(150, 10)), [""; 0], "it is not deleted yet");
    controller.apply(Input::NoRecord("1".into()));
    controller.done("1");
    assert_eq!(told(&controller.actions(150, 10)), ["a: 10.0.0.16/28"]);
    assert_eq!(controller.quarantined(), 0);
}

#[test]
fn stale_news_frees_nothing() {
    let pools = [pool("four", "10.0.0.0/24", 28)];
    let mut controller = started(&pools, &[node("a", "a", 5, &["10.0.0.16/28"])]);
    controller.apply(Input::Node(node("a", "a", 4, &[])));
    controller.apply(Input::Node(node("a", "a", 6, &[])));
    controller.apply(Input::Node(node("b", "b", 7, &[])));
    assert_eq!(told(&controller.actions(0, 1)), ["b: 10.0.0.32/28"]);
}

#[test]
fn further_blocks_are_given_and_none_is_taken_away() {
    let pools = [pool("four", "10.0.0.0/26", 28)];
    let mut wants = node("a", "a", 1, &["10.0.0.16/28"]);
    wants.wanted = 3;
    let mut controller = started(&pools, std::slice::from_ref(&wants));
    let all = "record a: 10.0.0.16/28 10.0.0.32/28 10.0.0.48/28";
    let actions = controller.actions(0, 1);
    let given = ["FurtherBlockAssigned", "FurtherBlockAssigned", all];
    assert_eq!(told(&actions), given);
    // News of the node while the write is under way.
    wants.resource_version = "2".into();
    controller.apply(Input::Node(wants.clone()));
    controller.apply(Input::Node(node("b", "b", 3, &[])));
    assert_eq!(told(&controller.actions(0, 1)), ["CIDRNotAvailable"]);
    controller.done("a");
    assert_eq!(told(&controller.actions(0, 1)), [all], "an attempt that failed");
    let Action::Put(record) = &actions[2] else { panic!("{actions:?}") };
    controller.apply(Input::Record(Record { resource_version: "9".into(), ..record.clone() }));
    controller.done("a");
    (wants.wanted, wants.resource_version) = (1, "10".into());
    controller.apply(Input::Node(wants));
    controller.apply(Input::Pool(pool("four", "10.0.0.0/27", 28)));
    let later = told(&controller.actions(0, 10));
    // The other node still has none, in a smaller pool.
    assert_eq!(later, ["CIDRNotAvailable", "PodCIDROutOfRange", "PodCIDROutOfRange"]);
}

/// The pods of the node have addresses of all its blocks, whatever becomes of the record.
#[test]
fn a_deleted_record_of_a_living_node_is_written_again_with_all_blocks() {
    let choice = |block: &str| Choice { block: block.parse().unwrap(), pool: Some("four".into()) };
    let record = Record {
        uid: "a".into(),
        node: "a".into(),
        resource_version: "2".into(),
        blocks: ["10.0.0.16/28", "10.0.0.48/28", "10.0.0.32/28"].map(choice).to_vec(),
        released_at: None,
        asks: Vec::new(),
    };
    let known = || {
        let pools = [pool("four", "10.0.0.0/26", 28)];
        let mut controller = started(&pools, &[node("a", "a", 1, &["10.0.0.16/28"])]);
        controller.apply(Input::Record(record.clone()));
        assert_eq!(told(&controller.actions(0, 10)), [""; 0]);
        controller.apply(Input::NoRecord("a".into()));
        controller
    };
    let mut controller = known();
    // Another node that waits gets none of them.
    controller.apply(Input::Node(node("b", "b", 3, &[])));
    let all = "record a: 10.0.0.16/28 10.0.0.48/28 10.0.0.32/28";
    let actions = controller.actions(0, 10);
    assert_eq!(told(&actions), ["CIDRNotAvailable", all]);
    // Deleted once more while it is written, and then it is there.
    controller.apply(Input::NoRecord("a".into()));
    controller.done("a");
    let actions = controller.actions(0, 10);
    assert_eq!(told(&actions), [all]);
    let Action::Put(put) = &actions[0] else { panic!("{actions:?}") };
    assert!(put.resource_version.is_empty(), "it is created");
    controller.apply(Input::Record(Record { resource_version: "9".into(), ..put.clone() }));
    controller.done("a");
    assert_eq!(told(&controller.actions(0, 10)), [""; 0]);
    assert!(controller.entries["a"].further.is_empty());

    // The node goes before its record is written again: the quarantine is that of all blocks.
    let mut controller = known();
    controller.apply(Input::NoNode("a".into()));
    let released = "record a: 10.0.0.16/28 10.0.0.32/28 10.0.0.48/28 released at 5";
    assert_eq!(told(&controller.actions(5, 10)), [released]);
    // Who deletes that one gives them free.
    controller.apply(Input::NoRecord("a".into()));
    controller.done("a");
    assert_eq!(controller.ledger.used("10.0.0.0/26".parse().unwrap()), 16);
}

/// What a node asks for itself: it gets it up to the limit, which no node can write.
#[test]
fn a_node_that_asks_gets_further_blocks_up_to_the_limit() {
    let four = |length| pool("four", &format!("10.0.0.0/{length}"), 28);
    let six = pool("six", "fd00::/60", 64);
    let has = node("a", "a", 1, &["10.0.0.16/28", "fd00::/64"]);
    let mut controller = started(&[four(26), six], &[has]);
    let mut version = 10;
    let mut step = |controller: &mut Controller, asks: &[(Family, u8)]| {
        version += 1;
        let mut record = controller.entries["a"].record.clone().unwrap();
        record.resource_version = version.to_string();
        let ask =
            |(family, blocks): &(Family, u8)| Ask { family: *family, blocks: *blocks, free: 3 };
        record.asks = asks.iter().map(ask).collect();
        controller.apply(Input::Record(record));
        let actions = controller.actions(0, 10);
        for action in &actions {
            if let Action::Put(record) = action {
                version += 1;
                let resource_version = version.to_string();
                controller.apply(Input::Record(Record { resource_version, ..record.clone() }));
            }
        }
        controller.done("a");
        told(&actions)
    };
    let first = controller.actions(0, 10);
    assert_eq!(told(&first), ["record a: 10.0.0.16/28 fd00::/64"]);
    let [Action::Put(record)] = &first[..] else { panic!("{first:?}") };
    controller.apply(Input::Record(Record { resource_version: "2".into(), ..record.clone() }));
    controller.done("a");
    let v4 = "FurtherBlockAssigned record a: 10.0.0.16/28 fd00::/64 10.0.0.32/28";
    assert_eq!(step(&mut controller, &[(Family::V4, 2)]).join(" "), v4);
    assert_eq!(controller.short(), 0);
    assert_eq!(step(&mut controller, &[(Family::V4, 2)]), [""; 0], "it has them");
    let both = format!("{} fd00:0:0:1::/64", v4);
    let asks = [(Family::V4, 2), (Family::V6, 2)];
    assert_eq!(step(&mut controller, &asks).join(" "), both);
    // More than the limit, and a pool that is full: nothing is lost, and each is told once.
    let most = step(&mut controller, &[(Family::V4, u8::MAX)]);
    let all = "record a: 10.0.0.16/28 fd00::/64 10.0.0.32/28 fd00:0:0:1::/64 10.0.0.48/28";
    assert_eq!(most, ["FurtherBlockAssigned", "FurtherBlockLimit", all]);
    assert_eq!(step(&mut controller, &[(Family::V4, 16)]), [""; 0]);
    assert_eq!((controller.short(), controller.starved()), (1, 0));
    assert_eq!(step(&mut controller, &[(Family::V6, 3)])[0], "FurtherBlockAssigned");
}

/// What a node asked for comes when a pool has room; a pool may give one node fewer.
#[test]
fn a_node_that_asks_waits_for_a_pool() {
    let node = node("a", "a", 1, &["10.0.0.16/28"]);
    let mut controller = started(&[pool("four", "10.0.0.0/27", 28)], &[node]);
    controller.apply(Input::Record(Record {
        uid: "a".into(),
        node: "a".into(),
        resource_version: "2".into(),
        blocks: vec![Choice { block: "10.0.0.16/28".parse().unwrap(), pool: Some("four".into()) }],
        released_at: None,
        asks: vec![Ask { family: Family::V4, blocks: 2, free: 0 }],
    }));
    assert_eq!(told(&controller.actions(0, 10)), ["CIDRNotAvailable"]);
    assert_eq!((controller.short(), controller.starved()), (1, 0));
    // It is said whose block it waits for.
    controller.apply(Input::Record(Record {
        uid: "old".into(),
        node: "o".into(),
        resource_version: "3".into(),
        blocks: vec![Choice { block: "10.0.0.0/28".parse().unwrap(), pool: None }],
        released_at: Some(50),
        asks: Vec::new(),
    }));
    assert_eq!(told(&controller.actions(60, 10)), [""; 0]);
    let gone = "o (UID old) is gone since second 50; 10.0.0.0/28 of no pool goes to nobody before second 150";
    assert_eq!(
        controller.explain("a", seconds).unwrap(),
        [
            "a has 10.0.0.16/28",
            "  asks for 2 IPv4 blocks and has 1: 0 addresses were free",
            "  pool four (10.0.0.0/27, blocks of /28) selects the node and is full",
            &format!("  {gone}"),
        ]
    );
    assert_eq!(controller.explain("o", seconds).unwrap(), [gone]);
    controller.apply(Input::NoRecord("old".into()));
    assert_eq!(told(&controller.actions(60, 10)), [""; 0]);
    let most_per_node = Some(1);
    controller.apply(Input::Pool(Pool { most_per_node, ..pool("four", "10.0.0.0/26", 28) }));
    assert_eq!(told(&controller.actions(0, 10)), ["FurtherBlockLimit"]);
    controller.apply(Input::Pool(pool("four", "10.0.0.0/26", 28)));
    let given = ["FurtherBlockAssigned", "record a: 10.0.0.16/28 10.0.0.32/28"];
    assert_eq!(told(&controller.actions(0, 10)), given);
}

#[test]
fn conflicts_are_named_and_nobody_loses_a_block() {
    let pools = [pool("four", "10.0.0.0/24", 28)];
    let twins = [node("a", "1", 1, &["10.0.0.16/28"]), node("b", "2", 2, &["10.0.0.16/28"])];
    let mut controller = started(&pools, &twins);
    let messages: Vec<String> = controller
        .actions(0, 10)
        .into_iter()
        .filter_map(|action| match action {
            Action::Report { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(
        messages,
        [
            "block 10.0.0.16/28 overlaps 10.0.0.16/28 of node b (UID 2); drain one of them and delete its Node object",
            "block 10.0.0.16/28 overlaps 10.0.0.16/28 of node a (UID 1); drain one of them and delete its Node object",
        ]
    );
    // One goes: when its time is over the other still holds the block.
    controller.apply(Input::NoNode("1".into()));
    controller.apply(Input::NoRecord("1".into()));
    controller.done("1");
    controller.apply(Input::Node(node("c", "3", 3, &[])));
    assert_eq!(told(&controller.actions(0, 1)), ["c: 10.0.0.32/28"]);
    let explained = controller.explain("b", seconds).unwrap();
    assert_eq!(
        explained,
        [
            "b has 10.0.0.16/28",
            "  pool four (10.0.0.0/24, blocks of /28) selects the node and has free blocks"
        ]
    );
    let waiting = controller.explain("c", seconds).unwrap();
    assert_eq!(waiting[0], "c has no block yet and gets 10.0.0.32/28 of pool four");
    assert_eq!(controller.explain("d", seconds), None);
}

/// The API server of a few lines.
#[derive(Default, Clone, Debug)]
struct Server {
    version: u64,
    nodes: BTreeMap<Text, NodeState>,
    records: BTreeMap<Text, Record>,
    serial: u64,
}

impl Server {
    fn stamp(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn register(&mut self, name: u8) {
        let name: Text = format!("node-{name}").into();
        if !self.nodes.contains_key(&name) {
            self.serial += 1;
            let (uid, version) = (format!("uid-{}", self.serial), self.stamp());
            let mut new = node(&name, &uid, 0, &[]);
            new.resource_version = version;
            self.nodes.insert(name, new);
        }
    }

    /// Carries a write out if its preconditions hold.
    fn write(&mut self, action: &Action) {
        match action {
            Action::Assign { node, uid, resource_version, blocks: given } => {
                let version = self.stamp();
                let Some(it) = self.nodes.get_mut(node) else { return };
                if it.uid == *uid && it.resource_version == *resource_version {
                    assert!(it.pod_cidrs.is_empty());
                    it.pod_cidrs = blocks(given);
                    it.resource_version = version;
                }
            }
            Action::Put(record) => {
                let known = self.records.get(&record.uid).map(|it| it.resource_version.as_str());
                if known.unwrap_or_default() == record.resource_version {
                    let resource_version = self.stamp();
                    let record = Record { resource_version, ..record.clone() };
                    self.records.insert(record.uid.clone(), record);
                }
            }
            Action::Forget(record) => {
                let known = self.records.get(&record.uid);
                if known.is_some_and(|it| it.resource_version == record.resource_version) {
                    self.records.remove(&record.uid);
                }
            }
            Action::Report { .. } => {}
        }
    }

    /// Tells a controller what the objects of an action say now.
    fn tell(&self, action: &Action, controller: &mut Controller) {
        let uid = action.uid().clone();
        match self.nodes.values().find(|node| node.uid == uid) {
            Some(node) => controller.apply(Input::Node(node.clone())),
            None => controller.apply(Input::NoNode(uid.clone())),
        }
        match self.records.get(&uid) {
            Some(record) => controller.apply(Input::Record(record.clone())),
            None => controller.apply(Input::NoRecord(uid.clone())),
        }
        controller.done(&uid);
    }

    /// A controller that has listed everything.
    fn follow(&self) -> Controller {
        let mut controller = Controller::new(settings());
        controller.apply(Input::Pool(pool("four", "10.0.0.0/24", 28)));
        controller.apply(Input::Pool(pool("six", "fd00::/60", 64)));
        self.nodes.values().for_each(|node| controller.apply(Input::Node(node.clone())));
        self.records.values().for_each(|it| controller.apply(Input::Record(it.clone())));
        controller.apply(Input::Synced);
        controller
    }

    fn check(&self) {
        let mut owners: BTreeMap<IpNet, Text> = BTreeMap::new();
        for node in self.nodes.values() {
            for cidr in &node.pod_cidrs {
                let block: IpNet = cidr.parse().unwrap();
                let before = owners.insert(block, node.uid.clone());
                assert!(before.is_none(), "{block} has two owners: {self:#?}");
            }
            let families: BTreeSet<bool> =
                node.pod_cidrs.iter().map(|cidr| cidr.contains(':')).collect();
            assert!(families.len() != 1, "both families or none");
        }
        for record in self.records.values().filter(|record| record.released_at.is_some()) {
            for choice in &record.blocks {
                let owner = owners.get(&choice.block);
                assert!(owner.is_none(), "{} is in quarantine: {self:#?}", choice.block);
            }
        }
    }
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    Register(u8),
    Delete(u8),
    /// The controller acts, and its writes meet this fate.
    Act(Fate),
    /// The watch delivers a state of some time ago.
    Stale,
    /// The watch delivers everything.
    Deliver,
    /// Another leader takes over.
    Restart,
    /// Time goes on by so many seconds.
    Wait(u64),
}

#[derive(Clone, Debug)]
enum Fate {
    Done,
    /// 500 or 409: nothing was written.
    Refused,
    /// It was written, and the answer was lost.
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..20).prop_map(Step::Register),
        2 => (0u8..20).prop_map(Step::Delete),
        5 => prop_oneof![4 => Just(Fate::Done), 1 => Just(Fate::Refused), 1 => Just(Fate::Lost)]
            .prop_map(Step::Act),
        1 => Just(Step::Stale),
        2 => Just(Step::Deliver),
        1 => Just(Step::Restart),
        1 => (0u64..150).prop_map(Step::Wait),
    ]
}

fn act(server: &mut Server, controller: &mut Controller, now: u64, fate: &Fate) -> usize {
    let actions = controller.actions(now, 4);
    for action in &actions {
        if !matches!(fate, Fate::Refused) {
            server.write(action);
            server.check();
        }
        if !matches!(action, Action::Report { .. }) {
            server.tell(action, controller);
        }
    }
    actions.len()
}

fn deliver(server: &Server, controller: &mut Controller) {
    let gone: Vec<Text> = controller
        .entries
        .iter()
        .filter(|(uid, entry)| {
            entry.node.is_some() && !server.nodes.values().any(|node| node.uid == **uid)
        })
        .map(|(uid, _)| uid.clone())
        .collect();
    gone.into_iter().for_each(|uid| controller.apply(Input::NoNode(uid)));
    for node in server.nodes.values() {
        // Twice: duplicates are nothing new.
        controller.apply(Input::Node(node.clone()));
        controller.apply(Input::Node(node.clone()));
    }
}

proptest! {
    #[test]
    fn every_node_has_one_block_a_family_and_no_block_has_two_owners(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut server = Server::default();
        let (mut controller, mut now) = (server.follow(), 1000);
        let mut old = server.clone();
        for step in steps {
            match step {
                Step::Register(name) => server.register(name),
                Step::Delete(name) => {
                    server.nodes.remove(format!("node-{name}").as_str());
                }
                Step::Act(fate) => {
                    act(&mut server, &mut controller, now, &fate);
                }
                Step::Stale => {
                    for node in old.nodes.values().filter(|node| server.nodes.contains_key(&node.name)) {
                        if server.nodes[&node.name].uid == node.uid {
                            controller.apply(Input::Node(node.clone()));
                        }
                    }
                }
                Step::Deliver => {
                    deliver(&server, &mut controller);
                    old = server.clone();
                }
                Step::Restart => controller = server.follow(),
                Step::Wait(seconds) => now += seconds,
            }
        }
        // At last everything comes to rest: 15 blocks of each family are there, and what is in quarantine comes back.
        deliver(&server, &mut controller);
        for _ in 0..20 {
            while act(&mut server, &mut controller, now, &Fate::Done) > 0 {}
            now += 101;
        }
        let served = server.nodes.values().filter(|node| node.pod_cidrs.len() == 2).count();
        prop_assert_eq!(served, server.nodes.len().min(15), "nothing is lost");
        prop_assert_eq!(server.records.len(), served, "records of nodes that are gone are gone");
        let again = server.follow();
        prop_assert_eq!(again.usage(), controller.usage(), "the same state, the same ledger");
        prop_assert_eq!(controller.quarantined(), 0);
    }

    #[test]
    fn the_same_input_gives_the_same_result(order in Just((0u8..12).collect::<Vec<_>>()).prop_shuffle()) {
        let nodes: Vec<NodeState> =
            (0..12).map(|n| node(&format!("n{n}"), &format!("u{n:02}"), 1, &[])).collect();
        let shuffled: Vec<NodeState> =
            order.iter().map(|n| nodes[usize::from(*n)].clone()).collect();
        let pools = [pool("four", "10.0.0.0/24", 28)];
        prop_assert_eq!(
            started(&pools, &nodes).actions(0, 100),
            started(&pools, &shuffled).actions(0, 100)
        );
    }
}
