//! The cluster a test runs against: the in-process server, or a real one behind the fault proxy.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::ApiClient;
use crate::error::Error;
use crate::faults::Faults;
use crate::front::Front;
use crate::front::request_log::RequestLog;
use crate::kubeconfig::Flavour;
use crate::kubeconfig::read::Access;
use crate::manifest;
use crate::proxy::FaultProxy;
use crate::server::{ServerOptions, TestApiServer};
use crate::writer::Writer;

/// Names the kubeconfig of the real cluster; unset, the in-process server is taken.
pub const KUBECONFIG_VARIABLE: &str = "TEST_KUBECONFIG";

/// A cluster with faults to switch on between it and its clients.
///
/// The test's own writes go around the faults and the log.
pub struct TestCluster {
    backing: Backing,
}

enum Backing {
    InProcess(Box<TestApiServer>),
    Real { proxy: Box<FaultProxy>, writer: Box<Writer> },
}

impl TestCluster {
    /// Starts the cluster that [`KUBECONFIG_VARIABLE`] asks for.
    ///
    /// # Errors
    /// When a server cannot be started or the kubeconfig cannot be used.
    pub async fn start() -> Result<Self, Error> {
        match std::env::var_os(KUBECONFIG_VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => Self::before(Path::new(&path)).await,
            None => Self::in_process(ServerOptions::default()).await,
        }
    }

    /// Starts an in-process cluster.
    ///
    /// # Errors
    /// As [`TestApiServer::start`].
    pub async fn in_process(options: ServerOptions) -> Result<Self, Error> {
        let server = Box::new(TestApiServer::start(options).await?);
        let backing = Backing::InProcess(server);
        Ok(Self { backing })
    }

    /// Starts a proxy before the cluster of a kubeconfig.
    ///
    /// # Errors
    /// As [`FaultProxy::start`].
    pub async fn before(upstream_kubeconfig: &Path) -> Result<Self, Error> {
        let client = ApiClient::new(&Access::read(upstream_kubeconfig)?)?;
        let backing = Backing::Real {
            proxy: Box::new(FaultProxy::start(upstream_kubeconfig).await?),
            writer: Box::new(Writer::new(client)),
        };
        Ok(Self { backing })
    }

    /// Returns the HTTPS front that clients under test talk to.
    #[must_use]
    pub fn front(&self) -> &Front {
        match &self.backing {
            Backing::InProcess(server) => server.front(),
            Backing::Real { proxy, .. } => proxy.front(),
        }
    }

    /// Returns the in-process server, if this is one: for what no real cluster lets a test do.
    #[must_use]
    pub fn server(&self) -> Option<&TestApiServer> {
        match &self.backing {
            Backing::InProcess(server) => Some(server),
            Backing::Real { .. } => None,
        }
    }

    /// Writes a kubeconfig for the clients under test.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, flavour: Flavour) -> Result<PathBuf, Error> {
        self.front().kubeconfig(flavour)
    }

    /// Returns the fault switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.front().faults()
    }

    /// Returns the log of the clients' requests.
    #[must_use]
    pub fn requests(&self) -> &RequestLog {
        self.front().requests()
    }

    /// Creates or replaces the objects of a YAML stream, status included; returns them as
    /// stored. A real cluster needs the namespaces to be among the objects.
    ///
    /// # Errors
    /// When the text is not YAML or an object is refused; the objects before it stay.
    pub async fn apply_yaml(&self, yaml: &str) -> Result<Vec<Value>, Error> {
        let mut stored = Vec::new();
        for object in manifest::objects(yaml)? {
            stored.push(self.put(object).await?);
        }
        Ok(stored)
    }

    /// Creates or replaces an object, status included; returns it as stored.
    ///
    /// # Errors
    /// When the kind is unknown or the object is refused.
    pub async fn put(&self, object: Value) -> Result<Value, Error> {
        match &self.backing {
            Backing::InProcess(server) => server.put(object),
            Backing::Real { writer, .. } => writer.apply(&object).await,
        }
    }

    /// Deletes an object; `kind` is a kind or a plural name, `namespace` is empty for
    /// cluster-scoped resources.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<(), Error> {
        match &self.backing {
            Backing::InProcess(server) => server.delete(kind, namespace, name),
            Backing::Real { writer, .. } => writer.delete(kind, namespace, name).await,
        }
    }
}
