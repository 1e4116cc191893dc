//! What TO arguments and the options that go with them are read as, and what is refused.

use super::fake_secure::Authority;
use super::testing::{TestFiles, config};
use super::{DohMethod, ForwardConfig, Scheme};
use crate::plugin::testing::configure;

fn option(text: &str) -> ForwardConfig {
    config(&format!("forward . 10.0.0.1 10.0.0.2 {{\n{text}\n}}")).unwrap()
}

fn shown(config: &ForwardConfig) -> Vec<String> {
    config.upstreams.iter().map(ToString::to_string).collect()
}

#[test]
fn upstreams_are_addresses_and_files() {
    for (to, addresses) in [
        ("10.0.0.1", vec!["10.0.0.1:53"]),
        ("10.0.0.1:1053 dns://10.0.0.2", vec!["10.0.0.1:1053", "10.0.0.2:53"]),
        ("DNS://10.0.0.1:54", vec!["10.0.0.1:54"]),
        (
            "2001:db8::1 [::1] [::2]:54 dns://[::3]:55",
            vec!["[2001:db8::1]:53", "[::1]:53", "[::2]:54", "[::3]:55"],
        ),
        ("10.0.0.9 /etc/resolv.conf", vec!["10.0.0.9:53", "10.0.0.1:53", "10.0.0.2:53"]),
        ("upstreams", vec!["[::1]:53"]),
        ("dns.example", vec!["dns.example:53"]),
        ("dns://Dns_1.Example.:5353 10.0.0.1", vec!["Dns_1.Example:5353", "10.0.0.1:53"]),
        ("localhost", vec!["localhost:53"]),
        (
            "fe80::1%eth0 [fe80::2%eth0] [fe80::3%7]:54 dns://[fe80::4%eth0]:55",
            vec!["[fe80::1%3]:53", "[fe80::2%3]:53", "[fe80::3%7]:54", "[fe80::4%3]:55"],
        ),
    ] {
        assert_eq!(shown(&config(&format!("forward . {to}")).unwrap()), addresses, "{to}");
    }
}

#[test]
fn encrypted_upstreams_have_a_server_name() {
    for (to, place, name) in [
        ("tls://10.0.0.1", "10.0.0.1:853", "10.0.0.1"),
        ("tls://10.0.0.1:54", "10.0.0.1:54", "10.0.0.1"),
        ("tls://9.9.9.9%dns.quad9.net", "9.9.9.9:853", "dns.quad9.net"),
        ("tls://9.9.9.9%dns.quad9.net:10853", "9.9.9.9:10853", "dns.quad9.net"),
        ("tls://2001:db8::1%dns.example", "[2001:db8::1]:853", "dns.example"),
        ("tls://2001:db8::1%dns.example:54", "[2001:db8::1]:54", "dns.example"),
        ("tls://[2001:db8::1%dns.example]:54", "[2001:db8::1]:54", "dns.example"),
        ("tls://[2001:db8::1]%dns.example:54", "[2001:db8::1]:54", "dns.example"),
        ("tls://[::1]", "[::1]:853", "::1"),
        ("TLS://dns.example.", "dns.example:853", "dns.example"),
        ("tls://dns.example%other.example:54", "dns.example:54", "other.example"),
    ] {
        let config = config(&format!("forward . {to}")).unwrap();
        let Scheme::Tls(identity) = &config.upstreams[0].scheme else { panic!("{to}") };
        assert_eq!(shown(&config), [place], "{to}");
        assert_eq!(identity.name().to_str(), name, "{to}");
    }
    let name = option("tls_servername dns.example").tls.server_name.unwrap();
    assert_eq!(name.to_str(), "dns.example");
    let clash = "forward . tls://10.0.0.1%dns.example {\ntls_servername dns.example\n}";
    let error = config(clash).unwrap_err().to_string();
    assert!(error.contains("10.0.0.1:853 has a server name after '%'"), "{error}");
}

#[test]
fn upstreams_over_https_have_a_path() {
    for (to, place, name, path) in [
        ("https://9.9.9.9", "9.9.9.9:443", "9.9.9.9", "/dns-query"),
        ("https://9.9.9.9/", "9.9.9.9:443", "9.9.9.9", "/dns-query"),
        ("https://9.9.9.9:8443/a/b", "9.9.9.9:8443", "9.9.9.9", "/a/b"),
        ("https://[::1]/q", "[::1]:443", "::1", "/q"),
        ("https://9.9.9.9%dns.quad9.net:8443/q", "9.9.9.9:8443", "dns.quad9.net", "/q"),
        ("https://dns.example/q", "dns.example:443", "dns.example", "/q"),
    ] {
        let config = config(&format!("forward . {to}")).unwrap();
        let Scheme::Https { identity, path: read } = &config.upstreams[0].scheme else {
            panic!("{to}")
        };
        assert_eq!(shown(&config), [place], "{to}");
        assert_eq!((identity.name().to_str().as_ref(), read.as_str()), (name, path), "{to}");
    }
    assert_eq!(option("force_tcp").doh_method, DohMethod::Post);
    assert_eq!(option("doh_method get").doh_method, DohMethod::Get);
    assert_eq!(option("doh_method POST").doh_method, DohMethod::Post);
}

