//! DNS over TLS, asked with `kdig`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use portolan_tests::client::http_get;
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Makes an authority and writes its certificate.
fn authority(file: &Path) -> Issuer {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    write(file, &issuer.pem());
    issuer
}

/// Writes a certificate for a name and its key, the key first.
fn issue(issuer: &Issuer, directory: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    write(&directory.join("key.pem"), &key.serialize_pem());
    write(&directory.join("cert.pem"), &certificate.pem());
}

/// Files of a server and of a client, each issued by an authority of its own.
struct Files {
    directory: tempfile::TempDir,
    servers: Issuer,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let servers = authority(&path.join("servers.pem"));
        let clients = authority(&path.join("clients.pem"));
        issue(&servers, path, "dns.test");
        for (folder, issuer) in [("known", &clients), ("stranger", &servers)] {
            std::fs::create_dir(path.join(folder)).unwrap();
            issue(issuer, &path.join(folder), "client.test");
        }
        Self { directory, servers }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn serve(&self, authorities: &str, options: &str) -> Server {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        Server::start(&format!(
            "tls://.:0 {{\n    tls {certificate} {key} {authorities} {{\n        {options}\n    }}\n    \
             log\n    prometheus 127.0.0.1:0\n    whoami\n}}\n"
        ))
    }

    /// Asks over TLS, and says whether there was an answer.
    fn kdig(&self, server: SocketAddr, name: &str, client: Option<&str>) -> bool {
        let mut command = Command::new("kdig");
        command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
        command.args(["x.example.org", "A", "+tls", "+timeout=10", "+retry=0"]);
        command.arg(format!("+tls-ca={}", self.path("servers.pem")));
        command.arg(format!("+tls-hostname={name}"));
        if let Some(folder) = client {
            command.arg(format!("+tls-certfile={}", self.path(&format!("{folder}/cert.pem"))));
            command.arg(format!("+tls-keyfile={}", self.path(&format!("{folder}/key.pem"))));
        }
        let output = command.output().expect("`make test` installs kdig");
        String::from_utf8_lossy(&output.stdout).contains("status: NOERROR")
    }
}

#[test]
fn questions_over_tls_are_answered() {
    let files = Files::new();
    let mut server = files.serve("", &format!("keylog {}", files.path("secrets")));
    let address = server.address();
    assert!(files.kdig(address, "dns.test", None));
    assert!(!files.kdig(address, "other.test", None), "the certificate is for another name");
    // As CoreDNS labels it: the transport is in the server's name.
    assert!(server.wait_for_line("x.example.org.").contains(" tcp "));
    let metrics = http_get(server.endpoint("/metrics"), "/metrics").1;
    let line = metrics.lines().find(|line| line.starts_with("coredns_dns_requests_total")).unwrap();
    assert!(line.contains("server=\"tls://:0\"") && line.contains("proto=\"tcp\""), "{line}");
    let secrets = std::fs::read_to_string(files.path("secrets")).unwrap();
    assert!(secrets.lines().any(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")), "{secrets}");
    // There is nothing without TLS on the port.
    assert!(std::net::UdpSocket::bind(address).is_ok());
}

#[test]
fn clients_have_the_certificates_that_are_asked_for() {
    let files = Files::new();
    let authorities = files.path("clients.pem");
    for (option, expected) in [
        ("nocert", [true, true, true]),
        ("request", [true, true, true]),
        ("require", [false, true, true]),
        ("verify_if_given", [true, true, false]),
        ("require_and_verify", [false, true, false]),
    ] {
        let server = files.serve(&authorities, &format!("client_auth {option}"));
        let asked = [None, Some("known"), Some("stranger")]
            .map(|client| files.kdig(server.address(), "dns.test", client));
        assert_eq!(asked, expected, "{option}: none, a known one, a stranger's");
    }
}

#[test]
fn a_changed_certificate_is_used_and_a_broken_one_is_not() {
    let files = Files::new();
    let mut server = files.serve("", "client_auth nocert");
    let address = server.address();
    assert!(files.kdig(address, "dns.test", None));
    write(&files.directory.path().join("cert.pem"), "half a file");
    server.wait_for_line("the last good one stays");
    assert!(files.kdig(address, "dns.test", None));
    issue(&files.servers, files.directory.path(), "next.test");
    until("the next name", || files.kdig(address, "next.test", None), |answered| *answered);
    assert!(!files.kdig(address, "dns.test", None));
}

#[test]
fn an_expired_certificate_is_told_at_the_start_and_in_the_metrics() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    parameters.not_after = date_time_ymd(2001, 1, 1);
    let certificate = parameters.signed_by(&key, &files.servers).unwrap();
    write(Path::new(&files.path("key.pem")), &key.serialize_pem());
    write(Path::new(&files.path("cert.pem")), &certificate.pem());
    let mut server = files.serve("", "client_auth nocert");
    let line = server.wait_for_line("clients refuse the certificate");
    assert!(line.starts_with("[WARNING]") && line.contains(&files.path("cert.pem")), "{line}");
    let metrics = http_get(server.endpoint("/metrics"), "/metrics").1;
    let path = files.path("cert.pem");
    for line in [
        format!(
            "portolan_certificate_expiry_timestamp_seconds{{certificate=\"{path}\"}} 978307200"
        ),
        format!("portolan_certificate_read_failures_total{{certificate=\"{path}\"}} 0"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
}

#[test]
fn a_handshake_has_a_time_limit() {
    let files = Files::new();
    let mut server = files.serve("", "client_auth nocert");
    let mut silent = TcpStream::connect(server.address()).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let start = Instant::now();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    assert!((2..8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let mut plain = portolan_tests::client::TcpClient::new(server.address());
    plain.send(&portolan_tests::client::query(1, "x.", "A", 0));
    assert!(plain.stream.read_to_end(&mut Vec::new()).is_ok_and(|octets| octets < 12), "no reply");
    for reason in ["read", "handshake"] {
        let line = format!("portolan_dns_closed_total{{reason=\"{reason}\"}} 1");
        let page = || http_get(server.endpoint("/metrics"), "/metrics").1;
        until(&line, page, |page| page.contains(&line));
    }
    assert!(Duration::from_secs(10) > start.elapsed());
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start() {
    let files = Files::new();
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let other = files.path("known/key.pem");
    for (line, expected) in [
        ("whoami".to_owned(), "Corefile:1 - ".to_owned()),
        (
            format!("tls /nowhere/cert.pem {key}"),
            "Corefile:2 - the listener tls://:0: tls: cannot read /nowhere/cert.pem".to_owned(),
        ),
        (format!("tls {key} {key}"), format!("{key} has no certificate in PEM form")),
        (format!("tls {certificate} {certificate}"), "has no private key in PEM form".to_owned()),
        (format!("tls {certificate} {other}"), "check that the key is that of".to_owned()),
    ] {
        let mut server = Server::launch(&format!("tls://.:0 {{\n    {line}\n}}\n"));
        assert_eq!(server.wait().code(), Some(1), "{line}");
        let errors = server.errors();
        assert!(errors.contains(&expected), "{line}: {errors}");
    }
}
