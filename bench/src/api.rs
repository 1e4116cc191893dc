//! The test API server, in this process, so that a change is made at a known time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use test_apiserver::{Flavour, ServerOptions, TestApiServer};
use tokio::runtime::{Builder, Runtime};

use crate::cluster::{Cluster, changing_slice};

/// How long a server may take to list again.
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

    /// Goes away for a change, and forgets the versions that watches could go on from, so that everything is listed
    /// again; returns when as many lists have begun as there were watches.
    ///
    /// # Errors
    /// Nobody watches, or the lists do not come.
    pub(crate) fn have_everything_listed(&self) -> anyhow::Result<()> {
        let faults = self.server.faults();
        let watches = faults.open_watches();
        ensure!(watches > 0, "nobody watches the API server");
        self.runtime.block_on(faults.refuse_connections(true));
        for version in [1, 0] {
            self.put(changing_slice(version))?;
        }
        self.server.compact();
        self.server.requests().clear();
        self.runtime.block_on(faults.refuse_connections(false));
        let deadline = Instant::now() + PATIENCE;
        while self.lists() < watches {
            ensure!(
                Instant::now() < deadline,
                "the server does not list again: {:?}",
                self.take_requests()
            );
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn lists(&self) -> usize {
        let entries = self.server.requests().entries();
        entries.iter().filter(|entry| entry.status == 200 && begins_list(&entry.query)).count()
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

/// Whether a request with this query lists from the beginning: no mere watch, and no later page.
pub(crate) fn begins_list(query: &str) -> bool {
    let is_watch = query.split('&').any(|part| part == "watch=true" || part == "watch=1");
    let is_streamed = query.contains("sendInitialEvents=true");
    (is_streamed || !is_watch) && !query.contains("continue=")
}

#[cfg(test)]
mod tests {
    use super::begins_list;

    #[test]
    fn lists_are_told_from_what_goes_on() {
        assert!(begins_list("sendInitialEvents=true&watch=true"));
        assert!(begins_list("limit=500"));
        assert!(!begins_list("limit=500&continue=abc"));
        assert!(!begins_list("watch=true&resourceVersion=5"));
    }
}
