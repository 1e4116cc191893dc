//! The test API server, in this process, so that a change is made at a known time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use test_apiserver::{Cut, Flavour, ServerOptions, TestApiServer};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::cluster::Cluster;

/// How long a server may take to watch again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running API server; dropping it stops it.
pub(crate) struct Api {
    server: Arc<TestApiServer>,
    runtime: Runtime,
}

impl Api {
    /// Starts it with the objects of a cluster.
    ///
    /// # Errors
    /// It does not start, or takes an object for wrong.
    pub(crate) fn start(cluster: Cluster) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let server = runtime
            .block_on(TestApiServer::start(ServerOptions::default()))
            .context("start the API server")?;
        for object in cluster.objects() {
            server.put(object).context("fill the API server")?;
        }
        Ok(Self { server: Arc::new(server), runtime })
    }

    /// Returns the path of a kubeconfig, a file that lasts as long as the server.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn kubeconfig(&self) -> anyhow::Result<PathBuf> {
        self.server.kubeconfig(Flavour::Token).context("write a kubeconfig")
    }

    /// Creates or replaces an object.
    ///
    /// # Errors
    /// The object is wrong.
    pub(crate) fn put(&self, object: serde_json::Value) -> anyhow::Result<()> {
        self.server.put(object).map(drop).context("change an object")
    }

    /// Ends all watches and forgets the versions that they could go on from, so that everything is listed again;
    /// returns when as many watches are there as before.
    ///
    /// # Errors
    /// Nobody watches, or watches do not come back.
    pub(crate) fn have_everything_listed(&self) -> anyhow::Result<()> {
        let faults = self.server.faults();
        self.server.compact();
        let watches = faults.cut_watches(Cut::Clean);
        ensure!(watches > 0, "nobody watches the API server");
        let again = async { timeout(PATIENCE, faults.wait_for_open_watches(watches)).await };
        self.runtime.block_on(again).context("watches do not come back")
    }

    /// Returns the paths and queries of the requests since the last call, each once.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        let entries = self.server.requests().entries();
        self.server.requests().clear();
        let paths: BTreeSet<_> =
            entries.into_iter().map(|entry| format!("{}?{}", entry.path, entry.query)).collect();
        paths.into_iter().collect()
    }
}
