//! Why a source cannot start.

use std::io;
use std::path::PathBuf;

use ipam_controller::services::RangeError;
use thiserror::Error;

/// Why a source cannot start. What happens later is retried and shows in [`Status`](crate::Status).
#[derive(Debug, Error)]
pub enum SourceError {
    /// The path of the manifests cannot be read.
    #[error("manifests {path}: {source}; name a readable YAML or JSON file, or a directory of them", path = path.display())]
    Manifests {
        /// The path as configured.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A range that Services of manifests are to get their addresses from cannot be one.
    #[error("service_cidrs: {source}")]
    ServiceRanges {
        /// Why.
        source: RangeError,
    },
    /// File changes cannot be watched.
    #[error(
        "manifests {path}: cannot watch for changes: {source}; raise fs.inotify.max_user_instances or fs.inotify.max_user_watches",
        path = path.display()
    )]
    Notify {
        /// The path as configured.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no usable service account.
    #[error(
        "in-cluster access: {source}; run in a pod with a mounted service account, or configure `kubeconfig FILE` or `manifests PATH`"
    )]
    InCluster {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kubeconfig file cannot be used.
    #[error(
        "kubeconfig {file}: {source}; check it with `kubectl --kubeconfig {file} config view`",
        file = file.display()
    )]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The endpoint or its TLS files cannot be used.
    #[error(
        "API server {url}: {source}; write `endpoint https://HOST:PORT` and `tls CERT KEY CACERT` with readable PEM files"
    )]
    Endpoint {
        /// The address as configured.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
