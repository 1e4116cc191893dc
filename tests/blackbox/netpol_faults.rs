//! What happens to `portolan netpol` and its rules when something goes wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use portolan_tests::namespace::{inside, run};
use portolan_tests::netpol_agent::{Node, deny, expect};
use portolan_tests::stage::until;
use test_pods::wiring::Layout;

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
