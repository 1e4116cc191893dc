//! Certificates from files that change.

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// Writes a self-signed certificate and its key, and returns the certificate.
fn write_pair(config: &TlsConfig) -> CertificateDer<'static> {
    let CertificateSource::Files { certificate, key } = &config.source else { panic!("no files") };
    let pair = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    let signed = parameters.self_signed(&pair).unwrap();
    replace(key, &pair.serialize_pem());
    replace(certificate, &signed.pem());
    signed.der().clone()
}

/// Puts another file in the place of one, so that it differs however soon it comes.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

fn config(directory: &Path) -> TlsConfig {
    TlsConfig {
        source: CertificateSource::Files {
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
        },
        authorities: None,
        client_auth: ClientAuth::NoCertificate,
        keylog: None,
    }
}

fn shown(tls: &Tls) -> CertificateDer<'static> {
    let Shown::Files(certificate) = &tls.shown else { panic!("no files") };
    certificate.current().unwrap().cert[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_replaced_before_it_is_followed_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let first = write_pair(&config);
    let tls = Tls::load(&config, Transport::Tls, &Acme::default()).unwrap();
    let second = write_pair(&config);
    assert_eq!(shown(&tls), first);
    let following = tokio::spawn(Tls::follow(Arc::downgrade(&tls)));
    tokio::time::sleep(2 * INTERVAL).await;
    assert_eq!(shown(&tls), second);
    drop(tls);
    following.await.unwrap();
}
