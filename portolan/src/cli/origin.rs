//! Where the objects of a cluster are read.

use std::path::PathBuf;

use clap::Args;
use cluster_source::{Access, Origin};

/// The flags that say where the objects of a cluster are.
#[derive(Debug, Args)]
pub(crate) struct OriginArguments {
    /// Read the objects from this YAML file or directory of Kubernetes manifests.
    #[arg(long, value_name = "PATH", conflicts_with = "kubeconfig")]
    pub manifests: Option<PathBuf>,
    /// Read the objects from the API server of this kubeconfig. Without any flag that says where they are, the service
    /// account of the pod that the process runs in is used.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// With --kubeconfig: the context, instead of the current one.
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub context: Option<String>,
}

impl OriginArguments {
    /// Returns where the objects are.
    pub(crate) fn origin(&self) -> Origin {
        match &self.manifests {
            Some(path) => Origin::Manifests(path.clone()),
            None => Origin::Kubernetes(self.access()),
        }
    }

    /// Returns the access to the API server, which has the objects that are not in manifests.
    pub(crate) fn access(&self) -> Access {
        match &self.kubeconfig {
            Some(file) => Access::Kubeconfig { file: file.clone(), context: self.context.clone() },
            None => Access::InCluster,
        }
    }
}
