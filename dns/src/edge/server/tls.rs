//! The certificate of an encrypted listener, as files or an authority say it at the moment (RFC 7858, RFC 8310).

mod following;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use super::certificate::ServerCertificate;
use super::key_log::KeyLogFile;
use crate::corefile::Transport;
use crate::edge::acme::{self, Acme, Managed};
use crate::edge::any_certificate::AnyCertificate;
use crate::edge::certificate_metrics::CertificateMetrics;
use crate::plugin::tls::renewal::Validity;
use crate::plugin::tls::{CertificateSource, ClientAuth, TlsConfig};
use following::Following;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// A certificate and its key that follow their files; when those cannot be used the last good ones stay.
#[derive(Debug)]
pub struct Tls {
    config: TlsConfig,
    transport: Transport,
    shown: Shown,
    current: ArcSwap<ServerConfig>,
    /// The files before they were read: whoever replaces them while the server starts is noticed when following begins.
    loaded: Vec<Fingerprint>,
    metrics: CertificateMetrics,
}

/// Where handshakes take their certificate from.
#[derive(Debug)]
enum Shown {
    Files(Arc<ServerCertificate>),
    Acme(Arc<Managed>),
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not readable.
    #[error("tls: cannot read {}: {source}; check its path and mode", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has not what it should have.
    #[error("tls: {} has no {what} in PEM form", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// What the files have does not fit.
    #[error("tls: {} cannot be used: {source}; check that the key is that of the certificate", path.display())]
    Unusable {
        /// The certificate, or the authorities.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// What shows that a file is another one than before; none while it cannot be seen.
type Fingerprint = Option<(u64, u64, u64, i64, i64)>;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn load(
        config: &TlsConfig,
        transport: Transport,
        acme: &Acme,
    ) -> Result<Arc<Self>, TlsError> {
        let shown = match &config.source {
            CertificateSource::Files { .. } => Shown::Files(Arc::default()),
            CertificateSource::Acme(options) => {
                if let Some(path) = &options.ca_root {
                    certificates(path)?;
                }
                Shown::Acme(acme.manage(options))
            }
        };
        let loaded = fingerprints(config);
        let current = ArcSwap::from_pointee(read(config, transport, &shown)?);
        let (config, metrics) = (config.clone(), acme.certificate_metrics().clone());
        Ok(Arc::new(Self { config, transport, shown, current, loaded, metrics }))
    }

    /// Returns what accepts connections with the certificate of the moment.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Returns what accepts QUIC connections with the certificate of the moment; none if TLS 1.3 lacks what QUIC
    /// needs (RFC 9001 §5.2), which it never does.
    pub(super) fn quic(&self) -> Option<Arc<QuicServerConfig>> {
        QuicServerConfig::try_from(self.current.load_full()).ok().map(Arc::new)
    }

    /// Returns the dates of the certificate of the moment, if it comes from a file and they can be read.
    pub(crate) fn validity(&self) -> Option<Validity> {
        let Shown::Files(certificate) = &self.shown else { return None };
        acme::validity(certificate.current()?.cert.first()?)
    }

    /// Reads the files again whenever they change; ends when nobody uses them any more. What comes from an authority
    /// is managed from here on.
    pub(super) async fn follow(tls: Weak<Self>) {
        let Some(start) = tls.upgrade() else { return };
        let mut following = match &start.shown {
            Shown::Acme(managed) => return managed.begin(),
            Shown::Files(_) => Following::begin(&start),
        };
        drop(start);
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            let Some(tls) = tls.upgrade() else { return };
            following.look(&tls, SystemTime::now());
        }
    }
}

fn fingerprints(config: &TlsConfig) -> Vec<Fingerprint> {
    let pair = match &config.source {
        CertificateSource::Files { certificate, key } => [Some(certificate), Some(key)],
        CertificateSource::Acme(_) => [None, None],
    };
    let files = [pair[0], pair[1], config.authorities.as_ref()];
    files.into_iter().flatten().map(|path| fingerprint(path)).collect()
}

/// A mounted Secret is a link that moves, so what it leads to is looked at.
fn fingerprint(path: &Path) -> Fingerprint {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// Reads everything, and publishes the certificate when all of it can be used.
fn read(config: &TlsConfig, transport: Transport, shown: &Shown) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certified = match &config.source {
        CertificateSource::Files { certificate, key } => {
            Some(certified_key(certificate, key, &provider)?)
        }
        CertificateSource::Acme(_) => None,
    };
    let verifier = verifier(config, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3");
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(match shown {
        Shown::Files(certificate) => Arc::clone(certificate) as _,
        Shown::Acme(managed) => managed.resolver(),
    });
    server.alpn_protocols = protocols(transport);
    if let Some(path) = &config.keylog {
        let keylog = KeyLogFile::open(path);
        let keylog = keylog.map_err(|source| TlsError::Read { path: path.clone(), source })?;
        server.key_log = Arc::new(keylog);
    }
    if let (Shown::Files(certificate), Some(certified)) = (shown, certified) {
        certificate.publish(certified);
    }
    Ok(server)
}

/// Returns the names that the handshake settles on (RFC 7301): those of HTTP, RFC 9250 §4.1.1, RFC 9114 §3.1.
fn protocols(transport: Transport) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = match transport {
        Transport::Https => &[b"h2", b"http/1.1"],
        Transport::Quic => &[b"doq"],
        Transport::Https3 => &[b"h3"],
        // Any will do, as with CoreDNS.
        Transport::Dns | Transport::Tls | Transport::Grpc => &[],
    };
    names.iter().map(|name| name.to_vec()).collect()
}

fn certified_key(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let certified = CertifiedKey::from_der(certificates(certificate)?, private_key(key)?, provider);
    certified.map_err(|source| TlsError::Unusable { path: certificate.to_owned(), source })
}

fn verifier(
    config: &TlsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let any = |is_required| {
        let verifier = AnyCertificate::new(provider, is_required);
        Ok(Some(Arc::new(verifier) as Arc<dyn ClientCertVerifier>))
    };
    match config.client_auth {
        ClientAuth::NoCertificate => return Ok(None),
        ClientAuth::Request => return any(false),
        ClientAuth::Require => return any(true),
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {}
    }
    // The Corefile is refused when it names no authorities to verify with.
    let path = config.authorities.clone().unwrap_or_default();
    let mut roots = RootCertStore::empty();
    for authority in certificates(&path)? {
        let unusable = |source| TlsError::Unusable { path: path.clone(), source };
        roots.add(authority).map_err(unusable)?;
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if config.client_auth == ClientAuth::VerifyIfGiven {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder.build().map_err(|error| {
        let source = rustls::Error::General(error.to_string());
        TlsError::Unusable { path: path.clone(), source }
    })?;
    Ok(Some(verifier))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let octets = contents(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let certificates = certificates.unwrap_or_default();
    if certificates.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), what: "certificate" });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let key = PrivateKeyDer::from_pem_slice(&contents(path)?);
    key.map_err(|_| TlsError::Missing { path: path.to_owned(), what: "private key" })
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
