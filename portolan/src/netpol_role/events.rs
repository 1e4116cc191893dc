//! Events about policies that cannot be used, for those who wrote them.

use std::time::Duration;

use anyhow::{Context, Result};
use cluster::{Cluster, Kind, ObjectKey};
use cluster_source::{ApiServer, Observer, ServiceKind, Source, Timing, Unusable};
use cluster_writer::{Event, EventRecorder, Regarding, Reporter, Severity, WriteRate, Writer};
use tokio::sync::mpsc;

use super::view;
use crate::cli::OriginArguments;

/// How many bad policies wait to become Events. Each has a log line.
const MOST_WAITING: usize = 256;

/// How fast the API server is written to, and how long it may take.
const RATE: WriteRate = WriteRate { per_second: 20, burst: 50 };
const WAIT: Duration = Duration::from_secs(10);

/// Hears of policies that cannot be used.
#[derive(Debug)]
pub(super) struct BadPolicies(mpsc::Sender<BadPolicy>);

/// A policy that cannot be used, or not as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BadPolicy {
    key: ObjectKey,
    uid: String,
    problem: String,
}

impl BadPolicies {
    /// Returns who hears, and who is told.
    pub(super) fn channel() -> (Self, mpsc::Receiver<BadPolicy>) {
        let (heard, told) = mpsc::channel(MOST_WAITING);
        (Self(heard), told)
    }
}

impl Observer for BadPolicies {
    fn programmed(&self, _: ServiceKind, _: Duration) {}

    fn admitted(&self, _: &str, _: Duration) {}

    fn answered(&self, _: &str, _: Option<u16>) {}

    fn requested(&self, _: &str, _: Duration) {}

    fn unusable(&self, bad: Unusable<'_>) {
        if bad.kind == Kind::NetworkPolicy {
            let key = bad.key.clone();
            let (uid, problem) = (bad.uid.to_owned(), bad.problem.to_owned());
            // Fails when too many wait.
            let _ = self.0.try_send(BadPolicy { key, uid, problem });
        }
    }
}

/// Starts to write Events; nothing does with manifests.
///
/// # Errors
/// The access to the API server is incomplete.
pub(super) async fn start(
    origin: &OriginArguments,
    node: &str,
    source: &Source,
    told: mpsc::Receiver<BadPolicy>,
) -> Result<Option<EventRecorder>> {
    if origin.manifests.is_some() {
        return Ok(None);
    }
    let api = ApiServer::open(origin.access(), Timing::default()).await;
    let api = api.context("cannot write Events")?;
    let writer = Writer::new(api, RATE, WAIT, std::sync::Arc::new(()));
    let reporter = Reporter { controller: "portolan.dev/netpol", instance: node.to_owned() };
    let recorder = EventRecorder::start(&writer, reporter);
    tokio::spawn(tell(told, source.clone(), node.to_owned(), recorder.clone()));
    Ok(Some(recorder))
}

async fn tell(
    mut told: mpsc::Receiver<BadPolicy>,
    source: Source,
    node: String,
    recorder: EventRecorder,
) {
    let mut changes = source.changes();
    while !view::is_synced(&source) {
        if changes.changed().await.is_err() {
            return;
        }
    }
    while let Some(bad) = told.recv().await {
        // Of a thousand nodes, those that enforce it.
        if has_pods(&source.snapshot(), &node, &bad.key.namespace) {
            recorder.record(event(bad));
        }
    }
}

/// Says whether a node has pods in a namespace.
fn has_pods(cluster: &Cluster, node: &str, namespace: &str) -> bool {
    let mut pods = cluster.pods();
    pods.any(|pod| *pod.key.namespace == *namespace && pod.node_name.as_deref() == Some(node))
}

fn event(bad: BadPolicy) -> Event {
    Event {
        regarding: Regarding {
            api_version: "networking.k8s.io/v1",
            kind: "NetworkPolicy",
            namespace: bad.key.namespace.to_string(),
            name: bad.key.name.to_string(),
            uid: bad.uid,
        },
        severity: Severity::Warning,
        reason: "InvalidPolicy",
        action: "Enforcing",
        note: bad.problem,
    }
}
