//! Reads the web configuration and what it names, again when one of the files changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::rate::Bucket;
use super::tls::{self, Pem};
use super::written::{TlsSection, Written};
use super::{Flaw, Users, Web};
use crate::corefile::{DiskFiles, Files};

/// The largest file, in octets.
const MAX_SIZE: usize = 1 << 20;

/// Says why a web configuration cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("web configuration {}, {key}: {problem}", file.display())]
pub struct WebFileError {
    /// The web configuration.
    pub file: PathBuf,
    /// The line or the key, for example `tls_server_config.cert_file`.
    pub key: String,
    /// The problem and its remedy.
    pub problem: String,
}

/// A web configuration that can be used, and the files behind it.
#[derive(Debug)]
pub struct WebFile {
    path: PathBuf,
    latest: Mutex<Latest>,
}

#[derive(Debug)]
struct Latest {
    /// The files as they were when they were read last, whether they could be used or not.
    seen: Stamps,
    /// The last that could be used.
    good: Arc<Web>,
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Changes with the content of a file, and with the file that a link leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl WebFile {
    /// Reads everything; blocks on the file system.
    ///
    /// # Errors
    /// A file cannot be read, or an option cannot be used.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, WebFileError> {
        let path = path.into();
        let (seen, web) = read(&path);
        let good = Arc::new(web.map_err(|flaw| error(&path, flaw))?);
        Ok(Self { path, latest: Mutex::new(Latest { seen, good }) })
    }

    /// Returns the path of the web configuration.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what the files say: after a change what they say then, unless that cannot be used. Blocks.
    pub(in crate::edge::http) fn current(&self) -> Arc<Web> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.seen.iter().any(|(path, seen)| *seen != stamp(path)) {
            let (seen, web) = read(&self.path);
            latest.seen = seen;
            match web {
                Ok(mut web) => {
                    web.keep_tokens_of(&latest.good);
                    latest.good = Arc::new(web);
                    tracing::info!(file = %self.path.display(), "web configuration read again");
                }
                Err(flaw) => {
                    let error = error(&self.path, flaw);
                    tracing::error!(%error, "the last good web configuration stays");
                }
            }
        }
        Arc::clone(&latest.good)
    }
}

fn error(path: &Path, Flaw { key, problem }: Flaw) -> WebFileError {
    WebFileError { file: path.to_owned(), key, problem }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = fs::metadata(path).ok()?;
    Some(Stamp {
        device: data.dev(),
        inode: data.ino(),
        size: data.size(),
        modified: (data.mtime(), data.mtime_nsec()),
    })
}

/// Reads the configuration and its files; stamps are taken before, so that no change goes unseen.
fn read(path: &Path) -> (Stamps, Result<Web, Flaw>) {
    let mut seen = Stamps::from([(path.to_owned(), stamp(path))]);
    let web = read_text(path).map_err(|problem| Flaw::new("file", problem)).and_then(|text| {
        let text = String::from_utf8(text);
        let text = text.map_err(|_| Flaw::new("file", "is no text; write it in UTF-8"))?;
        let written = Written::parse(&text)?;
        build(written, path.parent().unwrap_or(Path::new("")), &mut seen)
    });
    (seen, web)
}

fn build(mut written: Written, folder: &Path, seen: &mut Stamps) -> Result<Web, Flaw> {
    let (headers, rate, http2) = (written.headers()?, written.rate()?, written.http2());
    let users = Users::new(written.basic_auth_users.take().unwrap_or_default())?;
    let section = written.tls_server_config.unwrap_or_default();
    let pem = read_pem(&section, folder, seen)?;
    let tls = Arc::new(tls::server_config(&section, &pem, http2)?);
    let bucket = rate.map(|(interval, burst)| Bucket::new(interval, burst));
    Ok(Web { tls, headers, users, bucket: bucket.map(|bucket| Arc::new(Mutex::new(bucket))) })
}

fn read_pem(section: &TlsSection, folder: &Path, seen: &mut Stamps) -> Result<Pem, Flaw> {
    let mut pem = |name: &str, inline: &Option<String>, file: &Option<String>| {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (given(inline), given(file)) {
            (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(text.into_bytes())),
            (Some(_), Some(_)) => {
                Err(Flaw::new(tls::key(name), format!("stands beside {name}_file; remove one")))
            }
            (None, Some(file)) => {
                let path = folder.join(file);
                seen.insert(path.clone(), stamp(&path));
                let read = read_text(&path).map_err(|problem| {
                    let problem = format!("{} {problem}", path.display());
                    Flaw::new(tls::key(&format!("{name}_file")), problem)
                });
                read.map(Some)
            }
        }
    };
    let certificate = pem("cert", &section.cert, &section.cert_file);
    let key = pem("key", &section.key, &section.key_file);
    let client_ca = pem("client_ca", &section.client_ca, &section.client_ca_file);
    let missing = |name: &str| {
        Flaw::new(tls::key(name), "is missing; name a file in PEM, or do without `tls`")
    };
    Ok(Pem {
        certificate: certificate?.ok_or_else(|| missing("cert_file"))?,
        key: key?.ok_or_else(|| missing("key_file"))?,
        client_ca: client_ca?,
    })
}

