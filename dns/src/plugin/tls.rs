//! `tls`: the certificate of encrypted listeners, and which certificates of clients they take.

pub mod acme;
pub mod challenge;
pub mod domain;
pub mod renewal;

use std::path::PathBuf;

use self::acme::AcmeConfig;

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::{only, unknown_option};
use crate::plugin::root::Root;

/// The `tls` directive of a server block. Files are PEM.
///
/// ```text
/// tls CERT KEY [CA] {
///     client_auth nocert|request|require|verify_if_given|require_and_verify
///     keylog FILE
/// }
/// ```
///
/// Without arguments the block is that of [`AcmeConfig`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub source: CertificateSource,
    /// The authorities of certificates of clients.
    pub authorities: Option<PathBuf>,
    /// Which certificates of clients are taken.
    pub client_auth: ClientAuth,
    /// Where the secrets of connections are written to, so that others can read along.
    pub keylog: Option<PathBuf>,
}

/// Where the certificate of a listener comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateSource {
    /// From files.
    Files {
        /// The certificate, and those that lead to its authority.
        certificate: PathBuf,
        /// The private key of the certificate.
        key: PathBuf,
    },
    /// From an authority that is asked by ACME.
    Acme(Box<AcmeConfig>),
}

/// Which certificates of clients are taken, as Go's `ClientAuthType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    NoCertificate,
    /// One is asked for; any or none will do.
    Request,
    /// There has to be one; any will do.
    Require,
    /// If there is one it has to be of the authorities.
    VerifyIfGiven,
    /// There has to be one of the authorities.
    RequireAndVerify,
}

impl TlsConfig {
    /// Reads the `tls` directive of a server block; none without it.
    ///
    /// # Errors
    /// It stands twice, a file is missing, or an option or its value is none.
    pub fn parse(directives: &[&Directive]) -> Result<Option<Self>, CorefileError> {
        let Some(directive) = only(directives)? else { return Ok(None) };
        let (certificate, key, authorities) = match directive.args.as_slice() {
            [certificate, key] => (certificate, key, None),
            [certificate, key, authorities] => (certificate, key, Some(authorities)),
            [] => return Ok(Some(Self::of_acme(AcmeConfig::parse(directive)?))),
            _ => {
                return Err(directive.error(
                    "tls takes two or three arguments; write 'tls CERT KEY' or 'tls CERT KEY CA'",
                ));
            }
        };
        let path = |token: &Token| PathBuf::from(token.text.as_str());
        let mut config = Self {
            source: CertificateSource::Files { certificate: path(certificate), key: path(key) },
            authorities: authorities.map(path),
            client_auth: ClientAuth::default(),
            keylog: None,
        };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "client_auth" => {
                    let token = arguments::single(line)?;
                    config.client_auth = client_auth(token)?;
                    if config.client_auth.verifies() && config.authorities.is_none() {
                        return Err(token.error(format!(
                            "client_auth {} needs the authorities of clients; write 'tls CERT KEY CA'",
                            token.text
                        )));
                    }
                }
                "keylog" => config.keylog = Some(path(arguments::single(line)?)),
                _ => return Err(unknown_option(line, "'client_auth' and 'keylog'")),
            }
        }
        Ok(Some(config))
    }

    /// Returns the same with relative paths below the root.
    #[must_use]
    pub fn in_root(self, root: &Root) -> Self {
        let source = match self.source {
            CertificateSource::Files { certificate, key } => CertificateSource::Files {
                certificate: root.join(certificate),
                key: root.join(key),
            },
            CertificateSource::Acme(acme) => CertificateSource::Acme(Box::new(acme.in_root(root))),
        };
        Self {
            source,
            authorities: self.authorities.map(|path| root.join(path)),
            client_auth: self.client_auth,
            keylog: self.keylog.map(|path| root.join(path)),
        }
    }

    /// Returns what is asked of an authority; none with files.
    pub fn acme(&self) -> Option<&AcmeConfig> {
        match &self.source {
            CertificateSource::Files { .. } => None,
            CertificateSource::Acme(acme) => Some(acme),
        }
    }

    fn of_acme(acme: AcmeConfig) -> Self {
        let client_auth = ClientAuth::default();
        let source = CertificateSource::Acme(Box::new(acme));
        Self { source, authorities: None, client_auth, keylog: None }
    }
}

impl ClientAuth {
    fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

fn client_auth(token: &Token) -> Result<ClientAuth, CorefileError> {
    Ok(match token.text.as_str() {
        "nocert" => ClientAuth::NoCertificate,
        "request" => ClientAuth::Request,
        "require" => ClientAuth::Require,
        "verify_if_given" => ClientAuth::VerifyIfGiven,
        "require_and_verify" => ClientAuth::RequireAndVerify,
        text => {
            return Err(token.error(format!(
                "unknown authentication type '{text}'; there is nocert, request, require, \
                 verify_if_given and require_and_verify"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn files_and_options() {
        let plain = configure("tls cert.pem key.pem", TlsConfig::parse).unwrap().unwrap();
        let expected = TlsConfig {
            source: CertificateSource::Files {
                certificate: "cert.pem".into(),
                key: "key.pem".into(),
            },
            authorities: None,
            client_auth: ClientAuth::NoCertificate,
            keylog: None,
        };
        assert_eq!(plain, expected);
        for (name, meant) in [
            ("nocert", ClientAuth::NoCertificate),
            ("request", ClientAuth::Request),
            ("require", ClientAuth::Require),
            ("verify_if_given", ClientAuth::VerifyIfGiven),
            ("require_and_verify", ClientAuth::RequireAndVerify),
        ] {
            let text = format!("tls cert.pem key.pem ca.pem {{\nclient_auth {name}\nkeylog k\n}}");
            let config = configure(&text, TlsConfig::parse).unwrap().unwrap();
            let expected = TlsConfig {
                authorities: Some("ca.pem".into()),
                client_auth: meant,
                keylog: Some("k".into()),
                ..expected.clone()
            };
            assert_eq!(config, expected);
        }
    }

    #[test]
    fn relative_paths_start_at_the_root() {
        let text = "tls cert.pem /etc/key.pem ca.pem {\nkeylog k\n}";
        let config = configure(text, TlsConfig::parse).unwrap().unwrap();
        let root = configure("root /srv", Root::parse).unwrap();
        let expected = TlsConfig {
            source: CertificateSource::Files {
                certificate: "/srv/cert.pem".into(),
                key: "/etc/key.pem".into(),
            },
            authorities: Some("/srv/ca.pem".into()),
            client_auth: ClientAuth::NoCertificate,
            keylog: Some("/srv/k".into()),
        };
        assert_eq!(config.in_root(&root), expected);
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            TlsConfig::parse,
            &[
                ("tls", "tls needs a certificate"),
                ("tls cert.pem", "tls takes two or three arguments"),
                ("tls a b c d", "tls takes two or three arguments"),
                ("tls a b\ntls a b", "can only be used once per Server Block"),
                ("tls a b {\nclient_auth maybe\n}", "unknown authentication type 'maybe'"),
                ("tls a b {\nclient_auth\n}", "client_auth needs an argument"),
                ("tls a b {\nclient_auth require_and_verify\n}", "write 'tls CERT KEY CA'"),
                ("tls a b {\nkeylog\n}", "keylog needs an argument"),
                ("tls a b {\nciphers x\n}", "unknown property 'ciphers'"),
            ],
        );
    }
}
