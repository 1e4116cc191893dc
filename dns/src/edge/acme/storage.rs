//! Accounts, certificates and keys on disk, where CoreDNS (CertMagic) has them, so that its certificates are used on.
//!
//! ```text
//! STORAGE/certificates/CA/DOMAIN/DOMAIN.crt    PEM: the certificate and those that lead to its authority
//! STORAGE/certificates/CA/DOMAIN/DOMAIN.key    PEM
//! STORAGE/acme/CA/users/EMAIL/portolan-account.json
//! ```
//!
//! Files are written beside their place and then moved there, for the owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use http::Uri;
use thiserror::Error;

use super::certificates::{Issued, Unusable};
use crate::plugin::tls::acme::AcmeConfig;
use crate::plugin::tls::domain::AcmeDomain;

/// The longest file that is read, in octets.
const MAX_FILE: u64 = 1 << 20;

/// The name of an account's file. CertMagic's, in the same directory, are called after the user in EMAIL.
const ACCOUNT: &str = "portolan-account.json";

/// The files of one authority and one account.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    certificates: PathBuf,
    account: PathBuf,
}

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) chain: String,
    pub(super) key: String,
}

/// Why a file of the storage cannot be used.
#[derive(Debug, Error)]
pub(super) enum StorageError {
    /// It cannot be read or written.
    #[error("{}: {source}; check that the option 'storage' names a directory that this process may write in", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has something else.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: Unusable,
    },
}

impl Storage {
    pub(super) fn of(config: &AcmeConfig) -> Self {
        let ca = safe(&authority(&config.ca));
        let user = config.email.as_deref().map_or_else(|| "default".to_owned(), safe);
        Self {
            certificates: config.storage.join("certificates").join(&ca),
            account: config.storage.join("acme").join(ca).join("users").join(user).join(ACCOUNT),
        }
    }

    /// Reads the certificate of a name; none when there is none.
    ///
    /// # Errors
    /// It cannot be read or used.
    pub(super) fn certificate(&self, domain: &AcmeDomain) -> Result<Option<Issued>, StorageError> {
        let (chain_file, key_file) = self.pair_of(domain);
        let (Some(chain), Some(key)) = (read(&chain_file)?, read(&key_file)?) else {
            return Ok(None);
        };
        let issued = Issued::read(&chain, &key, domain);
        issued.map(Some).map_err(|source| StorageError::Unusable { path: chain_file, source })
    }

    /// Makes sure that there is room for a certificate before one is ordered: authorities give a few a week.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn prepare(&self, domain: &AcmeDomain) -> Result<(), StorageError> {
        let (chain, _) = self.pair_of(domain);
        let probe = beside(&chain);
        write_new(&probe, b"")
            .and_then(|()| fs::remove_file(&probe))
            .map_err(|source| at(&probe, source))
    }

    /// Keeps a certificate.
    ///
    /// # Errors
    /// It cannot be written; what was there stays.
    pub(super) fn keep(&self, domain: &AcmeDomain, pair: &Pair) -> Result<(), StorageError> {
        let (chain, key) = self.pair_of(domain);
        let files = [(&key, &pair.key), (&chain, &pair.chain)];
        let files = files.map(|(path, text)| (path, beside(path), text));
        // Everything is on disk before the first is moved, so that both change at almost the same moment. A
        // certificate that does not fit its key is ordered again.
        for (_, temporary, text) in &files {
            write_new(temporary, text.as_bytes()).map_err(|source| at(temporary, source))?;
        }
        for (path, temporary, _) in &files {
            fs::rename(temporary, path).map_err(|source| at(path, source))?;
        }
        sync_parent(&chain).map_err(|source| at(&chain, source))
    }

    /// Reads the account; none when there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn account(&self) -> Result<Option<Vec<u8>>, StorageError> {
        read(&self.account)
    }

    /// Keeps an account.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn keep_account(&self, text: &[u8]) -> Result<(), StorageError> {
        let (path, temporary) = (&self.account, beside(&self.account));
        let written = write_new(&temporary, text)
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| sync_parent(path));
        written.map_err(|source| at(path, source))
    }

    /// Forgets an account that the authority does not know.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn forget_account(&self) -> Result<(), StorageError> {
        match fs::remove_file(&self.account) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&self.account, error)),
            _ => Ok(()),
        }
    }

    /// Returns the files of a certificate and of its key.
    fn pair_of(&self, domain: &AcmeDomain) -> (PathBuf, PathBuf) {
        let name = safe(domain.as_str());
        let directory = self.certificates.join(&name);
        (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")))
    }
}

fn at(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io { path: path.to_owned(), source }
}

/// Returns the part of a directory's URL that tells authorities apart: `HOST[:PORT]-PATH`.
fn authority(url: &str) -> String {
    let Ok(url) = url.parse::<Uri>() else { return url.to_owned() };
    let host = url.authority().map(ToString::to_string).unwrap_or_default();
    let path = url.path().replace(['/', '\\'], "-");
    match path.trim_matches('-') {
        "" => host,
        path => format!("{host}-{path}"),
    }
}

