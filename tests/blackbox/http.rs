//! The HTTP endpoints as their clients see them: HTTPS by a web configuration, many connections, foreign hosts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};

use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::{metric, readiness, until};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// `tls_server_config` with the server's certificate, to be gone on with.
const SERVER: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: keys/server.key\n";

/// Issues certificates into a directory.
struct Authority<'a> {
    directory: &'a Path,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    /// Makes `NAME.crt` of an authority.
    fn new(directory: &'a Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of the same name as what it issues, it would look self-signed.
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        write(&directory.join(format!("{name}.crt")), &issuer.pem());
        Self { directory, issuer }
    }

    /// Issues `NAME.crt` and `KEY`.
    fn issue(&self, name: &str, key_file: &str, san: &str, usage: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new([san.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        write(&self.directory.join(format!("{name}.crt")), &certificate.pem());
        write(&self.directory.join(key_file), &key.serialize_pem());
    }

    fn issue_server(&self) {
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        self.issue("server", "keys/server.key", "localhost", usage);
    }

    fn issue_client(&self, name: &str, san: &str) {
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.issue(name, &format!("{name}.key"), san, usage);
    }
}

fn corefile() -> &'static str {
    ".:0 {\n    whoami\n    prometheus localhost:0 {\n        tls web/web.yml\n    }\n}\n"
}

/// Starts a server in this directory, which has the web configuration in `web`.
fn launch(directory: tempfile::TempDir, web: &str) -> Server {
    write(&directory.path().join("web/web.yml"), web);
    write(&directory.path().join("Corefile"), corefile());
    let mut command = Command::new(portolan_tests::server::binary());
    command.args(["dns", "--admin", "127.0.0.1:0"]).current_dir(directory.path());
    Server::of(command, directory)
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("web/keys")).unwrap();
    directory
}

/// Fetches `/metrics` with curl, in the directory of the certificates.
fn curl(server: &mut Server, arguments: &str) -> Output {
    let port = server.endpoint("/metrics").port();
    let mut command = Command::new("curl");
    command.current_dir(server.directory.path().join("web"));
    command.args(["-sS", "-i", "--max-time", "20", "--cacert", "ca.crt"]);
    command.args(arguments.split_whitespace());
    command.arg(format!("https://localhost:{port}/metrics")).output().unwrap()
}

