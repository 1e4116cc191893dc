//! How TLS to upstreams is verified: the options `tls` and `tls_servername`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use super::endpoint::host_name;
use crate::corefile::{CorefileError, Directive, Files, Token};
use crate::plugin::arguments;

/// Is what the upstreams with `tls://` or `https://` of one directive have in common.
#[derive(Clone, Default)]
pub struct TlsConfig {
    /// The CAs that are trusted; none: those of the host.
    pub(crate) roots: Option<Arc<RootCertStore>>,
    /// The certificate that this server shows, with its key.
    pub(crate) identity: Option<Arc<CertifiedKey>>,
    /// The name that upstreams are verified by: `tls_servername`. None: that of TO.
    pub(crate) server_name: Option<ServerName<'static>>,
}

/// Leaves out the key.
impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("roots", &self.roots)
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}

impl TlsConfig {
    /// Reads `tls [CERT KEY] [CA]`, whose files are in PEM.
    pub(super) fn read_files(
        &mut self,
        line: &Directive,
        files: &dyn Files,
    ) -> Result<(), CorefileError> {
        let (identity, ca) = match line.args.as_slice() {
            [] => (None, None),
            [ca] => (None, Some(ca)),
            [certificate, key] => (Some((certificate, key)), None),
            [certificate, key, ca] => (Some((certificate, key)), Some(ca)),
            [_, _, _, extra, ..] => {
                return Err(
                    extra.error(format!("tls takes at most CERT KEY CA; remove '{}'", extra.text))
                );
            }
        };
        self.roots = ca.map(|ca| roots(ca, files)).transpose()?.map(Arc::new);
        let identity = identity.map(|(certificate, key)| read_identity(certificate, key, files));
        self.identity = identity.transpose()?.map(Arc::new);
        Ok(())
    }

    /// Reads `tls_servername NAME`.
    pub(super) fn read_server_name(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let token = arguments::single(line)?;
        let name = server_name(&token.text).ok_or_else(|| {
            token.error(format!(
                "'{}' is no server name; write the name or address that the upstream's certificate has",
                token.text
            ))
        })?;
        self.server_name = Some(name);
        Ok(())
    }
}

/// Reads a name or an address that a certificate may have.
pub(super) fn server_name(text: &str) -> Option<ServerName<'static>> {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    if !is_address && host_name(text).is_none() {
        return None;
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    ServerName::try_from(text.to_owned()).ok()
}

fn roots(token: &Token, files: &dyn Files) -> Result<RootCertStore, CorefileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(token, files)? {
        roots.add(certificate).map_err(|error| {
            token.error(format!(
                "'{}' has a certificate that is no CA's: {error}; name the file of the CA",
                token.text
            ))
        })?;
    }
    Ok(roots)
}

fn read_identity(
    certificate: &Token,
    key: &Token,
    files: &dyn Files,
) -> Result<CertifiedKey, CorefileError> {
    let chain = certificates(certificate, files)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key, files)?).map_err(|error| {
        key.error(format!("'{}' has no private key in PEM: {error}; name one", key.text))
    })?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| {
        key.error(format!(
            "the key '{}' does not fit the certificate '{}': {error}; name two files that belong \
             together",
            key.text, certificate.text
        ))
    })
}

fn certificates(
    token: &Token,
    files: &dyn Files,
) -> Result<Vec<CertificateDer<'static>>, CorefileError> {
    let pem = read(token, files)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(token
            .error(format!("'{}' has no certificate; name a file with one in PEM", token.text))),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(token.error(format!("'{}' is not PEM: {error}; correct it", token.text))),
    }
}

fn read(token: &Token, files: &dyn Files) -> Result<Vec<u8>, CorefileError> {
    files.read(Path::new(&token.text)).map_err(|error| {
        token.error(format!("cannot read '{}': {error}; name a file in PEM", token.text))
    })
}
