//! A cluster to change, faults between it and the server under test, and clients that look on.
//!
//! The cluster is the test API server, or the one that `TEST_KUBECONFIG` names; each stage has a namespace
//! of its own in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use serde_json::{Value, json};
use test_apiserver::{Faults, Flavour, RequestLog, ServerOptions, TestApiServer, TestCluster};
use tokio::runtime::Runtime;

use crate::client::{UdpClient, http_get};
use crate::records;
use crate::server::{PATIENCE, Server};

/// A cluster with a namespace for one test.
pub struct Stage {
    /// The cluster.
    pub cluster: TestCluster,
    /// The namespace.
    pub namespace: String,
    runtime: Runtime,
}

impl Stage {
    /// Starts the cluster that `TEST_KUBECONFIG` asks for, or an in-process one.
    ///
    /// # Panics
    /// The cluster cannot be had.
    pub fn new() -> Self {
        Self::of(TestCluster::start())
    }

    /// Starts an in-process cluster; where a real one is asked for, says why the test is skipped and
    /// returns none.
    ///
    /// # Panics
    /// The cluster cannot be had.
    pub fn in_process(reason: &str) -> Option<Self> {
        if is_real() {
            skip(reason);
            return None;
        }
        Some(Self::local())
    }

    /// Starts an in-process cluster whatever is asked for: for tests that are about something else, or in a
    /// network that has no other.
    ///
    /// # Panics
    /// The cluster cannot be had.
    pub fn local() -> Self {
        Self::of(TestCluster::in_process(ServerOptions::default()))
    }

    /// Starts an in-process cluster whose API server gives Services no addresses; where a real one is asked for, says
    /// why the test is skipped and returns none.
    ///
    /// # Panics
    /// The cluster cannot be had.
    pub fn without_service_addresses() -> Option<Self> {
        if is_real() {
            skip("the API server of a real cluster gives Services their addresses");
            return None;
        }
        let options = ServerOptions { service_addresses: false, ..ServerOptions::default() };
        Some(Self::of(TestCluster::in_process(options)))
    }

    fn of<E: std::fmt::Debug>(start: impl Future<Output = Result<TestCluster, E>>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("portolan-{}-{number}", std::process::id());
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let cluster = runtime.block_on(start).unwrap();
        let stage = Self { cluster, namespace, runtime };
        stage.put(stage.namespace_object());
        stage
    }

    /// Returns the name of the namespace of this stage.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the Namespace of this stage.
    pub fn namespace_object(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
    }

    /// Returns the in-process server.
    ///
    /// # Panics
    /// The cluster is a real one.
    pub fn server(&self) -> &TestApiServer {
        self.cluster.server().unwrap()
    }

    /// Returns the fault switches.
    pub fn faults(&self) -> &Faults {
        self.cluster.faults()
    }

    /// Returns the log of the requests of the server under test.
    pub fn requests(&self) -> &RequestLog {
        self.cluster.requests()
    }

