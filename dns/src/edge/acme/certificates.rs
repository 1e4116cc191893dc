//! The certificates that handshakes get: each name has its own, and the latest counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::parse_x509_certificate;

use crate::plugin::tls::acme::AcmeConfig;
use crate::plugin::tls::domain::AcmeDomain;
use crate::plugin::tls::renewal::Validity;

/// A certificate with its key.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

/// Why a certificate and a key cannot be used for a name.
#[derive(Debug, Error)]
pub(super) enum Unusable {
    /// One of them cannot be read.
    #[error("no {0} in PEM form")]
    Missing(&'static str),
    /// The certificate cannot be read, is for other names, or the key is another one's.
    #[error("the certificate or its key cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The certificate has no readable dates.
    #[error("the certificate cannot be read")]
    Unreadable,
}

impl Issued {
    /// Reads a certificate, with those that lead to its authority behind it, and its key, both in PEM.
    ///
    /// # Errors
    /// They cannot be used for the name. Whether the certificate has expired does not matter here.
    pub(super) fn read(chain: &[u8], key: &[u8], domain: &AcmeDomain) -> Result<Self, Unusable> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.unwrap_or_default();
        let leaf = chain.first().ok_or(Unusable::Missing("certificate"))?;
        let validity = validity(leaf).ok_or(Unusable::Unreadable)?;
        // A name that a wildcard stands for.
        let name = domain.as_str().replacen('*', "a", 1);
        let name = ServerName::try_from(name).map_err(|_| Unusable::Unreadable)?;
        verify_server_name(&ParsedCertificate::try_from(leaf)?, &name)?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::Missing("private key"))?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        Ok(Self { key: Arc::new(key), validity })
    }
}

/// Returns the dates of a certificate; none when it cannot be read.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let moment = |seconds: i64| {
        let after = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        SystemTime::UNIX_EPOCH.checked_add(after)
    };
    let dates = parsed.validity();
    Some(Validity {
        not_before: moment(dates.not_before.timestamp())?,
        not_after: moment(dates.not_after.timestamp())?,
    })
}

/// Gives each handshake the certificate of the name that the client asks for, and none for other names: the
/// handshake then fails.
#[derive(Debug)]
pub(super) struct Certificates {
    config: AcmeConfig,
    by_domain: ArcSwap<BTreeMap<AcmeDomain, Issued>>,
}

impl Certificates {
    pub(super) fn new(config: &AcmeConfig) -> Self {
        Self { config: config.clone(), by_domain: ArcSwap::default() }
    }

    pub(super) fn config(&self) -> &AcmeConfig {
        &self.config
    }

    /// Returns the certificate of a name.
    pub(super) fn get(&self, domain: &AcmeDomain) -> Option<Issued> {
        self.by_domain.load().get(domain).cloned()
    }

    /// Serves another certificate from the next handshake on.
    pub(super) fn publish(&self, domain: &AcmeDomain, issued: &Issued) {
        self.by_domain.rcu(|current| {
            let mut next = BTreeMap::clone(current);
            next.insert(domain.clone(), issued.clone());
            next
        });
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let domain = self.config.domain_for(hello.server_name())?;
        self.get(domain).map(|issued| issued.key)
    }
}
