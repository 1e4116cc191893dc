//! `tls_server_config`, from the written form and its PEM texts to what a handshake needs.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, NamedGroup, RootCertStore, ServerConfig, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use super::Flaw;
use super::client_names::NamedClients;
use super::written::TlsSection;
use crate::edge::any_certificate::AnyCertificate;

/// The PEM texts that a section names, from its own lines or from files.
#[derive(Default, Debug)]
pub(super) struct Pem {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) client_ca: Option<Vec<u8>>,
}

/// Returns the key of an option in the section.
pub(super) fn key(name: &str) -> String {
    format!("tls_server_config.{name}")
}

/// Builds the server side of TLS.
pub(super) fn server_config(
    section: &TlsSection,
    pem: &Pem,
    http2: bool,
) -> Result<ServerConfig, Flaw> {
    let provider = Arc::new(provider(section)?);
    let versions = versions(section)?;
    let verifier = verifier(section, pem, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| {
        let problem = format!("no cipher suite is left ({error}); name one of TLS 1.2");
        Flaw::new(key("cipher_suites"), problem)
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
        Flaw::new(key("cert_file"), "has no certificate; write a chain in PEM, the server's first")
    })?;
    let private = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|error| {
        let problem = format!("has no private key ({error}); write one in PEM without a password");
        Flaw::new(key("key_file"), problem)
    })?;
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .map_err(|error| {
        let problem = format!("does not go with the certificate: {error}; renew both");
        Flaw::new(key("key_file"), problem)
    })?;
    config.ignore_client_order = section.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

