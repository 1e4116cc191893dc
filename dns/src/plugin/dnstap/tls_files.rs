//! What a listening `dnstap` shows to receivers, and by which CA it knows them: the option `tls`.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::corefile::{CorefileError, Files, Token};

/// The files of `tls CERT KEY [CA]`, in PEM.
#[derive(Clone, Copy, Debug)]
pub(super) struct TlsFiles<'a> {
    /// The certificate, then those that lead to its CA.
    pub(super) certificate: &'a Token,
    /// The key of the certificate.
    pub(super) key: &'a Token,
    /// The CA of receivers; none: whoever connects is taken.
    pub(super) ca: Option<&'a Token>,
}

/// Reads the files.
///
/// # Errors
/// One cannot be read, or has not what it should.
pub(super) fn server_config(
    tls: TlsFiles<'_>,
    files: &dyn Files,
) -> Result<Arc<ServerConfig>, CorefileError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls.certificate.error(format!("TLS cannot be used: {error}")))?;
    let builder = match tls.ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = Arc::new(roots(ca, files)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let verifier = verifier.map_err(|error| {
                ca.error(format!("'{}' is no list of CAs: {error}; name another file", ca.text))
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(tls.certificate, files)?;
    let key = PrivateKeyDer::from_pem_slice(&read(tls.key, files)?).map_err(|error| {
        let text = format!("'{}' has no private key in PEM: {error}; name one", tls.key.text);
        tls.key.error(text)
    })?;
    let config = builder.with_single_cert(chain, key).map_err(|error| {
        tls.key.error(format!(
            "the key '{}' does not fit the certificate '{}': {error}; name files that belong together",
            tls.key.text, tls.certificate.text
        ))
    })?;
    Ok(Arc::new(config))
}

fn roots(ca: &Token, files: &dyn Files) -> Result<RootCertStore, CorefileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca, files)? {
        roots.add(certificate).map_err(|error| {
            ca.error(format!("'{}' is no list of CAs: {error}; name another file", ca.text))
        })?;
    }
    Ok(roots)
}

/// Reads the certificates of a file, at least one.
fn certificates(
    token: &Token,
    files: &dyn Files,
) -> Result<Vec<CertificateDer<'static>>, CorefileError> {
    let octets = read(token, files)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    match all {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => {
            let text = format!("'{}' has no certificate in PEM; name one that has", token.text);
            Err(token.error(text))
        }
        Err(error) => {
            Err(token.error(format!("'{}' is no PEM: {error}; name another file", token.text)))
        }
    }
}

fn read(token: &Token, files: &dyn Files) -> Result<Vec<u8>, CorefileError> {
    files.read(Path::new(&token.text)).map_err(|error| {
        token.error(format!("cannot read '{}': {error}; check its path", token.text))
    })
}