    /// Waits for a condition, but not for ever.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(PATIENCE, future).await };
        self.runtime.block_on(limited).unwrap()
    }

    /// Takes the API server away, or brings it back.
    pub fn refuse_connections(&self, refused: bool) {
        self.wait(self.faults().refuse_connections(refused));
    }

    /// Creates or changes an object and returns it as stored.
    ///
    /// # Panics
    /// It is refused.
    pub fn put(&self, object: Value) -> Value {
        self.wait(self.cluster.put(object)).unwrap()
    }

    /// Reads a path of the API, as any client may.
    ///
    /// # Panics
    /// It is refused.
    pub fn get(&self, path: &str) -> Value {
        let file = self.kubeconfig(Flavour::Token);
        let answer = async {
            let access = cluster_source::Access::Kubeconfig { file, context: None };
            let api = cluster_source::ApiServer::open(access, cluster_source::Timing::default());
            let request = hyper::Request::get(path).body(Vec::new()).unwrap();
            api.await.unwrap().exchange(request, PATIENCE).await.unwrap()
        };
        serde_json::from_str(&self.wait(answer)).unwrap()
    }

    /// Deletes an object of the namespace.
    ///
    /// # Panics
    /// There is none.
    pub fn delete(&self, kind: &str, name: &str) {
        self.wait(self.cluster.delete(kind, &self.namespace, name)).unwrap();
    }

    /// Creates or changes a Service and returns its cluster address, empty for those without.
    pub fn service(&self, name: &str, mut spec: Value) -> String {
        if spec["type"] != "ExternalName" {
            spec["ports"] = json!([{"name": "http", "port": 80, "protocol": "TCP"}]);
        }
        let stored = self.put(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }));
        stored["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned()
    }

    /// Creates or changes a Service without a cluster address.
    pub fn headless(&self, name: &str) {
        self.service(name, json!({"clusterIP": "None"}));
    }

    /// Creates or changes an IPv4 `EndpointSlice` of a Service; `endpoints` is the list of that name.
    pub fn slice(&self, name: &str, service: &str, endpoints: Value) {
        self.put(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": endpoints,
        }));
    }

    /// Creates or changes an `EndpointSlice` of the Service of the same name with one ready endpoint.
    pub fn endpoint(&self, service: &str, address: &str) {
        self.slice(service, service, json!([ready(address)]));
    }

    /// Returns the name of a Service, or of what is below it.
    pub fn name(&self, below: &str) -> String {
        format!("{below}.{}.svc.cluster.local.", self.namespace)
    }

    /// Returns a Corefile over the cluster: `access` and `options` are lines of its `kubernetes` block,
    /// and names outside the cluster go to the upstream, if there is one.
    pub fn corefile(access: &str, options: &str, upstream: Option<SocketAddr>) -> String {
        let mut text = format!(
            ".:0 {{
    errors
    ready 127.0.0.1:0
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        {access}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        {options}
    }}
"
        );
        if let Some(upstream) = upstream {
            let _ = writeln!(text, "    forward . {upstream}");
        }
        text + "}\n"
    }

    /// Writes a kubeconfig of this kind and returns the line that names it in a `kubernetes` block.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn access(&self, flavour: Flavour) -> String {
        format!("kubeconfig {}", self.kubeconfig(flavour).display())
    }

    /// Writes a kubeconfig of this kind.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn kubeconfig(&self, flavour: Flavour) -> PathBuf {
        self.cluster.kubeconfig(flavour).unwrap()
    }

    /// Starts a server that follows the cluster, and waits until it serves.
    pub fn serve(&self) -> Server {
        Server::start(&Self::corefile(&self.access(Flavour::Token), "", None))
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.cluster.server().is_none() {
            // What stays behind is in a namespace that no other test uses.
            let delete = self.cluster.delete("Namespace", "", &self.namespace);
            let limited = async { tokio::time::timeout(PATIENCE, delete).await };
            let _ = self.runtime.block_on(limited);
        }
    }
}

/// Says whether the tests run against a real cluster.
pub fn is_real() -> bool {
    std::env::var_os(test_apiserver::KUBECONFIG_VARIABLE).is_some_and(|path| !path.is_empty())
}

/// Says loudly that a test is skipped.
#[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("SKIPPED: {test}: {reason}");
}

/// Shows what a test measured.
#[expect(clippy::print_stdout, reason = "a measurement is there to be read")]
pub fn show(text: &str) {
    println!("{text}");
}

/// Returns a ready endpoint.
pub fn ready(address: &str) -> Value {
    json!({"addresses": [address], "conditions": {"ready": true}})
}

/// Returns a reply as one line: the response code and each record's type and data.
pub fn line(reply: &Message) -> String {
    let records = reply.answers.iter().map(|record| {
        let line = records::line(record);
        line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()
    });
    let mut records: Vec<String> = records.collect();
    records.sort();
    format!("{} {}", records::rcode(reply), records.join(", ")).trim_end().to_owned()
}

/// Waits until something is there, looking again and again, and returns it.
///
/// # Panics
/// It does not come; `seen` is what was there last.
pub fn until<T: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> T,
    is_there: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let seen = look();
        if is_there(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen: {what}; last: {seen:?}");
        std::thread::yield_now();
    }
}

/// A client that shows replies as lines.
#[derive(Debug)]
pub struct Look(UdpClient);

impl Look {
    /// Returns a client of a server.
    pub fn at(server: &Server) -> Self {
        Self(UdpClient::new(server.address()))
    }

