//! Writes the secrets of TLS connections in the form that Wireshark reads (`SSLKEYLOGFILE`, RFC 9850).

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use rustls::KeyLog;

/// A file to which secrets are added.
#[derive(Debug)]
pub(super) struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    /// Opens the file, which only its owner may read when it is created here.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hexadecimal(client_random), hexadecimal(secret));
        let Ok(mut file) = self.0.lock() else { return };
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "keylog: a secret could not be written");
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
