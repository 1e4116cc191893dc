//! The API source against a server that answers by a script. Real TLS, credentials and a server that
//! behaves like an API server are tested with the whole program.

// clippy knows tests by their attribute; what they share is outside.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, Kind, KindSet};
use portolan_cluster_source::{
    Access, Interest, Observer, Origin, RequestLimits, ServiceKind, Source, SourceConfig,
    SourceError, Timing, TlsFiles,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// One answer of the script.
struct Answer {
    status: &'static str,
    body: String,
    end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// As HTTP has it.
    Whole,
    /// The connection is closed in the middle.
    Cut,
    /// Nothing more comes, and the connection stays.
    Silent,
}

fn answer(status: &'static str, body: impl Into<String>, end: End) -> Answer {
    Answer { status, body: body.into(), end }
}

fn event(kind: &str, name: &str, version: u32) -> String {
    format!(
        r#"{{"type":"{kind}","object":{{"kind":"Namespace","metadata":{{"name":"{name}","resourceVersion":"{version}"}}}}}}"#
    ) + "\n"
}

fn end_of_list(version: u32) -> String {
    format!(
        r#"{{"type":"BOOKMARK","object":{{"metadata":{{"resourceVersion":"{version}","annotations":{{"k8s.io/initial-events-end":"true"}}}}}}}}"#
    ) + "\n"
}

fn page(names: &[&str], version: u32, more: &str) -> String {
    let items: Vec<_> =
        names.iter().map(|n| format!(r#"{{"metadata":{{"name":"{n}"}}}}"#)).collect();
    let items = items.join(",");
    format!(
        r#"{{"kind":"NamespaceList","metadata":{{"resourceVersion":"{version}","continue":"{more}"}},"items":[{items}]}}"#
    )
}

/// Serves the answers in order, one a request, and tells the URLs; when there are no more it is silent.
fn serve(listener: TcpListener, script: Vec<Answer>) -> mpsc::UnboundedReceiver<String> {
    let (urls, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut script = script.into_iter();
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let Some(url) = request(&mut connection).await else { continue };
            let _ = urls.send(url);
            let answer = script.next().unwrap_or_else(|| answer("200 OK", "", End::Silent));
            if write(&mut connection, &answer).await.is_ok() && answer.end == End::Silent {
                open.push(connection);
            }
        }
    });
    asked
}

async fn request(connection: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()?.split(' ').nth(1).map(str::to_owned)
}

async fn write(connection: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let Answer { status, body, end } = answer;
    let head =
        format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    if !body.is_empty() {
        connection.write_all(format!("{:x}\r\n{body}\r\n", body.len()).as_bytes()).await?;
    }
    if *end == End::Whole {
        connection.write_all(b"0\r\n\r\n").await?;
    }
    connection.flush().await
}

fn config(url: String) -> SourceConfig {
    let timing = Timing {
        backoff_base: Duration::from_millis(5),
        backoff_cap: Duration::from_millis(20),
        publish_hold: Duration::from_millis(50),
        ..Timing::default()
    };
    SourceConfig {
        origin: Origin::Kubernetes(Access::Endpoint { url, tls: None }),
        interest: Interest::everything(KindSet::of(&[Kind::Namespace])),
        timing,
        limits: RequestLimits::default(),
    }
}

async fn start(script: Vec<Answer>) -> (Source, mpsc::UnboundedReceiver<String>) {
    start_with(script, |_| ()).await
}

async fn start_with(
    script: Vec<Answer>,
    change: impl FnOnce(&mut Timing),
) -> (Source, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(format!("http://{}", listener.local_addr().unwrap()));
    change(&mut config.timing);
    let asked = serve(listener, script);
    (Source::start(config).await.unwrap(), asked)
}

fn names(cluster: &Cluster) -> Vec<String> {
    let mut names: Vec<_> = cluster.namespaces().map(|n| n.name.to_string()).collect();
    names.sort();
    names
}

async fn until(source: &Source, what: &str, condition: impl Fn(&Cluster) -> bool) {
    let mut changes = source.changes();
    let wait = async {
        while !condition(&source.snapshot()) {
            changes.changed().await.unwrap();
        }
    };
    let limit = Duration::from_secs(10);
    let found = tokio::time::timeout(limit, wait).await;
    assert!(found.is_ok(), "not seen: {what}: {:?}", names(&source.snapshot()));
}

/// Waits for a request whose URL has the part.
async fn asked_for(asked: &mut mpsc::UnboundedReceiver<String>, part: &str) {
    let mut seen = Vec::new();
    let wait = async {
        loop {
            let url = asked.recv().await.unwrap();
            if url.contains(part) {
                return;
            }
            seen.push(url);
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(found.is_ok(), "not asked: {part}");
}

fn synced(cluster: &Cluster) -> bool {
    cluster.synced().contains(Kind::Namespace)
}

#[tokio::test]
async fn a_streamed_list_is_followed_by_its_changes() {
    let body = event("ADDED", "a", 3)
        + &event("ADDED", "b", 1)
        + &end_of_list(5)
        + &event("ADDED", "c", 6)
        + &event("DELETED", "a", 7);
    let (source, mut asked) = start(vec![
        answer("200 OK", body, End::Cut),
        answer("200 OK", event("ADDED", "d", 9), End::Silent),
    ])
    .await;
    asked_for(&mut asked, "sendInitialEvents=true").await;
    asked_for(&mut asked, "resourceVersion=7").await;
    until(&source, "all changes", |c| names(c) == ["b", "c", "d"]).await;
    let status = source.status();
    assert!(status.is_synced() && status.missing().is_empty());
    let kind = status.kind(Kind::Namespace);
    // The server is silent, and its watch is open: the age shows the silence.
    while status.age() < Duration::from_millis(50) {
        tokio::task::yield_now().await;
    }
    assert!(kind.is_live());
    assert_eq!((kind.lists(), kind.watch_restarts()), (1, 1));
    assert!(status.last_contact(Kind::Namespace).is_some());
}

#[tokio::test]
async fn a_server_without_streamed_lists_is_listed_in_pages() {
    let refusal = r#"{"kind":"Status","code":422,"message":"sendInitialEvents is forbidden"}"#;
    let (source, mut asked) = start(vec![
        answer("422 Unprocessable Entity", refusal, End::Whole),
        answer("200 OK", page(&["a", "b"], 5, "next"), End::Whole),
        answer("503 Service Unavailable", "", End::Whole),
        answer("200 OK", page(&["c"], 5, ""), End::Whole),
        answer("200 OK", event("DELETED", "b", 6), End::Silent),
    ])
    .await;
    asked_for(&mut asked, "limit=500").await;
    asked_for(&mut asked, "continue=next").await;
    asked_for(&mut asked, "continue=next").await;
    asked_for(&mut asked, "resourceVersion=5").await;
    until(&source, "both pages and the change", |c| synced(c) && names(c) == ["a", "c"]).await;
}

#[tokio::test]
async fn an_expired_watch_is_listed_again_and_shows_what_went() {
    let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#;
    let (source, _asked) = start(vec![
        answer(
            "200 OK",
            event("ADDED", "a", 1) + &event("ADDED", "b", 2) + &end_of_list(2),
            End::Cut,
        ),
        answer("200 OK", gone.to_owned() + "\n", End::Whole),
        answer(
            "200 OK",
            event("ADDED", "b", 2) + &event("ADDED", "c", 8) + &end_of_list(9),
            End::Silent,
        ),
    ])
    .await;
    until(&source, "the second list", |c| names(c) == ["b", "c"]).await;
    assert_eq!(source.status().kind(Kind::Namespace).lists(), 2);
}

#[tokio::test]
async fn a_list_that_is_cut_takes_nothing_away() {
    let (source, mut asked) = start(vec![
        answer(
            "200 OK",
            event("ADDED", "a", 1) + &event("ADDED", "b", 2) + &end_of_list(2),
            End::Cut,
        ),
        answer("410 Gone", "", End::Whole),
        answer("200 OK", event("ADDED", "c", 3) + &event("ADDED", "b", 2), End::Cut),
    ])
    .await;
    for _ in 0..2 {
        asked_for(&mut asked, "sendInitialEvents").await;
    }
    until(&source, "the part that came", |c| names(c) == ["a", "b", "c"]).await;
    assert!(!source.status().missing().is_empty() && source.status().is_synced());
}

#[tokio::test]
async fn a_silent_watch_is_opened_again_where_it_was() {
    let (source, mut asked) = start_with(
        vec![
            answer("200 OK", event("ADDED", "a", 1) + &end_of_list(4), End::Silent),
            answer("200 OK", "", End::Silent),
            answer("200 OK", event("ADDED", "b", 5), End::Silent),
        ],
        |timing| timing.watch_idle = Duration::from_millis(50),
    )
    .await;
    asked_for(&mut asked, "resourceVersion=4").await;
    asked_for(&mut asked, "resourceVersion=4").await;
    until(&source, "what came after", |c| names(c) == ["a", "b"]).await;
}

#[tokio::test]
async fn garbage_and_bad_objects_do_not_stop_the_rest() {
    let bad = r#"{"type":"ADDED","object":{"metadata":{"name":"","resourceVersion":"5"}}}"#;
    let first =
        event("ADDED", "a", 1) + &end_of_list(4) + bad + "\n" + "{\"type\":\"ADDED\",\"obj\n";
    let (source, mut asked) = start(vec![
        answer("200 OK", first, End::Silent),
        answer("200 OK", event("ADDED", "b", 6), End::Silent),
    ])
    .await;
    asked_for(&mut asked, "resourceVersion=5").await;
    until(&source, "what came after", |c| names(c) == ["a", "b"]).await;
    assert_eq!(source.status().kind(Kind::Namespace).bad_objects(), 1);
}

#[tokio::test]
async fn a_cluster_without_an_optional_kind_is_synced_without_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(format!("http://{}", listener.local_addr().unwrap()));
    config.interest = Interest::everything(KindSet::of(&[Kind::ServiceImport]));
    let script = vec![
        answer("404 Not Found", "404 page not found", End::Whole),
        answer("404 Not Found", "404 page not found", End::Whole),
        answer("200 OK", end_of_list(4), End::Silent),
    ];
    let mut asked = serve(listener, script);
    let source = Source::start(config).await.unwrap();
    asked_for(&mut asked, "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports?").await;
    asked_for(&mut asked, "serviceimports").await;
    let missing = source.status().missing().concat();
    assert!(missing.contains("CustomResourceDefinition serviceimports.multicluster"), "{missing}");
    assert!(source.status().is_synced() && source.snapshot().synced().is_empty());
    until(&source, "the list", |c| c.synced().contains(Kind::ServiceImport)).await;
    assert!(!source.status().kind(Kind::ServiceImport).is_absent());
}

#[tokio::test]
async fn a_refusal_says_which_rule_is_missing() {
    let script = (0..50).map(|_| answer("403 Forbidden", r#"{"message":"no"}"#, End::Whole));
    let (source, mut asked) = start(script.collect()).await;
    for _ in 0..3 {
        asked_for(&mut asked, "/api/v1/namespaces").await;
    }
    let missing = source.status().missing().join("\n");
    assert!(missing.starts_with("Namespace: HTTP 403: no; allow it in a ClusterRole"), "{missing}");
    assert!(
        missing.contains(r#"resources: ["namespaces"], verbs: ["list", "watch"]"#),
        "{missing}"
    );
    assert!(!source.status().is_synced() && !source.status().age().is_zero());
    assert!(!synced(&source.snapshot()));
}

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let source = Source::start(config(format!("http://{address}"))).await.unwrap();
    let lost = async {
        while !source.status().missing().join("").contains("refused") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), lost).await.expect("the status says why");
    let listener = TcpListener::bind(address).await.unwrap();
    let _asked = serve(listener, vec![answer("200 OK", end_of_list(4), End::Silent)]);
    until(&source, "the empty list", synced).await;
}

#[tokio::test]
async fn an_object_that_is_spoiled_keeps_its_last_good_version() {
    let object = |ip: &str, version| {
        format!(
            r#"{{"metadata":{{"name":"web","resourceVersion":"{version}"}},"spec":{{"clusterIP":"{ip}"}}}}"#
        )
    };
    let event =
        |ip, version| format!(r#"{{"type":"MODIFIED","object":{}}}"#, object(ip, version)) + "\n";
    let list = |ip, version| {
        format!(
            r#"{{"metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
            object(ip, version)
        )
    };
    let gone = r#"{"type":"ERROR","object":{"code":410,"message":"too old"}}"#.to_owned() + "\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(format!("http://{}", listener.local_addr().unwrap()));
    config.interest = Interest::everything(KindSet::of(&[Kind::Service]));
    let script = vec![
        answer("400 Bad Request", "", End::Whole),
        answer("200 OK", list("10.0.0.1", 1), End::Whole),
        answer("200 OK", event("10.0.0.300", 2) + &gone, End::Whole),
        // The list, too, holds the bad version: it neither changes nor sweeps the good one.
        answer("200 OK", list("10.0.0.301", 3), End::Whole),
        answer("200 OK", event("10.0.0.2", 4), End::Silent),
    ];
    let mut asked = serve(listener, script);
    let source = Source::start(config).await.unwrap();
    let ip = |c: &Cluster| c.service("default", "web").map(|s| s.cluster_ips()[0].to_string());
    until(&source, "the good one", |c| ip(c).as_deref() == Some("10.0.0.1")).await;
    let mut changes = source.changes();
    asked_for(&mut asked, "resourceVersion=3").await;
    while ip(&source.snapshot()).as_deref() != Some("10.0.0.2") {
        assert_eq!(ip(&source.snapshot()).as_deref(), Some("10.0.0.1"), "it never goes away");
        tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
    }
    assert_eq!(source.status().kind(Kind::Service).bad_objects(), 2);
}

#[tokio::test]
async fn an_error_about_a_kubeconfig_shows_none_of_its_text() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("config");
    for text in [
        "users:\n- name: a\n  user: {token: [SECRET]}\n",
        "users:\n- name: a\n  user:\n    token: SECRET\n   SECRET: [\n",
        "users: SECRET\n",
        "apiVersion: v1\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n\
         clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n\
         users: [{name: a, user: {client-certificate-data: AAAA, client-key-data: SECRET!}}]\n",
    ] {
        std::fs::write(&file, text).unwrap();
        let mut config = config(String::new());
        config.origin =
            Origin::Kubernetes(Access::Kubeconfig { file: file.clone(), context: None });
        let error = Source::start(config).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("SECRET") && said.contains("config view"), "{text}\n{said}");
    }
}

#[tokio::test]
async fn access_that_cannot_work_is_an_error_that_names_its_place() {
    let dir = tempfile::TempDir::new().unwrap();
    let broken = dir.path().join("config");
    std::fs::write(&broken, "clusters: 5").unwrap();
    let kubeconfig = |file: PathBuf| Access::Kubeconfig { file, context: None };
    let tls = TlsFiles { ca: Some(dir.path().join("ca.pem")), ..TlsFiles::default() };
    let half = TlsFiles { cert: Some(dir.path().join("cert.pem")), ..TlsFiles::default() };
    let endpoint = |url: &str, tls| Access::Endpoint { url: url.to_owned(), tls };
    let cases = [
        (kubeconfig(dir.path().join("missing")), "missing"),
        (kubeconfig(broken), "config view"),
        (endpoint("https://127.0.0.1:1", Some(tls)), "ca.pem"),
        (endpoint("https://127.0.0.1:1", Some(half)), "needs its key"),
        (endpoint("127.0.0.1:1", None), "https://"),
    ];
    for (access, part) in cases {
        let mut config = config(String::new());
        config.origin = Origin::Kubernetes(access);
        let error: SourceError = Source::start(config).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Sends on what it is told.
#[derive(Debug)]
struct Report(mpsc::UnboundedSender<String>);

impl Observer for Report {
    fn programmed(&self, service: ServiceKind, _: Duration) {
        let _ = self.0.send(format!("programmed {service:?}"));
    }

    fn admitted(&self, host: &str, _: Duration) {
        let _ = self.0.send(format!("{host} admitted"));
    }

    fn answered(&self, host: &str, status: Option<u16>) {
        let _ = self.0.send(format!("{host} answered {status:?}"));
    }

    fn requested(&self, host: &str, _: Duration) {
        let _ = self.0.send(format!("{host} requested"));
    }
}

async fn observed(config: SourceConfig, requests: usize) -> Vec<String> {
    let (report, mut told) = mpsc::unbounded_channel();
    let source = Source::start_observed(config, Arc::new(Report(report))).await.unwrap();
    let mut lines = Vec::new();
    let wait = async {
        while lines.len() < 3 * requests {
            lines.push(told.recv().await.unwrap());
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(found.is_ok(), "only {lines:?}");
    drop(source);
    lines
}

#[tokio::test]
async fn every_request_is_observed_with_its_http_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    // The refusal's own code is another one: the status of the response counts, as in client-go.
    let refusal = r#"{"kind":"Status","code":422,"message":"sendInitialEvents is forbidden"}"#;
    let _asked = serve(
        listener,
        vec![
            answer("400 Bad Request", refusal, End::Whole),
            answer("200 OK", page(&["a"], 5, "next"), End::Whole),
            answer("503 Service Unavailable", "", End::Whole),
            answer("200 OK", page(&["b"], 5, ""), End::Whole),
            // A watch is over for its measure when it begins.
            answer("200 OK", event("DELETED", "b", 6), End::Silent),
        ],
    );
    let lines = observed(config(format!("http://{host}")), 5).await;
    let expected: Vec<String> = [400, 200, 503, 200, 200]
        .iter()
        .flat_map(|status| {
            let words =
                ["admitted".to_owned(), format!("answered Some({status})"), "requested".to_owned()];
            words.map(|words| format!("{host} {words}"))
        })
        .collect();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_request_without_a_response_is_observed() {
    let host = "127.0.0.1:1";
    let lines = observed(config(format!("http://{host}")), 1).await;
    let expected =
        ["admitted", "answered None", "requested"].map(|words| format!("{host} {words}"));
    assert_eq!(lines, expected);
}
