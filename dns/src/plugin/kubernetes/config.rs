//! The `kubernetes` block of a Corefile.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use cluster::Selector;
use hickory_proto::rr::LowerName;
use ipnet::IpNet;

use super::options;
use crate::corefile::{CorefileError, Directive};
use crate::kubernetes::ZoneOptions;
use crate::plugin::Fallthrough;
use crate::plugin::arguments::zones;

/// A `kubernetes` block: what it serves, and where its objects come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KubernetesConfig {
    /// The zones; those of the server block unless the directive names its own.
    pub zones: Vec<LowerName>,
    /// Options that answers depend on.
    pub options: ZoneOptions,
    /// `fallthrough`.
    pub fallthrough: Fallthrough,
    /// Where the objects come from.
    pub origin: ClusterOrigin,
    /// `labels`: of Services, EndpointSlices and Pods.
    pub labels: Selector,
    /// `namespace_labels`: of Namespaces.
    pub namespace_labels: Selector,
    /// `startup_timeout`: how long the start waits for the cluster to be listed.
    pub startup_timeout: Duration,
    /// The labels of Pods are kept: metadata of the block tells those of the client. Set by what reads the
    /// whole block; no option of its own.
    pub keep_pod_labels: bool,
    /// `service_cidrs`: where Services of manifests without a ClusterIP get theirs from; empty with an API server.
    pub service_ranges: Vec<IpNet>,
    /// `apiserver_qps`, `apiserver_burst` and `apiserver_max_inflight`.
    pub client_limits: ClientLimits,
}

/// Where the objects of a cluster come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ClusterOrigin {
    /// The API server of the cluster that this process runs in, by its service account.
    #[default]
    InCluster,
    /// `kubeconfig FILE [CONTEXT]`.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The context; the file's current one unless named.
        context: Option<String>,
    },
    /// `endpoint URL`, with `tls`.
    Endpoint {
        /// The URL of the API server.
        url: String,
        /// The files of `tls`.
        tls: Option<TlsFiles>,
    },
    /// `manifests PATH`: a YAML file or a directory of them.
    Manifests(PathBuf),
}

/// The files of `tls CERT KEY CACERT`, in PEM.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TlsFiles {
    /// The client's certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that signed the server's certificate.
    pub ca: PathBuf,
}

/// How hard the API server may be asked. None leaves it to the source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientLimits {
    /// Requests a second.
    pub qps: Option<u32>,
    /// Requests at once after a pause.
    pub burst: Option<u32>,
    /// Requests under way.
    pub max_inflight: Option<u32>,
}

/// How long the start waits for the cluster to be listed, unless `startup_timeout` says otherwise.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);

impl KubernetesConfig {
    /// Reads the directives of one server block whose zones are `block_zones`.
    ///
    /// # Errors
    /// The first word that is wrong, with its position and the remedy.
    pub fn parse(
        directives: &[&Directive],
        block_zones: &[LowerName],
    ) -> Result<Self, CorefileError> {
        let [directive, rest @ ..] = directives else {
            return Ok(Self::new(block_zones.to_vec()));
        };
        if let Some(second) = rest.first() {
            return Err(second.error(
                "`kubernetes` can only be used once per Server Block; add its zones and options to the first one and \
                 remove this one",
            ));
        }
        let served = match directive.args.as_slice() {
            [] => block_zones.to_vec(),
            args => zones(args)?,
        };
        let mut draft = options::Draft::new(Self::new(served));
        for line in directive.lines() {
            draft.read(line)?;
        }
        draft.finish(directive)
    }

    fn new(zones: Vec<LowerName>) -> Self {
        Self {
            zones,
            options: ZoneOptions::default(),
            fallthrough: Fallthrough::Never,
            origin: ClusterOrigin::InCluster,
            labels: Selector::default(),
            namespace_labels: Selector::default(),
            startup_timeout: STARTUP_TIMEOUT,
            keep_pod_labels: false,
            client_limits: ClientLimits::default(),
            service_ranges: Vec::new(),
        }
    }

    /// Returns the namespaces that are served; none means all.
    pub fn namespaces(&self) -> Option<&BTreeSet<String>> {
        self.options.namespaces.as_ref()
    }
}
