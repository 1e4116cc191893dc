//! The certificate that the handshakes of a listener show, which can be replaced while it serves.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The one place that a listener's certificate comes from.
///
/// Whoever has another one, such as a file that has changed, publishes it; handshakes from then on show it, and
/// connections that are open stay as they are. Before the first one no handshake succeeds.
#[derive(Debug, Default)]
pub(crate) struct ServerCertificate(ArcSwapOption<CertifiedKey>);

impl ServerCertificate {
    /// Shows another certificate from here on.
    pub(crate) fn publish(&self, certificate: CertifiedKey) {
        self.0.store(Some(Arc::new(certificate)));
    }

    /// Returns the certificate of the moment; none before the first.
    pub(crate) fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    fn certified(name: &str) -> CertifiedKey {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = ring::sign::any_supported_type(&key).unwrap();
        CertifiedKey::new(vec![certificate.der().clone()], key)
    }

    #[test]
    fn the_last_one_published_is_shown() {
        let shown = ServerCertificate::default();
        assert!(shown.current().is_none());
        let (first, second) = (certified("a.test"), certified("b.test"));
        let expected = second.cert.clone();
        shown.publish(first);
        shown.publish(second);
        assert_eq!(shown.current().unwrap().cert, expected);
    }
}
