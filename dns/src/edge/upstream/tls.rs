//! TLS to an upstream (RFC 7858).

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ConfigBuilder, RootCertStore, WantsVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ExchangeError;
use crate::plugin::forward::tls::TlsConfig;

/// Makes the clients of the upstreams of one directive, which share their sessions.
#[derive(Clone)]
pub(crate) struct TlsClients {
    config: Arc<ClientConfig>,
    has_roots: bool,
}

/// Encrypts connections to one server.
#[derive(Clone)]
pub(crate) struct TlsClient {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    has_roots: bool,
}

impl TlsClients {
    /// Reads the CAs of the host, unless the directive names others. `protocols` are those of ALPN.
    pub(crate) fn new(config: &TlsConfig, protocols: &[&[u8]]) -> Self {
        let roots = config.roots.clone().unwrap_or_else(|| Arc::new(system_roots()));
        let has_roots = !roots.is_empty();
        let builder = builder().with_root_certificates(roots);
        let mut client = match &config.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let identity = SingleCertAndKey::from(Arc::clone(identity));
                builder.with_client_cert_resolver(Arc::new(identity))
            }
        };
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self { config: Arc::new(client), has_roots }
    }

    /// Returns the client of a server that is verified by this name or address.
    pub(crate) fn client(&self, server_name: ServerName<'static>) -> TlsClient {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        TlsClient { connector, server_name, has_roots: self.has_roots }
    }
}

impl TlsClient {
    /// Encrypts a connection. The server's certificate is always verified.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ExchangeError> {
        let connected = self.connector.connect(self.server_name.clone(), stream).await;
        connected.map_err(|error| self.explained(&error))
    }

    /// Says what was wrong with whom.
    fn explained(&self, error: &io::Error) -> ExchangeError {
        let name = self.server_name.to_str();
        // webpki tells the two uses of a certificate apart, where other libraries do not (RFC 5280 §4.2.1.9).
        if error.to_string().contains("CaUsedAsEndEntity") {
            return ExchangeError::Tls(format!(
                "TLS with {name}: the server shows the certificate of a CA as its own; give it one that the CA \
                 has signed, with basicConstraints CA:FALSE"
            ));
        }
        let remedy = if self.has_roots {
            ""
        } else {
            "; this host has no CA certificates, name a file with the option 'tls CA'"
        };
        ExchangeError::Tls(format!("TLS with {name}: {error}{remedy}"))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsClient").field(&self.server_name).finish()
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
}

/// Returns the CAs that the host trusts; those that cannot be read are logged and left out.
pub(crate) fn system_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() || !loaded.errors.is_empty() {
        let errors: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(
            certificates = roots.len(),
            unusable,
            errors = errors.join("; "),
            "CA certificates of the host"
        );
    }
    roots
}