/// Makes a text the name of a file, as CertMagic does.
fn safe(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let text =
        text.replace(' ', "_").replace('+', "_plus_").replace('*', "wildcard_").replace(':', "-");
    let kept = |letter: &char| letter.is_ascii_alphanumeric() || "_@.-".contains(*letter);
    text.replace("..", "").chars().filter(kept).collect()
}

/// Returns a name, which nobody else has, for a file until it is moved to its place.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
    path.with_file_name(name)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    let mut octets = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut octets));
    match read {
        Ok(_) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, error)),
    }
}

/// Writes a file that only its owner may read, and the directories that lead to it.
fn write_new(path: &Path, octets: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(octets).and_then(|()| file.sync_all());
    if written.is_err() {
        // A full disk is not to be filled with halves; why it failed is said already.
        let _ = fs::remove_file(path);
    }
    written
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::plugin::tls::acme::LETS_ENCRYPT;

    fn config(storage: &Path) -> AcmeConfig {
        AcmeConfig {
            domains: vec![domain("*.dns.example")],
            email: Some("Host+Master@example.org".into()),
            ca: LETS_ENCRYPT.into(),
            storage: storage.to_owned(),
            ca_root: None,
            resolver: None,
        }
    }

    fn domain(text: &str) -> AcmeDomain {
        text.parse().unwrap()
    }

    fn pair(name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Pair { chain: parameters.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_certificate_is_kept_where_certmagic_has_it_and_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, name) = (Storage::of(&config(directory.path())), domain("*.dns.example"));
        assert!(storage.certificate(&name).unwrap().is_none());
        storage.prepare(&name).unwrap();
        storage.keep(&name, &pair("*.dns.example")).unwrap();
        storage.keep(&name, &pair("*.dns.example")).unwrap();
        assert!(storage.certificate(&name).unwrap().is_some());
        let folder = directory
            .path()
            .join("certificates/acme-v02.api.letsencrypt.org-directory/wildcard_.dns.example");
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["wildcard_.dns.example.crt", "wildcard_.dns.example.key"]);
        assert_eq!(mode(&folder), 0o700);
        assert!(files.iter().all(|file| mode(&folder.join(file)) == 0o600));
    }

    /// Returns a key as Go writes it, and with it CertMagic: `EC PRIVATE KEY` with the curve in it (RFC 5915).
    fn as_go_writes_it(key: &KeyPair) -> String {
        // PKCS #8 has the 32 octets of the key behind its first 36.
        let (pkcs8, public) = (key.serialize_der(), key.public_key_raw());
        let mut der = vec![0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
        der.extend(&pkcs8[36..68]);
        der.extend([0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        der.extend([0xa1, 0x44, 0x03, 0x42, 0x00]);
        der.extend(public);
        let text = data_encoding::BASE64.encode(&der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!(
            "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }

    #[test]
    fn a_certificate_of_coredns_is_used_on() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, name) = (Storage::of(&config(directory.path())), domain("a.example"));
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let chain = parameters.self_signed(&key).unwrap().pem();
        storage.keep(&name, &Pair { chain, key: as_go_writes_it(&key) }).unwrap();
        assert!(storage.certificate(&name).unwrap().is_some());
    }

    #[test]
    fn an_account_is_kept_and_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::of(&config(directory.path()));
        assert!(storage.account().unwrap().is_none());
        storage.forget_account().unwrap();
        storage.keep_account(b"{}").unwrap();
        assert_eq!(storage.account().unwrap().unwrap(), b"{}");
        let file = directory.path().join(
            "acme/acme-v02.api.letsencrypt.org-directory/users/host_plus_master@example.org/portolan-account.json",
        );
        assert_eq!(mode(&file), 0o600);
        storage.forget_account().unwrap();
        assert!(storage.account().unwrap().is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, name) = (Storage::of(&config(directory.path())), domain("a.example"));
        let refused = |pair: &Pair| {
            storage.keep(&name, pair).unwrap();
            storage.certificate(&name).unwrap_err().to_string()
        };
        let (good, other) = (pair("a.example"), pair("b.example"));
        assert!(refused(&other).contains("not valid for name"));
        let mixed = Pair { key: other.key, ..good.clone() };
        assert!(refused(&mixed).contains("cannot be used"));
        assert!(refused(&Pair { chain: "half".into(), ..good.clone() }).contains("no certificate"));
        assert!(refused(&Pair { key: "half".into(), ..good }).contains("no private key"));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_said_with_its_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error =
            Storage::of(&config(&file)).prepare(&domain("a.example")).unwrap_err().to_string();
        assert!(error.contains("the option 'storage' names a directory"), "{error}");
    }

    #[test]
    fn authorities_have_a_name_each() {
        for (url, expected) in [
            ("https://127.0.0.1:14000/dir", "127.0.0.1-14000-dir"),
            ("https://ca.example", "ca.example"),
            ("https://ca.example/acme/../x/", "ca.example-acme--x"),
        ] {
            assert_eq!(safe(&authority(url)), expected);
        }
    }
}
