//! Where the `kubernetes` blocks of a Corefile have their clusters from. Blocks with equal configuration
//! share one source.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use cluster::{Cluster, Stamps, Text};
use cluster_source::{
    Access, Interest, Origin, RequestLimits, Source, SourceConfig, Timing, TlsFiles,
};
use dns::kubernetes::{Zone, search_class, search_path};
use dns::plugin::autopath::{SearchPath, SearchPaths};
use dns::plugin::kubernetes::{ClusterOrigin, ClusterView, KubernetesConfig};
use hickory_proto::rr::{LowerName, Name};

use super::kubernetes_metrics::KubernetesMetrics;

/// How often the start looks whether what it waits for is not to come.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The started sources.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    started: Vec<(SourceConfig, Source)>,
}

/// A source as the `kubernetes` plugin reads it.
#[derive(Debug)]
pub(crate) struct Live(pub Source);

/// The search paths of the pods of a cluster, as `autopath` asks for them.
#[derive(Debug)]
pub(crate) struct PodSearch {
    /// What the `kubernetes` of the block serves.
    pub zone: Zone,
    /// Where it has its cluster from.
    pub source: Source,
    /// The search domains of the host that pods have, too.
    pub host: Vec<Name>,
    /// Gives classes of clients their numbers.
    pub hasher: RandomState,
}

impl SearchPaths for PodSearch {
    fn search_path(&self, client: IpAddr, name: &LowerName) -> SearchPath {
        let cluster = self.source.snapshot();
        let apex = self.zone.matching(name);
        let Self { zone, host, hasher, .. } = self;
        let list = apex.and_then(|apex| search_path(&cluster, zone, apex, name, client, host));
        SearchPath { list, class: search_class(&cluster, zone, client, hasher) }
    }

    fn class(&self, client: IpAddr) -> u64 {
        search_class(&self.source.snapshot(), &self.zone, client, &self.hasher)
    }
}

impl ClusterView for Live {
    fn snapshot(&self) -> Arc<Cluster> {
        self.0.snapshot()
    }

    fn stamps(&self) -> Option<&Arc<Stamps>> {
        Some(self.0.stamps())
    }
}

impl Sources {
    /// Returns the source that a block needs: one that is started, here or among the `previous` ones, or a new
    /// one, which is measured.
    ///
    /// # Errors
    /// The block's access to the cluster cannot work as it is configured.
    pub(crate) async fn of(
        &mut self,
        config: &KubernetesConfig,
        zone: &Zone,
        previous: &Self,
        metrics: &KubernetesMetrics,
    ) -> Result<Source> {
        let wanted = SourceConfig {
            origin: origin_of(&config.origin),
            interest: interest_of(config, zone),
            timing: Timing::default(),
            limits: limits_of(config),
        };
        if let Some(source) = self.find(&wanted) {
            return Ok(source.clone());
        }
        let source = match previous.find(&wanted) {
            Some(source) => source.clone(),
            None => Source::start_observed(wanted.clone(), Arc::new(metrics.clone())).await?,
        };
        self.started.push((wanted, source.clone()));
        Ok(source)
    }

    fn find(&self, wanted: &SourceConfig) -> Option<&Source> {
        let found = self.started.iter().find(|(config, _)| config == wanted);
        found.map(|(_, source)| source)
    }

    /// Iterates over the sources with a name for each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, &Source)> {
        self.started.iter().map(|(config, source)| (name_of(&config.origin), source))
    }

    /// Waits until every source has listed everything, or the time is over; says whether all have.
    pub(crate) async fn wait_until_synced(&self, limit: Duration) -> bool {
        let all = async {
            for (_, source) in &self.started {
                let mut changes = source.changes();
                // That the cluster does not have an optional kind is no change of the snapshot.
                while !source.status().is_synced() {
                    let change = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
                    if matches!(change, Ok(Err(_))) {
                        break;
                    }
                }
            }
        };
        tokio::time::timeout(limit, all).await.is_ok()
    }
}

fn interest_of(config: &KubernetesConfig, zone: &Zone) -> Interest {
    let namespaces = config.namespaces();
    Interest {
        kinds: zone.required(),
        keep_labels: false,
        keep_pod_labels: config.keep_pod_labels,
        labels: config.labels.clone(),
        namespace_labels: config.namespace_labels.clone(),
        node: None,
        service_ranges: config.service_ranges.clone(),
        namespaces: namespaces.map(|names| names.iter().map(|name| Text::from(&**name)).collect()),
    }
}

fn limits_of(config: &KubernetesConfig) -> RequestLimits {
    let limits = &config.client_limits;
    RequestLimits { qps: limits.qps, burst: limits.burst, max_inflight: limits.max_inflight }
}

fn origin_of(origin: &ClusterOrigin) -> Origin {
    match origin {
        ClusterOrigin::InCluster => Origin::Kubernetes(Access::InCluster),
        ClusterOrigin::Manifests(path) => Origin::Manifests(path.clone()),
        ClusterOrigin::Kubeconfig { file, context } => {
            Origin::Kubernetes(Access::Kubeconfig { file: file.clone(), context: context.clone() })
        }
        ClusterOrigin::Endpoint { url, tls } => {
            let tls = tls.as_ref().map(|tls| TlsFiles {
                cert: Some(tls.cert.clone()),
                key: Some(tls.key.clone()),
                ca: Some(tls.ca.clone()),
            });
            Origin::Kubernetes(Access::Endpoint { url: url.clone(), tls })
        }
    }
}

/// Returns the name of an origin in metrics.
fn name_of(origin: &Origin) -> String {
    match origin {
        Origin::Manifests(path) => format!("manifests {}", path.display()),
        Origin::Kubernetes(Access::InCluster) => "in-cluster".to_owned(),
        Origin::Kubernetes(Access::Kubeconfig { file, context }) => {
            let context = context.as_deref().map(|context| format!(" {context}"));
            format!("kubeconfig {}{}", file.display(), context.unwrap_or_default())
        }
        Origin::Kubernetes(Access::Endpoint { url, .. }) => format!("endpoint {url}"),
    }
}
