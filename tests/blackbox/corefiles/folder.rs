//! The folder in which a Corefile of the fixtures is served: what it names is there.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use portolan_tests::fixture;
use portolan_tests::server::{Server, write};
use portolan_tests::upstream::Upstream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// The servers that the fixtures forward to.
#[derive(Clone, Copy)]
pub(crate) struct Upstreams {
    pub(crate) main: SocketAddr,
    pub(crate) corp: SocketAddr,
}

impl Upstreams {
    pub(crate) fn start() -> Self {
        let start = |zone| Upstream::start(&fixture(zone)).address;
        Self { main: start("dns-cases/upstream.zone"), corp: start("corefiles/corp.zone") }
    }
}

/// A folder in the place of `/etc/coredns`.
pub(crate) struct Folder {
    directory: TempDir,
    upstreams: Upstreams,
}

impl Folder {
    pub(crate) fn new(upstreams: &Upstreams) -> Self {
        let folder = Self { directory: tempfile::tempdir().unwrap(), upstreams: *upstreams };
        folder.copy(&fixture("corefiles/etc"), folder.path());
        folder.write_certificates();
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns a Corefile of the fixtures as it is served.
    pub(crate) fn substituted(&self, name: &str) -> String {
        let text = fs::read_to_string(fixture(&format!("corefiles/{name}.Corefile"))).unwrap();
        text.lines().map(|line| with_manifests(&self.replaced(line))).collect()
    }

    fn replaced(&self, text: &str) -> String {
        let (main, corp) = (self.upstreams.main.to_string(), self.upstreams.corp.to_string());
        let folder = format!("{}/", self.path().display());
        text.replace("/etc/coredns/", &folder)
            .replace("/etc/resolv.conf", &main)
            .replace("198.51.100.53", &corp)
            .replace("10.96.0.11", &corp)
            .replace("192.0.2.53", &main)
    }

    fn copy(&self, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&target).unwrap();
                self.copy(&entry.path(), &target);
            } else {
                write(&target, &self.replaced(&fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }

    fn write_certificates(&self) {
        let folder = self.path().join("tls");
        fs::create_dir(&folder).unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        write(&folder.join("ca.pem"), &issuer.pem());
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["dns.corp.example".to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        write(&folder.join("key.pem"), &key.serialize_pem());
        write(&folder.join("cert.pem"), &certificate.pem());
    }

    /// Starts the upstream that speaks DNS over TLS.
    pub(crate) fn serve_over_tls(&self) -> Server {
        let tls = self.path().join("tls");
        Server::start(&format!(
            "tls://.:853 {{\nbind 198.51.100.54\ntls {0}/cert.pem {0}/key.pem\nforward . {1}\n}}\n",
            tls.display(),
            self.upstreams.corp
        ))
    }

    /// Sets the variables that a Corefile of the fixtures reads.
    pub(crate) fn set_variables(&self, command: &mut Command) {
        command.env("PORTOLAN_TEST_ZONE", "example.com").env("PORTOLAN_TEST_PORT", "1053");
        command.env("PORTOLAN_TEST_UPSTREAM", self.upstreams.main.to_string());
        command.env_remove("PORTOLAN_TEST_UNSET");
    }

    /// Returns what a command printed, without the folder's path.
    pub(crate) fn lines(&self, output: &[u8]) -> Vec<String> {
        let folder = format!("{}/", self.path().display());
        let text = String::from_utf8_lossy(output).replace(&folder, "");
        text.lines().map(str::to_owned).collect()
    }
}

/// Gives a `kubernetes` the objects of the fixtures, without another line where it has lines already.
fn with_manifests(line: &str) -> String {
    let manifests = fixture("dig").display().to_string();
    if !line.trim_start().starts_with("kubernetes ") {
        return format!("{line}\n");
    }
    match line.strip_suffix('{') {
        Some(_) => format!("{line}\n        manifests {manifests}\n"),
        None => format!("{line} {{\n        manifests {manifests}\n    }}\n"),
    }
}