#[test]
fn certificates_have_to_fit() {
    let (one, other) = (Authority::new().pems(), Authority::new().pems());
    let files = TestFiles::new([
        ("ca.pem", &one.ca),
        ("client.pem", &one.certificate),
        ("client.key", &one.key),
        ("other.key", &other.key),
    ]);
    let read = |line: &str| {
        let text = format!("forward . 10.0.0.1 {{\n{line}\n}}");
        configure(&text, |directives| ForwardConfig::parse(directives[0], &files))
    };
    let tls = |line: &str| {
        let tls = read(line).unwrap().tls;
        (tls.identity.is_some(), tls.roots.map(|roots| roots.len()))
    };
    assert_eq!(tls("tls"), (false, None));
    assert_eq!(tls("tls ca.pem"), (false, Some(1)));
    assert_eq!(tls("tls client.pem client.key"), (true, None));
    assert_eq!(tls("tls client.pem client.key ca.pem"), (true, Some(1)));
    for (line, part) in [
        ("tls client.pem other.key", "the key 'other.key' does not fit the certificate"),
        ("tls client.pem ca.pem", "'ca.pem' has no private key in PEM"),
        ("tls client.key", "'client.key' has no certificate"),
    ] {
        let error = read(line).unwrap_err().to_string();
        assert!(error.starts_with("Corefile:3") && error.contains(part), "{line}: {error}");
    }
}

#[test]
fn resolvers_are_given_or_those_of_the_host() {
    let resolvers = |text: &str| {
        let resolvers = config(text).unwrap().resolvers;
        resolvers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(resolvers("forward . 10.0.0.1"), [""; 0]);
    assert_eq!(resolvers("forward . dns.example"), ["10.0.0.1:53", "10.0.0.2:53"]);
    let given = "resolver 10.0.0.7\nresolver 10.0.0.9 10.0.0.8:54 ::1 [fe80::1%eth0]:54";
    assert_eq!(
        resolvers(&format!("forward . dns.example {{\n{given}\n}}")),
        ["10.0.0.9:53", "10.0.0.8:54", "[::1]:53", "[fe80::1%3]:54"]
    );
    for (file, part) in [
        (None, "/etc/resolv.conf cannot be read"),
        (Some("search a"), "/etc/resolv.conf has no nameserver"),
        (Some("nameserver x"), "/etc/resolv.conf:1: 'x' is no nameserver"),
    ] {
        let files = file
            .map_or_else(TestFiles::default, |text| TestFiles::new([("/etc/resolv.conf", text)]));
        let error = configure("forward . dns.example", |directives| {
            ForwardConfig::parse(directives[0], &files)
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("the upstream dns.example:53 is a host name"), "{error}");
        assert!(error.contains(part) && error.contains("'resolver ADDRESS'"), "{error}");
    }
}

#[test]
fn wrong_upstreams_are_refused() {
    let many = "10.0.0.1 ".repeat(14) + "/etc/resolv.conf";
    for (args, part) in [
        ("", "needs a zone and at least one upstream"),
        (".", "forward has no upstream"),
        ("a..b 10.0.0.1", "not a valid domain name"),
        (". 10.0.0.1:0", "no valid port"),
        (". 10.0.0.1:65536", "no valid port"),
        (". 10.0.0.1:dns", "no valid port"),
        (". [::1]:0", "no valid port"),
        (". 10.0.0.256", "neither an IP address nor a file"),
        (". dns.example:0", "no valid port"),
        (". dns.example:port", "no valid port"),
        (". dns..example", "neither an IP address nor a file nor a host name"),
        (". dns.exämple", "neither an IP address nor a file nor a host name"),
        (". 10.0.0.1.", "neither an IP address nor a file nor a host name"),
        (". dns:///etc/resolv.conf", "neither an IP address nor a file nor a host name"),
        (". /etc/missing.conf", "cannot read '/etc/missing.conf'"),
        (". /etc/empty.conf", "has no nameserver"),
        (". /etc/bad.conf", "/etc/bad.conf:1: 'one' is no nameserver"),
        (". fe80::1%eth9", "there is no interface 'eth9' on this host; name one that"),
        (". fe80::1%../eth0", "there is no interface '../eth0'"),
        (". [fe80::1%eth0]:0", "there is no valid port"),
        (". 10.0.0.1%eth0", "neither an IP address nor a file"),
        (". tls://10.0.0.1%", "'' is no server name"),
        (". tls://10.0.0.1%a..b", "'a..b' is no server name"),
        (". tls://10.0.0.1%dns.example:0", "no valid port"),
        (". tls:///etc/resolv.conf", "neither an IP address nor a file nor a host name"),
        (". https://10.0.0.1/a?b", "'/a?b' is no path of an URL"),
        (". https://10.0.0.1/dns-query{?dns}", "is no path of an URL"),
        (". https:///dns-query", "neither an IP address nor a file nor a host name"),
        (". grpc://10.0.0.1", "Unknown scheme 'grpc://'"),
        (". quic://10.0.0.1", "Unknown scheme 'quic://'"),
        (". ftp://10.0.0.1", "Unknown scheme 'ftp://'"),
        (&format!(". {many}"), "has 16 upstreams; use at most 15"),
    ] {
        let error = config(&format!("forward {args}")).unwrap_err().to_string();
        assert!(error.starts_with("Corefile:2 - Error during parsing: "), "{error}");
        assert!(error.contains(part), "{args}: {error}");
    }
}
