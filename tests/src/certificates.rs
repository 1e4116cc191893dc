//! Certificates of a test, and clients that are not our own for the encrypted transports.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::server::write;

/// An authority and a certificate for `dns.test` and 127.0.0.1, as files of a directory: `ca.pem`, `cert.pem` and
/// `key.pem`.
pub struct Certificates {
    /// The directory.
    pub directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes an issuer that is called like the subject for the subject itself.
        parameters.distinguished_name.push(DnType::CommonName, "The authority of the test");
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
        write(&directory.path().join("ca.pem"), &issuer.pem());
        let certificates = Self { directory, issuer };
        certificates.issue("dns.test");
        certificates
    }

    /// Puts a certificate for this name and 127.0.0.1 in the place of the last one, the key first.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer);
        write(Path::new(&self.path("key.pem")), &key.serialize_pem());
        write(Path::new(&self.path("cert.pem")), &certificate.unwrap().pem());
    }

    /// Returns the path of a file.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Returns the `tls` line of a server block.
    pub fn line(&self) -> String {
        format!("tls {} {}", self.path("cert.pem"), self.path("key.pem"))
    }

    /// Asks with `kdig`, which accepts only a certificate of this authority for the name, and returns what it
    /// printed. `transport` is an option such as `+https`.
    ///
    /// # Panics
    /// There is no kdig.
    pub fn kdig(&self, server: SocketAddr, transport: &str, host: &str, more: &[&str]) -> String {
        let mut command = Command::new("kdig");
        command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
        command.args([transport, "+timeout=10", "+retry=0"]).args(more);
        command.arg(format!("+tls-ca={}", self.path("ca.pem")));
        command.arg(format!("+tls-hostname={host}"));
        text(&command.output().expect("`make test` installs kdig"))
    }

    /// Returns a `curl` that knows the authority and prints the head of the response; the address is missing.
    pub fn curl(&self, options: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--max-time", "20"]);
        command.args(["--cacert", &self.path("ca.pem")]).args(options);
        command
    }
}

/// Returns both outputs of a command as text.
pub fn text(output: &Output) -> String {
    let [out, errors] =
        [&output.stdout, &output.stderr].map(|octets| String::from_utf8_lossy(octets));
    format!("{out}{errors}")
}
