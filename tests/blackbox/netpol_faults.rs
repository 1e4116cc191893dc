//! What happens to `portolan netpol` and its rules when something goes wrong.

use std::time::{Duration, Instant};

use portolan_tests::namespace::{inside, run};
use portolan_tests::netpol_agent::{Node, deny, expect};
use portolan_tests::stage::until;
use serde_json::json;
use test_pods::wiring::Layout;
use test_pods::world::Edit;

const NFT: &str = "/usr/sbin/nft";

#[test]
fn a_killed_agent_leaves_its_rules_and_the_next_takes_them_over() {
    inside("a_killed_agent_leaves_its_rules_and_the_next_takes_them_over", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let agent = node.agent();
        let denied = expect(&["deny */* -> x/*"]);
        for _ in 0..3 {
            agent.server.signal("KILL");
            node.shows("after SIGKILL", &denied);
            let mut next = node.agent();
            node.shows("after the restart", &denied);
            // Nothing had to be changed.
            assert!(next.metric("portolan_netpol_transactions_total") == 0.0);
            next.server.signal("KILL");
            assert!(!next.server.wait().success());
        }
        // What changed while nobody looked is enforced at the start.
        node.edit(&[deny("y/deny", None, &["Ingress"])]);
        node.shows("nobody looks", &denied);
        let _agent = node.agent();
        node.shows("somebody looks", &expect(&["deny */* -> x/*", "deny */* -> y/*"]));
    });
}

#[test]
fn a_table_that_others_flush_is_restored() {
    inside("a_table_that_others_flush_is_restored", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let denied = expect(&["deny */* -> x/*"]);
        let mut agent = node.agent();
        // The table is the agent's own as long as it lives: whoever flushes everything flushes what is others'.
        run(NFT, &["flush", "ruleset"]);
        node.shows("after a flush while the agent runs", &denied);
        agent.server.signal("KILL");
        assert!(!agent.server.wait().success());
        run(NFT, &["flush", "ruleset"]);
        node.shows("after a flush without an agent", &expect(&[]));
        let _agent = node.agent();
        node.shows("after the restart", &denied);
    });
}

/// Who has the capability and takes the table without owning it can change it: what it was is restored.
#[test]
fn a_table_that_is_gone_is_made_anew() {
    inside("a_table_that_is_gone_is_made_anew", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let mut agent = node.agent();
        let table = || run(NFT, &["list", "ruleset"]);
        assert!(table().contains("portolan-netpol"));
        // Two enforcers of the same table: the second is told so, and the first keeps it.
        let second = node.run(&["--once"]);
        let errors = String::from_utf8_lossy(&second.stderr);
        assert!(!second.status.success(), "{errors}");
        assert!(errors.contains("no other process may own the table"), "{errors}");
        until("the table", table, |text| text.contains("portolan-netpol"));
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
        node.shows("after a second enforcer", &expect(&["deny */* -> x/*"]));
    });
}

/// What pods of a bridge send to one another meets no rule without the settings of `br_netfilter`: that is said, and
/// when it is over, too.
#[test]
fn bridges_that_pass_the_rules_by_are_told() {
    inside("bridges_that_pass_the_rules_by_are_told", || {
        const PODS: &str = "portolan_netpol_bypassing_pods";
        let mut node = Node::new(Layout::BridgedPast);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let mut agent = node.agent();
        let line = agent.server.wait_for_line("pass the rules by");
        assert!(line.starts_with("[WARNING] "), "{line}");
        assert!(line.contains("bridge=\"cni0\" pods=9"), "{line}");
        assert!(line.contains("setting=\"net.bridge.bridge-nf-call-iptables\""), "{line}");
        agent.server.wait_for_line("setting=\"net.bridge.bridge-nf-call-ip6tables\"");
        until(PODS, || agent.metric(PODS), |pods| *pods == 18.0);
        node.shows("past the rules", &expect(&[]));
        for family in ["iptables", "ip6tables"] {
            std::fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{family}"), "1").unwrap();
        }
        node.shows("through the rules", &expect(&["deny */* -> x/*"]));
        agent.server.wait_for_line("packets between pods of bridges meet the rules");
        until(PODS, || agent.metric(PODS), |pods| *pods == 0.0);
    });
}

