//! What may go wrong when a test sets a server up or writes to it from inside the process.

use std::path::PathBuf;

/// Why a server could not be started or an object not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate authority or a certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A client certificate verifier could not be built.
    #[error("client certificates: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// A socket or a thread could not be made.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A manifest is not YAML, or not an object the server knows.
    #[error("manifest: {0}")]
    Manifest(String),
    /// The API refused the object.
    #[error("refused by the API with {code}: {message}")]
    Refused {
        /// HTTP status code.
        code: u16,
        /// The message of the Status object.
        message: String,
    },
    /// A kubeconfig cannot be used.
    #[error("kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A request to an API server failed before an answer.
    #[error("request to the API server: {0}")]
    Request(String),
}

impl Error {
    /// Returns a function that wraps an I/O error with what was being done.
    pub(crate) fn io(context: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { context, source }
    }
}
