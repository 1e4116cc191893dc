//! Every fault, in front of the in-process server and of the proxy before it.

mod common;

use std::time::{Duration, Instant};

use common::{Client, Next, PATIENCE, client, config_map, http1_client, pair, start};
use hyper::Method;
use portolan_test_apiserver::{
    Cut, Extent, Flavour, ServerOptions, TestApiServer, TestCluster, Verb,
};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WATCH: &str = "/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=";

/// A cluster under test with what stands behind it.
struct Case {
    cluster: TestCluster,
    upstream: Option<TestApiServer>,
}

impl Case {
    async fn all() -> [Self; 2] {
        let in_process = TestCluster::in_process(ServerOptions::default()).await.unwrap();
        let (upstream, _) = start().await;
        let path = upstream.kubeconfig(Flavour::ClientCertificate).unwrap();
        let proxied = TestCluster::before(&path).await.unwrap();
        [
            Self { cluster: in_process, upstream: None },
            Self { cluster: proxied, upstream: Some(upstream) },
        ]
    }

    fn server(&self) -> &TestApiServer {
        self.upstream.as_ref().or_else(|| self.cluster.server()).unwrap()
    }

    fn clients(&self) -> [Client; 2] {
        let front = self.cluster.front();
        [client(front, Flavour::Token), http1_client(front)]
    }

    async fn put(&self, name: &str) {
        self.cluster.put(config_map("default", name)).await.unwrap();
    }

    fn watch_path(&self) -> String {
        format!("{WATCH}{}", self.server().revision())
    }
}

async fn is_broken(client: &Client) -> bool {
    let exchange = client.http.exchange(Method::GET, MAPS, "application/json", "");
    tokio::time::timeout(PATIENCE, exchange).await.unwrap().is_err()
}

#[tokio::test]
async fn watches_are_cut() {
    for case in Case::all().await {
        for (cut, end) in [(Cut::Clean, Next::End(Vec::new())), (Cut::Reset, Next::Broken)] {
            for client in case.clients() {
                let path = case.watch_path();
                let (mut one, mut two) = (client.watch(&path).await, client.watch(&path).await);
                assert_eq!(case.cluster.faults().cut_watches(cut), 2);
                assert_eq!(
                    (one.next().await, two.next().await),
                    (
                        match &end {
                            Next::Broken => Next::Broken,
                            _ => Next::End(Vec::new()),
                        },
                        match &end {
                            Next::Broken => Next::Broken,
                            _ => Next::End(Vec::new()),
                        },
                    )
                );
                case.cluster.faults().wait_for_open_watches(0).await;
            }
        }
    }
}

#[tokio::test]
async fn watches_stall_while_new_ones_work() {
    for (index, case) in Case::all().await.into_iter().enumerate() {
        for (round, client) in case.clients().into_iter().enumerate() {
            let name = format!("stalled-{index}-{round}");
            let path = case.watch_path();
            let mut silent = client.watch(&path).await;
            assert_eq!(case.cluster.faults().stall_watches(true), 1);
            let mut lively = client.watch(&path).await;
            case.put(&name).await;
            assert_eq!(lively.event().await, pair("ADDED", &name));
            let heard = tokio::time::timeout(Duration::from_millis(50), silent.next()).await;
            assert!(heard.is_err(), "a stalled watch says nothing");
            case.cluster.faults().stall_watches(false);
            assert_eq!(silent.event().await, pair("ADDED", &name));
            drop((silent, lively));
            case.cluster.faults().wait_for_open_watches(0).await;
        }
    }
}

#[tokio::test]
async fn events_are_halved_and_garbled() {
    for case in Case::all().await {
        for (round, client) in case.clients().into_iter().enumerate() {
            let mut watch = client.watch(&case.watch_path()).await;
            case.cluster.faults().garbage_event();
            case.put(&format!("lost-{round}")).await;
            assert!(matches!(watch.next().await, Next::NotJson(_)));
            let name = format!("seen-{round}");
            case.put(&name).await;
            assert_eq!(watch.event().await, pair("ADDED", &name));
            case.cluster.faults().half_event();
            case.put(&format!("half-{round}")).await;
            let Next::End(half) = watch.next().await else { panic!("the stream goes on") };
            assert!(half.starts_with(b"{\"type\":\"ADDED\"") && !half.ends_with(b"}"));
        }
    }
}

#[tokio::test]
async fn errors_are_answered_as_often_as_asked() {
    for case in Case::all().await {
        let faults = case.cluster.faults();
        let [client, _] = case.clients();
        faults.answer_500(Extent::Next(2));
        let mut codes = Vec::new();
        for _ in 0..3 {
            codes.push(client.get(MAPS).await.0);
        }
        assert_eq!(codes, [500, 500, 200]);
        faults.answer_429(Extent::UntilOff, Duration::from_secs(3));
        let (code, status) = client.get(MAPS).await;
        assert_eq!((code, status["details"]["retryAfterSeconds"].as_u64()), (429, Some(3)));
        let codes: Vec<u16> =
            case.cluster.requests().of(Verb::List, "configmaps").iter().map(|e| e.status).collect();
        assert_eq!(codes, [500, 500, 200, 429]);
        faults.clear();
        faults.limit_to("pods");
        faults.answer(403, Extent::UntilOff);
        assert_eq!(client.get(MAPS).await.0, 200);
        assert_eq!(client.get("/api/v1/pods").await.0, 403);
    }
}

#[tokio::test]
async fn lists_break_off_half_way() {
    for case in Case::all().await {
        for name in ["a", "b"] {
            case.put(name).await;
        }
        for client in case.clients() {
            case.cluster.faults().half_list(Extent::Next(1));
            assert!(is_broken(&client).await);
            assert_eq!(client.names(MAPS).await, ["a", "b"]);
        }
    }
}

#[tokio::test]
async fn the_server_goes_away_and_comes_back_at_its_port() {
    for case in Case::all().await {
        for client in case.clients() {
            let mut watch = client.watch(&case.watch_path()).await;
            case.cluster.faults().refuse_connections(true).await;
            assert_eq!(watch.next().await, Next::Broken);
            assert!(is_broken(&client).await);
            case.cluster.faults().refuse_connections(false).await;
            assert_eq!(client.get(MAPS).await.0, 200);
        }
    }
}

#[tokio::test]
async fn answers_are_late() {
    for case in Case::all().await {
        let [client, _] = case.clients();
        let latency = Duration::from_millis(80);
        case.cluster.faults().latency(latency);
        let start = Instant::now();
        assert_eq!(client.get(MAPS).await.0, 200);
        assert!(start.elapsed() >= latency);
    }
}

#[tokio::test]
async fn a_test_writes_around_the_faults() {
    for case in Case::all().await {
        case.cluster.faults().answer_500(Extent::UntilOff);
        let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec: {nodeName: n}
status: {phase: Running, podIP: 10.0.0.1}
";
        let stored = case.cluster.apply_yaml(yaml).await.unwrap();
        assert_eq!(stored[0]["status"]["podIP"], "10.0.0.1");
        assert_eq!(stored[0]["spec"]["nodeName"], "n");
        case.cluster.delete("Pod", "default", "p").await.unwrap();
        assert!(case.cluster.delete("Pod", "default", "p").await.is_err());
        assert_eq!(case.cluster.requests().entries(), []);
    }
}

#[tokio::test]
async fn the_proxy_reports_an_upstream_that_is_gone() {
    let [_, mut case] = Case::all().await;
    case.upstream = None;
    let [client, _] = case.clients();
    assert_eq!(client.get(MAPS).await.0, 502);
}
