//! `portolan netpol` with an API server: what it follows, what becomes of the rules while the server is away, and Events
//! about policies that cannot be used.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use portolan_tests::namespace::inside;
use portolan_tests::netpol_agent::{Agent, Node, expect};
use portolan_tests::stage::{Stage, until};
use serde_json::{Value, json};
use test_apiserver::Cut;
use test_pods::wiring::Layout;

const COUNT: &str = "portolan_netpol_enforcement_seconds_count";
const UNSYNCED: &str = "portolan_netpol_unsynced_seconds";

/// A policy for all pods of a namespace, or the one that has this name.
fn policy(namespace: &str, name: &str, pod: Option<&str>, rules: &Value) -> Value {
    let selector = pod.map_or_else(|| json!({}), |pod| json!({"matchLabels": {"pod": pod}}));
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": rules},
    })
}

/// Changes the cluster, and waits until the kernel has been brought up to date.
fn enforces(agent: &mut Agent, change: impl FnOnce()) {
    let before = agent.metric(COUNT);
    change();
    agent.waits_for(COUNT, before + 1.0);
}

fn put(stage: &Stage, object: Value) -> Value {
    stage.server().put(object).unwrap()
}

#[test]
fn policies_of_an_api_server_are_followed_and_outlast_it() {
    inside("policies_of_an_api_server_are_followed_and_outlast_it", || {
        let (node, stage) = (Node::new(Layout::Routed), Stage::local());
        put(&stage, policy("x", "deny", None, &json!([])));
        let mut agent = node.agent_of(&stage);
        let denied = expect(&["deny */* -> x/*"]);
        node.shows("at the start", &denied);
        assert!(agent.metric(UNSYNCED) == 0.0);

        enforces(&mut agent, || drop(put(&stage, policy("y", "deny", Some("a"), &json!([])))));
        node.shows("an edit", &expect(&["deny */* -> x/*", "deny */* -> y/a"]));

        for cut in [Cut::Clean, Cut::Reset] {
            assert!(stage.faults().cut_watches(cut) > 0);
            enforces(&mut agent, || stage.server().delete("NetworkPolicy", "y", "deny").unwrap());
            node.shows("watches were lost", &denied);
            enforces(&mut agent, || drop(put(&stage, policy("y", "deny", Some("a"), &json!([])))));
        }
        enforces(&mut agent, || stage.server().delete("NetworkPolicy", "y", "deny").unwrap());

        stage.refuse_connections(true);
        until(UNSYNCED, || agent.metric(UNSYNCED), |seconds| *seconds > 0.0);
        let before = agent.metric(UNSYNCED);
        put(&stage, policy("z", "deny", None, &json!([])));
        node.shows("the server is gone", &denied);
        until(UNSYNCED, || agent.metric(UNSYNCED), |seconds| *seconds > before);
        enforces(&mut agent, || stage.refuse_connections(false));
        node.shows("the server is back", &expect(&["deny */* -> x/*", "deny */* -> z/*"]));
        until(UNSYNCED, || agent.metric(UNSYNCED), |seconds| *seconds == 0.0);
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
    });
}

/// Returns the Events of a namespace.
fn events(stage: &Stage, namespace: &str) -> Vec<Value> {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let list = stage.get(&path);
    list["items"].as_array().unwrap().clone()
}

/// A policy that cannot be used closes its own pods, and whoever wrote it is told, once.
#[test]
fn a_policy_that_cannot_be_used_closes_its_pods_and_is_an_event() {
    inside("a_policy_that_cannot_be_used_closes_its_pods_and_is_an_event", || {
        let (node, stage) = (Node::new(Layout::Routed), Stage::local());
        let mut agent = node.agent_of(&stage);
        let bad_network = json!([{"from": [{"ipBlock": {"cidr": "nonsense"}}]}]);
        // Of a namespace without pods nobody tells.
        put(&stage, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "w"}}));
        put(&stage, policy("w", "network", None, &bad_network));
        let written = put(&stage, policy("x", "network", Some("a"), &bad_network));
        put(&stage, policy("y", "rules", Some("b"), &json!("no list")));
        let mut nobodys = policy("z", "selector", None, &json!([]));
        nobodys["spec"]["podSelector"] = json!({"matchLabels": {"pod": true}});
        put(&stage, nobodys);
        let told =
            |namespace: &str| until(namespace, || events(&stage, namespace), |it| !it.is_empty());
        let [of_x, of_y, of_z] = ["x", "y", "z"].map(told);
        let expected = [
            (&of_x, "network", "spec.ingress[0].from[0].ipBlock.cidr: \"nonsense\" is no network"),
            (&of_y, "rules", "; the policy allows nothing"),
            (&of_z, "selector", "spec.podSelector.matchLabels"),
        ];
        for (events, name, note) in expected {
            let [event] = &events[..] else { panic!("{events:?}") };
            assert_eq!(event["regarding"]["name"], name);
            assert_eq!(
                (&event["reason"], &event["type"]),
                (&json!("InvalidPolicy"), &json!("Warning"))
            );
            assert_eq!(event["reportingInstance"], "node-1");
            assert!(event["note"].as_str().unwrap().contains(note), "{event}");
        }
        assert_eq!(of_x[0]["regarding"]["uid"], written["metadata"]["uid"]);
        let denied = ["deny */* -> x/a", "deny */* -> y/b", "deny */* -> z/*"];
        node.shows("bad policies", &expect(&denied));

        // It is read again, and told with the same Event.
        enforces(&mut agent, || {
            let mut again = policy("x", "network", Some("a"), &bad_network);
            again["metadata"]["labels"] = json!({"again": "yes"});
            put(&stage, again);
            put(&stage, policy("x", "other", Some("b"), &json!([])));
        });
        node.shows("and a good one", &expect(&[&denied[..], &["deny */* -> x/b"]].concat()));
        assert_eq!((events(&stage, "x").len(), events(&stage, "w").len()), (1, 0));
        assert!(agent.sample("portolan_netpol_events_total", "outcome=\"written\"") >= 3.0);
        assert!(agent.sample("portolan_netpol_events_total", "outcome=\"failed\"") == 0.0);
    });
}
