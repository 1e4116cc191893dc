//! What a source is started with.

use std::path::PathBuf;

use crate::{Interest, Timing};

/// Everything that a [`Source`](crate::Source) is started with.
///
/// Two configurations with equal `origin` and `interest` give equal snapshots and may share a source.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SourceConfig {
    /// Where objects come from.
    pub origin: Origin,
    /// Which objects, and which parts of them.
    pub interest: Interest,
    /// Delays and limits of time; the default is right outside tests.
    pub timing: Timing,
    /// How hard the API server may be asked.
    pub limits: RequestLimits,
}

/// How hard an API server may be asked (Corefile: `apiserver_qps`, `apiserver_burst`, `apiserver_max_inflight`).
///
/// None is no limit: a source asks little, one request a kind at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RequestLimits {
    /// Requests a second in the long run.
    pub qps: Option<u32>,
    /// Requests at once after a pause; 10 unless it is given. Needs `qps`.
    pub burst: Option<u32>,
    /// Requests whose response has not begun.
    pub max_inflight: Option<u32>,
}

/// Where objects come from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Origin {
    /// A file or a directory of Kubernetes YAML or JSON, read again whenever it changes.
    Manifests(PathBuf),
    /// A Kubernetes API server.
    Kubernetes(Access),
}

/// How to reach a Kubernetes API server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    /// The service account of the pod that the process runs in.
    InCluster,
    /// A kubeconfig file (Corefile: `kubeconfig FILE [CONTEXT]`).
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The context in it; none for its `current-context`.
        context: Option<String>,
    },
    /// A bare address (Corefile: `endpoint URL` and `tls CERT KEY CACERT`).
    Endpoint {
        /// The base URL, `http` or `https`.
        url: String,
        /// The files to authenticate both sides with. Without them the system's authorities are trusted.
        tls: Option<TlsFiles>,
    },
}

/// PEM files for mutual TLS; none of them is required to be there by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TlsFiles {
    /// The client's certificate; needs `key`.
    pub cert: Option<PathBuf>,
    /// The client's private key; needs `cert`.
    pub key: Option<PathBuf>,
    /// The authority that the server's certificate is checked against.
    pub ca: Option<PathBuf>,
}