/// Returns the cipher suites and curves that the section allows, in its order.
fn provider(section: &TlsSection) -> Result<CryptoProvider, Flaw> {
    let mut provider = rustls::crypto::ring::default_provider();
    if let Some(names) = section.cipher_suites.as_ref().filter(|names| !names.is_empty()) {
        provider.cipher_suites = cipher_suites(names, &provider.cipher_suites)?;
    }
    if let Some(names) = section.curve_preferences.as_ref().filter(|names| !names.is_empty()) {
        let curves = names.iter().map(|name| {
            let curve = CURVES.iter().find(|(known, _)| known == name);
            let group = curve.and_then(|(_, curve)| {
                provider.kx_groups.iter().copied().find(|group| group.name() == *curve)
            });
            group.ok_or_else(|| {
                let known = CURVES.map(|(name, _)| name).join(", ");
                let problem = format!("{name} is not available; there is {known}");
                Flaw::new(key("curve_preferences"), problem)
            })
        });
        provider.kx_groups = curves.collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

const CURVES: [(&str, NamedGroup); 3] = [
    ("X25519", NamedGroup::X25519),
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
];

/// The list restricts TLS 1.2; the suites of TLS 1.3 are always there, as in Go.
fn cipher_suites(
    names: &[String],
    available: &[SupportedCipherSuite],
) -> Result<Vec<SupportedCipherSuite>, Flaw> {
    let of = |suite: &SupportedCipherSuite, name: &str| go_name(suite.suite()) == name;
    let (later, older): (Vec<_>, Vec<_>) =
        available.iter().copied().partition(|suite| suite.tls13().is_some());
    let mut suites = Vec::new();
    for name in names {
        if let Some(suite) = older.iter().find(|suite| of(suite, name)) {
            suites.push(*suite);
        } else if !later.iter().any(|suite| of(suite, name)) {
            let known: Vec<String> = older.iter().map(|suite| go_name(suite.suite())).collect();
            let problem = format!("{name} is not available; there is {}", known.join(", "));
            return Err(Flaw::new(key("cipher_suites"), problem));
        }
    }
    Ok([later, suites].concat())
}

/// Returns Go's name of a suite, which is IANA's.
fn go_name(suite: CipherSuite) -> String {
    let name = suite.as_str().unwrap_or_default();
    name.replacen("TLS13_", "TLS_", 1)
}

fn versions(section: &TlsSection) -> Result<Vec<&'static SupportedProtocolVersion>, Flaw> {
    let number = |name: &str, written: &Option<String>, default| match written.as_deref() {
        None => Ok(default),
        Some("TLS12") => Ok(2),
        Some("TLS13") => Ok(3),
        Some(other) => {
            let problem = format!("{other} is not available; write TLS12 or TLS13");
            Err(Flaw::new(key(name), problem))
        }
    };
    let (least, most) = (
        number("min_version", &section.min_version, 2)?,
        number("max_version", &section.max_version, 3)?,
    );
    let versions = [(3, &TLS13), (2, &TLS12)].into_iter();
    let versions: Vec<_> = versions
        .filter(|(number, _)| (least..=most).contains(number))
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() {
        return Err(Flaw::new(key("max_version"), "is below min_version; raise it"));
    }
    Ok(versions)
}

fn verifier(
    section: &TlsSection,
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Flaw> {
    let policy = section.client_auth_type.as_deref().unwrap_or_default();
    let any = |is_required| -> Arc<dyn ClientCertVerifier> {
        Arc::new(AnyCertificate::new(provider, is_required))
    };
    let (verifier, is_required) = match policy {
        "" | "NoClientCert" if pem.client_ca.is_some() => {
            let problem = "is needed with client_ca_file; write RequireAndVerifyClientCert";
            return Err(Flaw::new(key("client_auth_type"), problem));
        }
        "" | "NoClientCert" => (Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>, false),
        "RequestClientCert" => (any(false), false),
        "RequireAnyClientCert" | "RequireClientCert" => (any(true), true),
        "VerifyClientCertIfGiven" => (issued(pem, provider, false)?, false),
        "RequireAndVerifyClientCert" => (issued(pem, provider, true)?, true),
        other => {
            let problem = format!(
                "'{other}' is not known; there is NoClientCert, RequestClientCert, \
                 RequireAnyClientCert, VerifyClientCertIfGiven and RequireAndVerifyClientCert"
            );
            return Err(Flaw::new(key("client_auth_type"), problem));
        }
    };
    let Some(names) = &section.client_allowed_sans else { return Ok(verifier) };
    if !is_required {
        let problem = "needs clients with a certificate; set client_auth_type to \
                       RequireAndVerifyClientCert";
        return Err(Flaw::new(key("client_allowed_sans"), problem));
    }
    Ok(Arc::new(NamedClients { verifier, names: names.iter().cloned().collect() }))
}

/// Returns who wants certificates of the authorities in `client_ca_file`.
fn issued(
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
    is_required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, Flaw> {
    let flaw = |problem: String| Flaw::new(key("client_ca_file"), problem);
    let Some(text) = &pem.client_ca else {
        let problem = "is missing; name the authorities of the clients' certificates";
        return Err(flaw(problem.to_owned()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|error| flaw(format!("has a broken certificate: {error}; replace it")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = if is_required { builder } else { builder.allow_unauthenticated() };
    let problem = |error| flaw(format!("cannot be used: {error}; write certificates in PEM"));
    builder.build().map_err(problem)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::edge::http::web::written::Written;

    fn pem() -> Pem {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem().into_bytes();
        Pem { client_ca: None, key: key.serialize_pem().into_bytes(), certificate }
    }

    fn configured(lines: &str, pem: &Pem) -> Result<ServerConfig, Flaw> {
        let text = format!("tls_server_config: {{{lines}}}");
        let section = Written::parse(&text).unwrap().tls_server_config.unwrap_or_default();
        server_config(&section, pem, true)
    }

    fn suites(config: &ServerConfig) -> Vec<String> {
        let suites = config.crypto_provider().cipher_suites.iter();
        suites.map(|suite| go_name(suite.suite())).collect()
    }

    #[test]
    fn ciphers_curves_and_order() {
        let config = configured("", &pem()).unwrap();
        assert_eq!(suites(&config).len(), 9);
        assert!(config.ignore_client_order);
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);

        let lines = "prefer_server_cipher_suites: false, curve_preferences: [CurveP384, X25519], \
                     cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, \
                     TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]";
        let config = configured(lines, &pem()).unwrap();
        assert!(!config.ignore_client_order);
        let names = suites(&config);
        let older =
            ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"];
        assert_eq!(names[3..], older, "in the order of the list");
        assert!(names[..3].contains(&"TLS_CHACHA20_POLY1305_SHA256".to_owned()), "{names:?}");
        let curves = config.crypto_provider().kx_groups.iter().map(|group| group.name());
        assert_eq!(curves.collect::<Vec<_>>(), [NamedGroup::secp384r1, NamedGroup::X25519]);
    }

    #[test]
    fn every_policy_for_clients() {
        let plain = pem();
        let with_ca = || {
            let Pem { certificate, key, .. } = pem();
            Pem { client_ca: Some(certificate.clone()), certificate, key }
        };
        for (policy, pem) in [
            ("NoClientCert", &plain),
            ("RequestClientCert", &plain),
            ("RequireAnyClientCert", &plain),
            ("RequireClientCert", &plain),
            ("VerifyClientCertIfGiven", &with_ca()),
            ("RequireAndVerifyClientCert", &with_ca()),
        ] {
            configured(&format!("client_auth_type: {policy}"), pem).unwrap();
        }
        let flaw = configured("", &with_ca()).unwrap_err();
        assert_eq!(flaw.key, "tls_server_config.client_auth_type");
        let broken = Pem { client_ca: Some(b"nothing".to_vec()), ..pem() };
        let flaw = configured("client_auth_type: RequireAndVerifyClientCert", &broken);
        assert_eq!(flaw.unwrap_err().key, "tls_server_config.client_ca_file");
    }

    #[test]
    fn what_is_refused() {
        for (lines, name, part) in [
            ("min_version: TLS10", "min_version", "write TLS12 or TLS13"),
            ("max_version: TLS11", "max_version", "TLS11 is not available"),
            ("min_version: TLS13, max_version: TLS12", "max_version", "below min_version"),
            ("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]", "cipher_suites", "is not available"),
            ("curve_preferences: [CurveP521]", "curve_preferences", "X25519, CurveP256, CurveP384"),
            (
                "max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]",
                "cipher_suites",
                "no cipher suite is left",
            ),
            ("client_auth_type: Always", "client_auth_type", "'Always' is not known"),
            ("client_auth_type: VerifyClientCertIfGiven", "client_ca_file", "is missing"),
            ("client_allowed_sans: [a]", "client_allowed_sans", "needs clients with"),
        ] {
            let flaw = configured(lines, &pem()).unwrap_err();
            assert_eq!(flaw.key, key(name), "{lines}: {flaw:?}");
            assert!(flaw.problem.contains(part), "{lines}: {flaw:?}");
        }
        let (one, other) = (pem(), pem());
        for (certificate, private, name) in [
            (one.certificate.clone(), other.key, "key_file"),
            (one.certificate, Vec::new(), "key_file"),
            (b"text".to_vec(), one.key, "cert_file"),
        ] {
            let pem = Pem { certificate, key: private, client_ca: None };
            assert_eq!(configured("", &pem).unwrap_err().key, key(name));
        }
    }
}
