use super::*;
use crate::plugin::testing::{assert_refused, configure};
use crate::plugin::tls::{CertificateSource, TlsConfig};

fn acme(block: &str) -> AcmeConfig {
    let config = configure(&format!("tls {{\n{block}\n}}"), TlsConfig::parse).unwrap().unwrap();
    match config.source {
        CertificateSource::Acme(config) => *config,
        CertificateSource::Files { .. } => panic!("{block}"),
    }
}

#[test]
fn every_option_and_its_default() {
    let plain = acme("acme dns.example.org");
    assert_eq!(
        plain,
        AcmeConfig {
            domains: vec!["dns.example.org".parse().unwrap()],
            email: None,
            ca: LETS_ENCRYPT.into(),
            storage: ".coredns/acme".into(),
            ca_root: None,
            resolver: None,
        }
    );
    let all = acme(
        "resolver 192.0.2.1:53\nca_root roots.pem\nstorage certs\nca https://ca.example/directory\n\
         email admin@example.org\nacme DNS.Example. dns.example *.dns.example",
    );
    let root = configure("root /srv", Root::parse).unwrap();
    assert_eq!(
        all.in_root(&root),
        AcmeConfig {
            domains: vec!["dns.example".parse().unwrap(), "*.dns.example".parse().unwrap()],
            email: Some("admin@example.org".into()),
            ca: "https://ca.example/directory".into(),
            storage: "/srv/certs".into(),
            ca_root: Some("/srv/roots.pem".into()),
            resolver: Some("192.0.2.1:53".into()),
        }
    );
}

#[test]
fn what_is_refused() {
    let many: Vec<String> = (0..=MAX_DOMAINS).map(|n| format!("n{n}.example")).collect();
    let many = format!("tls {{\nacme {}\n}}", many.join(" "));
    assert_refused(
        TlsConfig::parse,
        &[
            ("tls {\n}", "tls needs a certificate"),
            ("tls {\nemail a@example.org\n}", "tls needs a certificate"),
            ("tls {\nacme\n}", "acme needs at least one argument"),
            ("tls {\nacme 192.0.2.1\n}", "invalid ACME domain '192.0.2.1'"),
            ("tls {\nacme *.*.example\n}", "write a host name such as"),
            ("tls {\nacme a.example\nacme b.example\n}", "can only be specified once"),
            ("tls {\nacme a.example\nca ftp://ca.example\n}", "invalid ACME CA URL"),
            ("tls {\nacme a.example\nca https://\n}", "invalid ACME CA URL"),
            ("tls {\nacme a.example\nca http://ca.example/\n}", "over https:// only"),
            ("tls {\nacme a.example\nresolver 1.1.1.1\n}", "there is no port"),
            ("tls {\nacme a.example\nresolver 1.1.1.1:dns\n}", "no number from 1 to 65535"),
            ("tls {\nacme a.example\nresolver 1.1.1.1:0\n}", "port 0 is none"),
            ("tls {\nacme a.example\nresolver :53\n}", "there is no host"),
            ("tls {\nacme a.example\nemail nobody\n}", "is no mail address"),
            ("tls {\nacme a.example\nemail a@b?cc=c@d\n}", "is no mail address"),
            ("tls {\nacme a.example\nstorage\n}", "storage needs an argument"),
            ("tls {\nacme a.example\nclient_auth request\n}", "there is acme, email, ca,"),
            ("tls cert.pem key.pem {\nacme a.example\n}", "unknown property 'acme'"),
            (&many, "at most 100 domains"),
        ],
    );
    for ca in ["http://127.0.0.1:14000/dir", "http://[::1]/dir", "http://ca.internal/dir"] {
        assert_eq!(acme(&format!("acme a.example\nca {ca}")).ca, ca);
    }
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let config = acme("acme a.example *.wild.example b.wild.example");
    for (asked, expected) in [
        (None, Some("a.example")),
        (Some("A.example"), Some("a.example")),
        (Some("x.wild.example"), Some("*.wild.example")),
        (Some("b.wild.example"), Some("b.wild.example")),
        (Some("other.example"), None),
    ] {
        assert_eq!(config.domain_for(asked).map(AcmeDomain::as_str), expected, "{asked:?}");
    }
}

#[test]
fn a_domain_has_one_owner() {
    let conflicts_of = |blocks: [&str; 2]| {
        let text = blocks.map(|block| format!("tls {{\n{block}\n}}")).join("\n");
        let found = configure(&text, |directives| {
            let configs: Vec<_> = directives
                .iter()
                .map(|directive| AcmeConfig::parse(directive))
                .collect::<Result<_, _>>()?;
            let lines = directives.iter().map(|directive| {
                directive.lines().iter().find(|line| line.name.text == "acme").unwrap()
            });
            let configured: Vec<(&AcmeConfig, &Directive)> = configs.iter().zip(lines).collect();
            Ok(conflicts(&configured).iter().map(ToString::to_string).collect::<Vec<_>>())
        });
        found.unwrap()
    };
    // The order of names is no difference, and neither are other names.
    assert!(conflicts_of(["acme a.example b.example", "acme b.example a.example"]).is_empty());
    assert!(conflicts_of(["acme a.example", "acme b.example\nemail x@example.org"]).is_empty());
    for second in [
        "acme a.example\nemail x@example.org",
        "acme b.example a.example",
        "acme a.example\nstorage s",
    ] {
        let errors = conflicts_of(["acme a.example", second]);
        assert_eq!(errors.len(), 1, "{second}");
        assert!(errors[0].starts_with("Corefile:6 - "), "{}", errors[0]);
        assert!(
            errors[0].contains("'a.example' is configured with conflicting options at Corefile:3"),
            "{}",
            errors[0]
        );
    }
}
