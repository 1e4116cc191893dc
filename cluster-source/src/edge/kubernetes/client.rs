//! The client of an API server: address, TLS and credentials, renewed when they stop working.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::Uri;
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError,
    NamedAuthInfo, NamedCluster, NamedContext,
};
use kube::{Client, Config};

use super::gate::{Gate, Pass};
use super::measure::Measure;
use crate::{Access, Observer, RequestLimits, SourceError, TlsFiles};

/// Credentials that do not work are read from their files at most this often.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// The access to an API server that the tasks of a source share.
pub(in crate::edge) struct Api {
    access: Access,
    connect_timeout: Duration,
    current: Mutex<Current>,
    gate: Gate,
    observer: Arc<dyn Observer>,
}

struct Current {
    connection: Connection,
    made: Instant,
}

/// A client, and whom it asks.
#[derive(Clone)]
pub(super) struct Connection {
    /// The client.
    pub(super) client: Client,
    /// The host of the server's URL, with its port if that says one: how metrics name the server.
    pub(super) host: Arc<str>,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Api {
    /// Reads the configuration and credentials. The server is not contacted.
    pub(super) async fn new(
        access: Access,
        connect_timeout: Duration,
        limits: RequestLimits,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SourceError> {
        let connection = connect(&access, connect_timeout).await.map_err(|e| name(&access, e))?;
        let current = Mutex::new(Current { connection, made: Instant::now() });
        Ok(Self { access, connect_timeout, current, gate: Gate::new(limits), observer })
    }

    /// Waits until one more request may be made.
    pub(super) async fn admit(&self) -> Pass<'_> {
        self.gate.pass().await
    }

    /// Returns who is told of what is seen.
    pub(super) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Starts to measure a request to a host.
    pub(super) fn measure(&self, host: Arc<str>) -> Measure {
        Measure::start(&self.observer, host)
    }

    /// Returns the client; renewed if its certificate is over.
    pub(super) async fn connection(&self) -> Connection {
        let connection = self.lock().connection.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let is_over = connection
            .client
            .valid_until()
            .as_ref()
            .is_some_and(|until| u64::try_from(until.as_second()).unwrap_or_default() <= now);
        if !is_over {
            return connection;
        }
        self.renew().await;
        self.lock().connection.clone()
    }

    /// Reads configuration and credentials again: after the server refused them, or could not be reached as
    /// they say. Files may have been rotated.
    pub(super) async fn renew(&self) {
        {
            let mut current = self.lock();
            if current.made.elapsed() < RENEW_EVERY {
                return;
            }
            current.made = Instant::now();
        }
        match connect(&self.access, self.connect_timeout).await {
            Ok(connection) => self.lock().connection = connection,
            // A file that is being replaced; the client at hand stays.
            Err(error) => {
                let error = name(&self.access, error);
                tracing::warn!(%error, "credentials not renewed");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a client of the server. Retries are the reflector's business, so kube's own are off.
async fn connect(access: &Access, connect_timeout: Duration) -> Result<Connection, AnyError> {
    let mut config = match access {
        Access::InCluster => Config::incluster()?,
        Access::Kubeconfig { file, context } => {
            let options = KubeConfigOptions { context: context.clone(), ..Default::default() };
            let kubeconfig = Kubeconfig::read_from(file).map_err(without_text)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(without_text)?
        }
        Access::Endpoint { url, tls } => {
            let kubeconfig = endpoint(url, tls.as_ref())?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
    };
    config.connect_timeout = Some(connect_timeout);
    config.default_retry = false;
    let host = host(&config.cluster_url, access);
    Ok(Connection { client: Client::try_from(config)?, host })
}

/// Returns the host of a URL as Go's `URL.Host` has it. In a cluster client-go writes every port into the URL,
/// kube all but 443.
fn host(url: &Uri, access: &Access) -> Arc<str> {
    let host = url.host().unwrap_or("none");
    match (url.port_u16(), access) {
        (Some(port), _) => format!("{host}:{port}").into(),
        (None, Access::InCluster) => format!("{host}:443").into(),
        (None, Access::Kubeconfig { .. } | Access::Endpoint { .. }) => host.into(),
    }
}

/// Takes the file's text out of an error about it: any line of a kubeconfig may hold a token or a key.
fn without_text(error: KubeconfigError) -> AnyError {
    match error {
        KubeconfigError::Parse(error) => {
            let line = error.location().map_or(1, |location| location.line());
            format!("line {line} is not what a kubeconfig has there, or no YAML").into()
        }
        KubeconfigError::ParseCertificates(_) => "a certificate in it is not PEM".into(),
        KubeconfigError::LoadClientKey(LoadDataError::DecodeBase64(_)) => {
            "client-key-data is not base64".into()
        }
        other => other.into(),
    }
}

/// Returns the kubeconfig that an endpoint amounts to, so that both are read by the same code.
fn endpoint(url: &str, tls: Option<&TlsFiles>) -> Result<Kubeconfig, AnyError> {
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err("the address has neither http:// nor https:// before it".into());
    }
    let tls = tls.cloned().unwrap_or_default();
    if tls.cert.is_some() != tls.key.is_some() {
        return Err("a client certificate needs its key, and a key its certificate".into());
    }
    let text = |path: Option<&Path>| path.map(|path| path.to_string_lossy().into_owned());
    let name = || "endpoint".to_owned();
    let cluster = Cluster {
        server: Some(url.to_owned()),
        certificate_authority: text(tls.ca.as_deref()),
        ..Default::default()
    };
    let user = AuthInfo {
        client_certificate: text(tls.cert.as_deref()),
        client_key: text(tls.key.as_deref()),
        ..Default::default()
    };
    let context = Context { cluster: name(), user: Some(name()), ..Default::default() };
    Ok(Kubeconfig {
        clusters: vec![NamedCluster { name: name(), cluster: Some(cluster), ..Default::default() }],
        auth_infos: vec![NamedAuthInfo {
            name: name(),
            auth_info: Some(user),
            ..Default::default()
        }],
        contexts: vec![NamedContext { name: name(), context: Some(context), ..Default::default() }],
        current_context: Some(name()),
        ..Default::default()
    })
}

/// Says where a failure lies in the words of the configuration.
fn name(access: &Access, source: AnyError) -> SourceError {
    match access {
        Access::InCluster => SourceError::InCluster { source },
        Access::Kubeconfig { file, .. } => SourceError::Kubeconfig { file: file.clone(), source },
        Access::Endpoint { url, .. } => SourceError::Endpoint { url: url.clone(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_client_go_names_it() {
        let named = |access: &Access, url: &str| host(&url.parse().unwrap(), access).to_string();
        let endpoint = Access::Endpoint { url: String::new(), tls: None };
        for (url, expected) in [
            ("https://api.example", "api.example"),
            ("https://api.example:6443/prefix", "api.example:6443"),
            ("https://user:secret@api.example/", "api.example"),
            ("http://[fd00::1]:8080", "[fd00::1]:8080"),
        ] {
            assert_eq!(named(&endpoint, url), expected);
        }
        assert_eq!(named(&Access::InCluster, "https://10.96.0.1"), "10.96.0.1:443");
        assert_eq!(named(&Access::InCluster, "https://10.96.0.1:6443/"), "10.96.0.1:6443");
    }
}