/// What others change is put right within a second, and they are named. On kernels before Linux 6.9 every table is
/// like that.
#[test]
fn what_others_change_in_a_shared_table_is_put_right() {
    inside("what_others_change_in_a_shared_table_is_put_right", || {
        const REPAIRS: &str = "portolan_netpol_drift_repairs_total";
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let mut agent = node.agent_with(&["--table", "shared"]);
        let denied = expect(&["deny */* -> x/*"]);
        node.shows("at the start", &denied);
        let table = || run(NFT, &["--numeric", "list", "table", "inet", "portolan-netpol"]);
        let before = without_counts(&table());
        let chain = before.split_whitespace().find(|word| word.starts_with("ingress4_"));
        let chain = chain.unwrap().trim_end_matches(',');
        let changes = [
            "flush ruleset".to_owned(),
            format!("flush chain inet portolan-netpol {chain}"),
            "delete element inet portolan-netpol ingress4 { 10.244.0.18 }".to_owned(),
            "add element inet portolan-netpol self4 { 10.244.0.34 . 10.244.0.18 }".to_owned(),
            "insert rule inet portolan-netpol forward accept".to_owned(),
            "add chain inet portolan-netpol others".to_owned(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let started = Instant::now();
            run(NFT, &[change]);
            let repairs = (number + 1) as f64;
            until(change, || agent.metric(REPAIRS), |seen| *seen >= repairs);
            assert!(
                started.elapsed() < Duration::from_secs(1),
                "{change}: {:?}",
                started.elapsed()
            );
            assert_eq!(without_counts(&table()), before, "{change}");
            node.shows(change, &denied);
        }
        let line = agent.server.wait_for_line("another program changed the table; it is repaired");
        assert!(line.contains("program=\"nft\""), "{line}");
        assert_eq!(agent.server.log().matches("it is repaired").count(), changes.len());
        // Tables of others are nobody's business.
        run(NFT, &["add table inet others"]);
        run(NFT, &["delete table inet others"]);
        node.edit(&[deny("y/deny", None, &["Ingress"])]);
        agent.waits_for("portolan_netpol_transactions_total", 2.0);
        assert!(agent.metric(REPAIRS) == changes.len() as f64);
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
    });
}

/// Leaves out what rules have counted.
fn without_counts(ruleset: &str) -> String {
    let words = ruleset.split_inclusive(char::is_whitespace);
    let mut text = String::new();
    let mut last = "";
    for word in words {
        let is_count = matches!(last.trim(), "packets" | "bytes");
        text.push_str(if is_count { "N " } else { word });
        last = word;
    }
    text
}

/// Objects that somebody wrote to break an enforcer: odd names, networks that overlap and cover everything, more
/// ports than anybody needs.
#[test]
fn hostile_policies_are_enforced_as_they_are_written() {
    inside("hostile_policies_are_enforced_as_they_are_written", || {
        let mut node = Node::new(Layout::Routed);
        let mut agent = node.agent();
        let label = "a".repeat(60);
        let name = format!("{label}.{label}.{label}.{label}.{}", "b".repeat(9));
        assert_eq!(name.len(), 253);
        let block = |cidr: &str| json!({"ipBlock": {"cidr": cidr}});
        let everything = [
            block("0.0.0.0/0"),
            block("::/0"),
            block("10.0.0.0/8"),
            block("10.244.0.0/16"),
            block("10.244.0.0/16"),
            json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/24", "10.244.0.0/16", "0.0.0.0/1"]}}),
        ];
        // Every second port, but none that is probed.
        let ports: Vec<_> = (0..10_000).map(|at| json!({"port": 20_001 + 2 * at})).collect();
        let of = |spec| Edit::Policy { name: format!("x/{name}"), spec };
        let spec = json!({"podSelector": {}, "ingress": [{"from": everything, "ports": ports}]});
        agent.enforces(&mut node, &[of(spec)]);
        node.shows("10,000 ports of everybody", &expect(&["deny */* -> x/*"]));

        let spec = json!({"podSelector": {}, "ingress": [{"from": everything}]});
        agent.enforces(&mut node, &[of(spec)]);
        node.shows("everybody", &expect(&[]));

        // Names that are one when they are put together, and networks of which nothing is left.
        let nothing = json!([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["0.0.0.0/1", "128.0.0.0/1"]}}]}]);
        let closed = json!({"podSelector": {"matchLabels": {"pod": "b"}}, "ingress": nothing});
        let edits = [
            Edit::DeletePolicy(format!("x/{name}")),
            Edit::Policy { name: "x/1.allow".to_owned(), spec: closed },
            Edit::Policy {
                name: "x/1-allow".to_owned(),
                spec: json!({"podSelector": {"matchLabels": {"pod": "a"}}, "ingress": [{}]}),
            },
        ];
        agent.enforces(&mut node, &edits);
        node.shows("nothing is left", &expect(&["deny */* -> x/b"]));
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
    });
}
