//! The in-process API server as tests hold it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::api::admin;
use crate::api::status::Refusal;
use crate::api::watch::WatchTimes;
use crate::api::{Api, NamespaceCheck};
use crate::error::Error;
use crate::faults::Faults;
use crate::front::Front;
use crate::front::request_log::RequestLog;
use crate::kubeconfig::Flavour;
use crate::manifest;
use crate::store::{State, Store};

/// Namespaces a cluster starts with.
const FIRST_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// How a server is to behave.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// Port on 127.0.0.1; 0, the default, takes a free one.
    pub port: u16,
    /// Changes remembered for watches and pages, 16384 by default.
    pub history: usize,
    /// Whether objects can be created in namespaces that do not exist; by default they cannot.
    pub namespaces: NamespaceCheck,
    /// Time between bookmarks, a minute by default.
    pub bookmark_interval: Duration,
    /// Whether Services get addresses; by default they do.
    pub service_addresses: bool,
    /// Time a watch lasts that sets no `timeoutSeconds`, half an hour by default.
    pub watch_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            port: 0,
            history: 16_384,
            namespaces: NamespaceCheck::Enforced,
            bookmark_interval: Duration::from_mins(1),
            service_addresses: true,
            watch_timeout: Duration::from_mins(30),
        }
    }
}

/// A Kubernetes API server of the test process; dropping it stops it.
pub struct TestApiServer {
    front: Front,
    store: Arc<Store>,
}

impl TestApiServer {
    /// Starts a server that holds nothing but the first namespaces.
    ///
    /// # Errors
    /// When the port is taken or a certificate cannot be made.
    #[allow(clippy::unused_async, reason = "starting is asynchronous for every kind of cluster")]
    pub async fn start(options: ServerOptions) -> Result<Self, Error> {
        let store = Arc::new(Store::new(options.history));
        store.write(|state| state.addresses.is_off = !options.service_addresses);
        let api = Api {
            store: Arc::clone(&store),
            times: WatchTimes {
                bookmarks: options.bookmark_interval,
                timeout: options.watch_timeout,
            },
            namespaces: options.namespaces,
        };
        let front = Front::start(options.port, Arc::new(api))?;
        let server = Self { front, store };
        for namespace in FIRST_NAMESPACES {
            server.write(|state| admin::ensure_namespace(state, namespace))?;
        }
        Ok(server)
    }

    /// Returns the HTTPS front, with the faults and the log.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// Returns the base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// Returns the bearer token accepted now.
    #[must_use]
    pub fn token(&self) -> String {
        self.front.token()
    }

    /// Returns the certificate of the server's authority.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.front.ca_pem()
    }

    /// Writes a kubeconfig; the file lasts as long as the server.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, flavour: Flavour) -> Result<PathBuf, Error> {
        self.front.kubeconfig(flavour)
    }

    /// Returns the fault switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.front.faults()
    }

    /// Returns the log of requests.
    #[must_use]
    pub fn requests(&self) -> &RequestLog {
        self.front.requests()
    }

    /// Creates or replaces the objects of a YAML stream, status included, as [`Self::put`] does.
    ///
    /// # Errors
    /// When the text is not YAML or an object is refused; the objects before it stay.
    pub fn apply_yaml(&self, yaml: &str) -> Result<Vec<Value>, Error> {
        let objects = manifest::objects(yaml)?;
        objects.into_iter().map(|object| self.put(object)).collect()
    }

    /// Creates or replaces an object, all parts of it; a missing namespace is created. Returns
    /// the object as stored.
    ///
    /// # Errors
    /// When the kind is unknown or the object is not valid.
    pub fn put(&self, object: Value) -> Result<Value, Error> {
        self.write(|state| admin::put(state, object))
    }

    /// Returns an object; `kind` is a kind or a plural name, `namespace` is empty for
    /// cluster-scoped resources.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        admin::get(&self.store.read(), kind, namespace, name)
    }

    /// Deletes an object; `kind` is a kind or a plural name.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<(), Error> {
        self.write(|state| admin::delete(state, kind, namespace, name))
    }

    /// Returns the current resource version.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.store.read().revision()
    }

    /// Forgets the history, so that watches from and pages at older versions get 410.
    pub fn compact(&self) {
        self.store.write(State::compact);
    }

    /// Has every watch that allows bookmarks send one now.
    pub fn send_bookmarks(&self) {
        self.store.send_bookmarks();
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Refusal>) -> Result<T, Error> {
        self.store
            .write(change)
            .map_err(|refusal| Error::Refused { code: refusal.code, message: refusal.message })
    }
}