/// Reads a file; otherwise says why it cannot be read and what to do.
fn read_text(path: &Path) -> Result<Vec<u8>, String> {
    let read = DiskFiles.read(path).and_then(|text| match text.len() <= MAX_SIZE {
        true => Ok(text),
        false => Err(io::Error::other("larger than 1 MiB")),
    });
    read.map_err(|error| format!("cannot be read: {error}; check its path and mode"))
}

impl Web {
    /// Goes on with the tokens of the configuration before, if the limit is the same.
    fn keep_tokens_of(&mut self, before: &Self) {
        let same = |new: &Arc<Mutex<Bucket>>, old: &Arc<Mutex<Bucket>>| {
            let new = new.lock().unwrap_or_else(PoisonError::into_inner).clone();
            new.is_like(&old.lock().unwrap_or_else(PoisonError::into_inner))
        };
        if let (Some(new), Some(old)) = (&self.bucket, &before.bucket)
            && same(new, old)
        {
            self.bucket = Some(Arc::clone(old));
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    const TEXT: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: keys/server.key\n\
                        rate_limit:\n  interval: 1h\n  burst: 1\n";

    fn write(folder: &TempDir, name: &str, text: &str) {
        fs::write(folder.path().join(name), text).unwrap();
    }

    fn write_identity(folder: &TempDir) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        write(folder, "server.crt", &params.self_signed(&key).unwrap().pem());
        write(folder, "keys/server.key", &key.serialize_pem());
    }

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        write_identity(&folder);
        write(&folder, "web.yml", TEXT);
        folder
    }

    #[test]
    fn files_are_read_again_when_they_change_and_the_last_good_ones_stay() {
        let folder = folder();
        let file = WebFile::load(folder.path().join("web.yml")).unwrap();
        let first = file.current();
        assert!(Arc::ptr_eq(&first, &file.current()), "nothing has changed");

        write_identity(&folder);
        let second = file.current();
        assert!(!Arc::ptr_eq(&first, &second), "renewed");
        assert!(first.has_room() && !second.has_room(), "the limit goes on over the change");

        fs::remove_file(folder.path().join("server.crt")).unwrap();
        assert!(Arc::ptr_eq(&second, &file.current()), "the last good one stays");
        write_identity(&folder);
        let third = file.current();
        assert!(!Arc::ptr_eq(&second, &third));

        write(&folder, "web.yml", "tls_server_config: [\n");
        assert!(Arc::ptr_eq(&third, &file.current()));
        write(&folder, "web.yml", &TEXT.replace("1h", "2h"));
        let fourth = file.current();
        assert!(!Arc::ptr_eq(&third, &fourth) && fourth.has_room(), "another limit");
    }

    #[test]
    fn errors_name_the_file_the_key_and_the_remedy() {
        let folder = folder();
        for (text, key, part) in [
            ("", "tls_server_config.cert_file", "is missing"),
            (
                "tls_server_config:\n  cert_file: server.crt\n",
                "tls_server_config.key_file",
                "is missing",
            ),
            (
                "tls_server_config:\n  cert_file: a.crt\n",
                "tls_server_config.cert_file",
                "/a.crt cannot be read",
            ),
            (
                "tls_server_config:\n  cert_file: keys\n",
                "tls_server_config.cert_file",
                "not a regular file",
            ),
            (
                "tls_server_config: {cert: x, cert_file: y}\n",
                "tls_server_config.cert",
                "remove one",
            ),
            ("tls_server_config:\n  certificate: x\n", "line 2", "certificate"),
        ] {
            write(&folder, "web.yml", text);
            let error = WebFile::load(folder.path().join("web.yml")).unwrap_err();
            assert_eq!(error.key, key, "{text}: {error}");
            assert!(error.problem.contains(part), "{text}: {error}");
        }
        let path = folder.path().join("none.yml");
        let error = WebFile::load(&path).unwrap_err().to_string();
        let expected = format!("web configuration {}, file: cannot be read: ", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
