//! Certificates from files that change.

use prometheus::{Registry, TextEncoder};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// Writes a self-signed certificate and its key, and returns the certificate.
fn write_pair(config: &TlsConfig) -> CertificateDer<'static> {
    write_pair_until(config, 2100)
}

/// Writes a certificate that ends with the first of January of a year.
fn write_pair_until(config: &TlsConfig, year: i32) -> CertificateDer<'static> {
    let CertificateSource::Files { certificate, key } = &config.source else { panic!("no files") };
    let pair = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    parameters.not_after = date_time_ymd(year, 1, 1);
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

#[test]
fn the_end_of_a_certificate_and_files_that_cannot_be_used_are_measured() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let (acme, registry) = (Acme::default(), Registry::new());
    acme.register(&registry).unwrap();
    let assert_line = |name: &str, value: u64| {
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let path = directory.path().join("cert.pem");
        let line =
            format!("portolan_certificate_{name}{{certificate=\"{}\"}} {value}", path.display());
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    };
    write_pair_until(&config, 2001);
    let tls = Tls::load(&config, Transport::Tls, &acme).unwrap();
    let mut following = Following::begin(&tls);
    assert_line("expiry_timestamp_seconds", 978_307_200);
    replace(&directory.path().join("cert.pem"), "half a file");
    following.look(&tls, SystemTime::now());
    assert_line("expiry_timestamp_seconds", 978_307_200);
    assert_line("read_failures_total", 1);
    write_pair_until(&config, 2100);
    following.look(&tls, SystemTime::now());
    assert_line("expiry_timestamp_seconds", 4_102_444_800);
    assert_line("read_failures_total", 1);
}
