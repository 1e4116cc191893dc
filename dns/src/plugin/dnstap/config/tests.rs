//! Every form of the directive.

use super::*;
use crate::corefile::DiskFiles;
use crate::plugin::testing::{assert_refused, configure};

fn parse(directives: &[&Directive]) -> Result<DnstapConfig, CorefileError> {
    DnstapConfig::parse(directives[0], &DiskFiles)
}

fn config(text: &str) -> DnstapConfig {
    configure(text, parse).unwrap()
}

/// Returns the role as `connect QUEUE WRITEBUFFER SKIP` or `listen`.
fn role(text: &str) -> String {
    match config(text).role {
        Role::Connect { queue, write_buffer, skip_verify } => {
            format!("connect {queue} {write_buffer} {skip_verify}")
        }
        Role::Listen { tls } => format!("listen {}", tls.is_some()),
    }
}

#[test]
fn endpoints() {
    for (text, shown) in [
        ("dnstap /run/tap.sock", "unix:///run/tap.sock"),
        ("dnstap tap.sock", "unix://tap.sock"),
        ("dnstap unix:///run/tap.sock", "unix:///run/tap.sock"),
        ("dnstap tcp://127.0.0.1:6000", "tcp://127.0.0.1:6000"),
        ("dnstap tcp://[::1]:6000/", "tcp://[::1]:6000"),
        ("dnstap tcp://tap.example:6000", "tcp://tap.example:6000"),
        ("dnstap tls://127.0.0.1:6000", "tls://127.0.0.1:6000"),
        ("dnstap listen tcp://:6000", "tcp://[::]:6000"),
    ] {
        assert_eq!(config(text).endpoint.to_string(), shown, "{text}");
    }
}

#[test]
fn sizes() {
    for (text, shown, full) in [
        ("dnstap tap", "connect 10000 1048576 false", false),
        ("dnstap tap full", "connect 10000 1048576 false", true),
        ("dnstap tap full 1024 4096", "connect 40960000 1073741824 false", true),
        ("dnstap tap 2", "connect 10000 2097152 false", false),
        ("dnstap tap 2 3", "connect 30000 2097152 false", false),
        ("dnstap tap {\nskipverify\n}", "connect 10000 1048576 true", false),
        ("dnstap listen tap full", "listen false", true),
        ("dnstap listen tcp://127.0.0.1:0", "listen false", false),
    ] {
        assert_eq!((role(text), config(text).full), (shown.to_owned(), full), "{text}");
    }
}

#[test]
fn texts() {
    let default = config("dnstap tap");
    assert_eq!(default.identity, None);
    assert!(default.version.starts_with("Portolan-") && default.extra.is_none());
    let own = config("dnstap tap {\nidentity ns1\nversion V2\nextra \"{name} x\"\n}");
    assert_eq!((own.identity.as_deref(), own.version.as_str()), (Some("ns1"), "V2"));
    assert_eq!(own.extra, Some(LogFormat::new("{name} x")));
}

#[test]
fn mistakes() {
    assert_refused(
        parse,
        &[
            ("dnstap", "needs an endpoint"),
            ("dnstap listen", "needs an endpoint"),
            ("dnstap {\nidentity a\n}", "needs an endpoint"),
            ("dnstap http://a:1", "'http://a:1' is no endpoint"),
            ("dnstap unix://", "is no endpoint"),
            ("dnstap tcp://127.0.0.1", "names no host and port"),
            ("dnstap tcp://::1:6000", "names no host and port"),
            ("dnstap tcp://:6000", "names no host and port"),
            ("dnstap tls://a:65536", "names no host and port"),
            ("dnstap tap ful", "'ful' is no whole number"),
            ("dnstap tap full 0 10", "write 1 to 1024 MiB"),
            ("dnstap tap full 1025 1", "write 1 to 1024 MiB"),
            ("dnstap tap full 1 4097", "write 1 to 4096 times 10,000 messages"),
            ("dnstap tap full 10 y", "'y' is no whole number"),
            ("dnstap tap full 1 2 3", "'3' is one argument too many"),
            ("dnstap listen tap full 1", "'1' is one argument too many"),
            ("dnstap tap {\nidentity\n}", "identity needs an argument"),
            ("dnstap tap {\nversion\n}", "version needs an argument"),
            ("dnstap tap {\nextra\n}", "extra needs an argument"),
            ("dnstap tap {\nskipverify now\n}", "remove 'now'"),
            ("dnstap tap {\nidentitiy a\n}", "unknown property 'identitiy'"),
            ("dnstap tls://a:1 {\ntls cert key\n}", "'tls' is for 'dnstap listen'"),
            ("dnstap listen tls://a:1", "add 'tls CERT KEY'"),
            ("dnstap listen tls://a:1 {\ntls cert\n}", "tls takes CERT KEY [CA]"),
            ("dnstap listen tls://a:1 {\ntls no.pem no.key\n}", "cannot read 'no.pem'"),
            ("dnstap listen tls://a:1 {\ntls Cargo.toml no.key\n}", "has no certificate in PEM"),
            ("dnstap listen tcp://a:1 {\ntls cert key\n}", "needs an endpoint with tls://"),
        ],
    );
}