/// Returns the head and the body of a reply.
#[track_caller]
fn fetched(server: &mut Server, arguments: &str) -> String {
    let output = curl(server, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns why curl could not get a reply.
#[track_caller]
fn failed(server: &mut Server, arguments: &str) -> String {
    let output = curl(server, arguments);
    assert!(!output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn metrics_over_https_and_a_renewed_certificate() {
    let directory = directory();
    let web = directory.path().join("web");
    Authority::new(&web, "ca").issue_server();
    let mut server = launch(directory, SERVER).serving();

    let reply = fetched(&mut server, "");
    assert!(reply.starts_with("HTTP/2 200"), "{reply}");
    assert!(reply.contains("\ncoredns_build_info{"), "{reply}");
    assert!(fetched(&mut server, "--http1.1").starts_with("HTTP/1.1 200 "));
    assert!(fetched(&mut server, "--tls-max 1.2").starts_with("HTTP/2 200"));
    let mut plain = TcpStream::connect(server.endpoint("/metrics")).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    let _ = plain.read_to_end(&mut reply);
    assert!(!reply.starts_with(b"HTTP"), "nothing is told in the clear");

    // Another authority: curl trusts the renewed certificate only.
    Authority::new(&web, "ca").issue_server();
    assert!(fetched(&mut server, "").starts_with("HTTP/2 200"));
    // A certificate that cannot be read: the last good one stays.
    write(&web.join("server.crt"), "half a certif");
    assert!(fetched(&mut server, "").starts_with("HTTP/2 200"));
    server.wait_for_line("the last good web configuration stays");
    // Options are read again, too.
    Authority::new(&web, "ca").issue_server();
    write(&web.join("web.yml"), &format!("{SERVER}  min_version: TLS13\n"));
    assert!(fetched(&mut server, "").starts_with("HTTP/2 200"));
    let error = failed(&mut server, "--tls-max 1.2");
    assert!(error.contains("alert protocol version"), "{error}");
}

#[test]
fn clients_need_a_certificate() {
    let directory = directory();
    let web = directory.path().join("web");
    Authority::new(&web, "ca").issue_server();
    let clients = Authority::new(&web, "clients");
    clients.issue_client("good", "scraper.example");
    clients.issue_client("other", "other.example");
    Authority::new(&web, "foreign").issue_client("bad", "scraper.example");
    let good = "--cert good.crt --key good.key";
    let (other, bad) = ("--cert other.crt --key other.key", "--cert bad.crt --key bad.key");
    let with = |lines: &str| format!("{SERVER}  client_ca_file: clients.crt\n{lines}");
    let mut server =
        launch(directory, &with("  client_auth_type: RequireAndVerifyClientCert\n")).serving();
    for (client, is_served) in [(good, true), (other, true), (bad, false), ("", false)] {
        assert_eq!(curl(&mut server, client).status.success(), is_served, "{client}");
    }
    let lines = "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [scraper.example]\n";
    write(&web.join("web.yml"), &with(lines));
    for (client, is_served) in [(good, true), (other, false), (bad, false), ("", false)] {
        assert_eq!(curl(&mut server, client).status.success(), is_served, "with names: {client}");
    }
    write(&web.join("web.yml"), &with("  client_auth_type: VerifyClientCertIfGiven\n"));
    for (client, is_served) in [(good, true), (bad, false), ("", true)] {
        assert_eq!(curl(&mut server, client).status.success(), is_served, "if given: {client}");
    }
    write(&web.join("web.yml"), &format!("{SERVER}  client_auth_type: RequireAnyClientCert\n"));
    for (client, is_served) in [(good, true), (bad, true), ("", false)] {
        assert_eq!(curl(&mut server, client).status.success(), is_served, "any: {client}");
    }
}

#[test]
fn passwords_headers_and_a_limit() {
    let directory = directory();
    let web = directory.path().join("web");
    Authority::new(&web, "ca").issue_server();
    let more = format!(
        "{SERVER}http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n\
         basic_auth_users:\n  ann: {HASH}\n"
    );
    let mut server = launch(directory, &more).serving();
    let reply = fetched(&mut server, "");
    assert!(reply.starts_with("HTTP/1.1 401 "), "{reply}");
    let head = reply.to_ascii_lowercase();
    assert!(head.contains("www-authenticate: basic") && head.contains("x-frame-options: deny"));
    assert!(!reply.contains("coredns_"), "{reply}");
    assert!(fetched(&mut server, "-u ann:wrong").starts_with("HTTP/1.1 401 "));
    assert!(fetched(&mut server, "-u bob:password").starts_with("HTTP/1.1 401 "));
    for _ in 0..2 {
        let reply = fetched(&mut server, "-u ann:password");
        assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("\ncoredns_"), "{reply}");
    }
    write(&web.join("web.yml"), &format!("{SERVER}rate_limit:\n  interval: 1h\n  burst: 2\n"));
    let status = |server: &mut Server| fetched(server, "").split(' ').nth(1).unwrap().to_owned();
    let seen: Vec<String> = (0..4).map(|_| status(&mut server)).collect();
    assert_eq!(seen, ["200", "200", "429", "429"]);
}

/// The bcrypt hash of `password`, of the lowest cost there is.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstueTMlumt3iwBhrKFf/p3i87yEmY4xqCBa";

#[test]
fn a_web_configuration_that_cannot_be_used_ends_the_start() {
    for (web, said) in [
        ("", "tls_server_config.cert_file: is missing"),
        (SERVER, "server.crt cannot be read"),
        ("tls_server_config:\n  cert_fiel: x\n", "line 2"),
    ] {
        let mut server = launch(directory(), web);
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains("Corefile:4 - Error during parsing: "), "{errors}");
        assert!(errors.contains("web configuration web/web.yml, "), "{errors}");
        assert!(errors.contains(said), "{said}: {errors}");
    }
    let shared = ".:0 {\n    health localhost:1080\n    prometheus localhost:1080 {\n        tls web.yml\n    }\n}\n";
    let mut server = Server::launch(shared);
    assert_eq!(server.wait().code(), Some(1));
    let errors = server.errors();
    assert!(errors.contains(":4 - ") && errors.contains("also used without this file"), "{errors}");
}

#[test]
fn probes_are_answered_beside_many_idle_connections() {
    let mut server = Server::start(".:0 {\n    whoami\n    ready 127.0.0.1:0\n}\n");
    let ready = server.endpoint("/ready");
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(ready).unwrap()).collect();
    // Each of these needs a place of its own; http_get gives up after PATIENCE.
    for _ in 0..20 {
        assert_eq!(readiness(&mut server), (200, "OK".to_owned()));
    }
    // 256 places for 300 and the probes, less those that the server has hung up on by itself after 5 s.
    let evicted = metric(&mut server, "portolan_http_evicted_total", "");
    assert!((0.9..64.1).contains(&evicted), "{evicted}");
    drop(idle);
    let open = || {
        let sockets = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
        sockets.count()
    };
    until("closed connections", open, |files| *files < 60);
}

#[test]
fn the_admin_endpoints_are_for_their_own_hosts() {
    let mut server = Server::start(".:0 {\n    whoami\n}\n");
    let admin = server.endpoint("admin");
    let ask = |host: &str| {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /debug/cluster HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    for host in ["127.0.0.1", "localhost:9353", "[::1]:9353", &admin.to_string()] {
        assert!(ask(host).starts_with("HTTP/1.1 404 "), "{host}: no source, but served");
    }
    let reply = ask("rebound.example:9353");
    assert!(reply.starts_with("HTTP/1.1 421 "), "{reply}");
    assert!(reply.contains("rebound.example:9353 is not served here: ask by address"), "{reply}");
}