    /// Asks and returns the reply as [`line`] has it.
    pub fn ask(&mut self, name: &str, qtype: &str) -> String {
        line(&self.0.ask(name, qtype, 1232))
    }

    /// Asks for addresses.
    pub fn a(&mut self, name: &str) -> String {
        self.ask(name, "A")
    }

    /// Asks for IPv4 addresses until the reply is this one, and returns how long that took.
    pub fn until_a(&mut self, name: &str, reply: &str) -> Duration {
        self.until(name, "A", reply)
    }

    /// Asks until the reply is this one, and returns how long that took.
    pub fn until(&mut self, name: &str, qtype: &str, reply: &str) -> Duration {
        let start = Instant::now();
        let what = format!("{reply} for {name} {qtype}");
        until(&what, || self.ask(name, qtype), |seen| seen == reply);
        start.elapsed()
    }
}

/// Asks for names all the time, in a thread of its own, and notes how the outcomes change.
#[derive(Debug)]
pub struct Watchman {
    stop: Arc<AtomicBool>,
    outcomes: Arc<Mutex<Outcomes>>,
    thread: JoinHandle<()>,
}

/// The different outcomes of each name in their order, and how often each was asked for.
pub type Outcomes = BTreeMap<String, (Vec<String>, u64)>;

impl Watchman {
    /// Starts to ask for the names' records of a type; returns when each has been answered once.
    ///
    /// # Panics
    /// A question is not answered.
    pub fn start(server: &Server, questions: &[(&str, &str)]) -> Self {
        let (stop, outcomes) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Outcomes>>::default());
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&outcomes));
        let mut look = Look::at(server);
        let questions: Vec<(String, String)> =
            questions.iter().map(|(name, qtype)| ((*name).into(), (*qtype).into())).collect();
        let (once, asked_once) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            loop {
                // After the word to stop comes one more round: the end is always seen.
                let is_last = stopped.load(Ordering::SeqCst);
                for (name, qtype) in &questions {
                    let outcome = outcome(&look.ask(name, qtype));
                    let mut outcomes = noted.lock().unwrap();
                    let (seen, count) = outcomes.entry(name.clone()).or_default();
                    if seen.last() != Some(&outcome) {
                        seen.push(outcome);
                    }
                    *count += 1;
                }
                let _ = once.try_send(());
                if is_last {
                    return;
                }
                // Asking is not all that has to happen on a small machine.
                std::thread::yield_now();
            }
        });
        asked_once.recv().unwrap();
        Self { stop, outcomes, thread }
    }

    /// Returns the different outcomes of a name so far.
    ///
    /// # Panics
    /// A question was not answered.
    pub fn seen(&self, name: &str) -> Vec<String> {
        let outcomes = self.outcomes.lock().unwrap();
        outcomes.get(name).map(|(seen, _)| seen.clone()).unwrap_or_default()
    }

    /// Stops asking and returns what was seen.
    ///
    /// # Panics
    /// A question was not answered.
    pub fn stop(self) -> Outcomes {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        let outcomes = self.outcomes.lock().unwrap();
        outcomes.clone()
    }

    /// Stops asking; every reply to every question has to have had records.
    ///
    /// # Panics
    /// One had not.
    pub fn saw_no_gap(self) {
        for (name, (outcomes, count)) in self.stop() {
            assert_eq!(outcomes, ["records"], "{name}, asked {count} times");
        }
    }
}

/// Returns the kind of outcome: `records`, `NODATA` or the response code.
fn outcome(line: &str) -> String {
    match line.split_once(' ') {
        Some(("NOERROR", _)) => "records".to_owned(),
        Some((rcode, _)) => rcode.to_owned(),
        None if line == "NOERROR" => "NODATA".to_owned(),
        None => line.to_owned(),
    }
}

/// Returns the sum of a metric's samples that have this text among their labels.
///
/// # Panics
/// There is none.
pub fn metric(server: &mut Server, name: &str, label: &str) -> f64 {
    let (_, text) = http_get(server.endpoint("admin"), "/metrics");
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    let values: Vec<f64> =
        lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!values.is_empty(), "no metric {name} with {label} in {text}");
    values.iter().sum()
}

/// Returns the status and the body of `/ready`.
pub fn readiness(server: &mut Server) -> (u16, String) {
    http_get(server.endpoint("/ready"), "/ready")
}
