//! What a `forward` directive is read as, and what is refused.

use std::num::NonZeroU32;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::fake_secure::Authority;
use super::testing::{TestFiles, config};
use super::{Carrier, DohMethod, ForwardConfig, Policy, Scheme};
use crate::plugin::testing::configure;

fn option(text: &str) -> ForwardConfig {
    config(&format!("forward . 10.0.0.1 10.0.0.2 {{\n{text}\n}}")).unwrap()
}

fn shown(config: &ForwardConfig) -> Vec<String> {
    config.upstreams.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_those_of_coredns() {
    let config = config("forward . /etc/resolv.conf").unwrap();
    assert_eq!(shown(&config), ["10.0.0.1:53", "10.0.0.2:53"]);
    assert_eq!(config.from, [".".parse().unwrap()]);
    assert_eq!((config.policy, config.carrier), (Policy::Random, Carrier::AsClient));
    assert_eq!(config.idle.expire, Duration::from_secs(10));
    assert_eq!((config.idle.max_age, config.idle.max_connections), (None, None));
    assert_eq!(config.read_timeout, Duration::from_secs(2));
    assert_eq!((config.max_fails, config.max_attempts), (NonZeroU32::new(2), None));
    assert_eq!(config.probe.interval, Duration::from_millis(500));
    assert!(config.probe.recursion_desired && config.probe.name.is_root());
    assert_eq!(config.max_concurrent, None);
    assert!(!config.failfast && !config.next_on_nodata && !config.has_successor);
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
    let given = "resolver 10.0.0.9 10.0.0.8:54\nresolver ::1 [::1]:54";
    assert_eq!(
        resolvers(&format!("forward . dns.example {{\n{given}\n}}")),
        ["10.0.0.9:53", "10.0.0.8:54", "[::1]:53", "[::1]:54"]
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
fn from_and_except_decide_by_zone() {
    let config =
        config("forward Example.ORG 10.0.0.1 {\nexcept a.example.org b.example.org.\nexcept c.example.org\n}")
            .unwrap();
    for (name, serves) in [
        ("example.org.", true),
        ("WWW.Example.org.", true),
        ("xa.example.org.", true),
        ("notexample.org.", false),
        ("org.", false),
        ("a.example.org.", false),
        ("x.A.example.org.", false),
        ("c.example.org.", false),
    ] {
        assert_eq!(config.serves(&name.parse().unwrap()), serves, "{name}");
    }
    let reverse = super::testing::config("forward 10.0.0.0/23 10.0.0.1").unwrap();
    assert!(reverse.serves(&"7.1.0.10.in-addr.arpa.".parse().unwrap()));
    assert!(!reverse.serves(&"7.2.0.10.in-addr.arpa.".parse().unwrap()));
}

#[test]
fn options_are_read() {
    let number = NonZeroU32::new;
    assert_eq!(option("force_tcp").carrier, Carrier::Tcp);
    assert_eq!(option("prefer_udp").carrier, Carrier::Udp);
    assert_eq!(option("force_tcp\nprefer_udp").carrier, Carrier::Tcp);
    assert_eq!(option("prefer_udp\nforce_tcp").carrier, Carrier::Tcp);
    assert_eq!(option("expire 1m30s").idle.expire, Duration::from_secs(90));
    assert_eq!(option("max_age 1h").idle.max_age, Some(Duration::from_secs(3600)));
    assert_eq!(option("max_age 0s").idle.max_age, None);
    assert_eq!(option("max_idle_conns 3").idle.max_connections, number(3));
    assert_eq!(option("read_timeout 500ms").read_timeout, Duration::from_millis(500));
    assert_eq!(option("max_fails 0").max_fails, None);
    assert_eq!(option("max_fails 5").max_fails, number(5));
    assert_eq!(option("max_connect_attempts 1").max_attempts, number(1));
    assert_eq!(option("max_connect_attempts 0").max_attempts, None, "never unbounded");
    assert_eq!(option("max_concurrent 1000").max_concurrent, number(1000));
    assert_eq!(option("policy round_robin").policy, Policy::RoundRobin);
    assert_eq!(option("policy sequential").policy, Policy::Sequential);
    let next = [ResponseCode::NXDomain, ResponseCode::Refused, ResponseCode::ServFail];
    assert_eq!(option("next NXDOMAIN refused\nnext SERVFAIL").next, next);
    assert!(option("next_on_nodata").next_on_nodata);
    assert_eq!(option("failover SERVFAIL").failover, [ResponseCode::ServFail]);
    assert!(option("failfast_all_unhealthy_upstreams").failfast);
    assert_eq!(option("source_address 10.0.0.9").source, Some("10.0.0.9".parse().unwrap()));
}

#[test]
fn health_checks_are_read() {
    let probe = option("health_check 1s no_rec domain probe.example").probe;
    assert_eq!(probe.interval, Duration::from_secs(1));
    assert!(!probe.recursion_desired);
    assert_eq!(probe.name.to_ascii(), "probe.example.");
    let probe = option("health_check 2s domain probe.example. no_rec").probe;
    assert!(!probe.recursion_desired && probe.name.to_ascii() == "probe.example.");
    assert!(option("health_check 2s").probe.recursion_desired);
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

#[test]
fn wrong_options_are_refused() {
    for (line, part) in [
        ("unknown", "Unknown property 'unknown'"),
        ("except", "at least one argument"),
        ("except a..b", "not a valid domain name"),
        ("force_tcp yes", "takes no argument"),
        ("prefer_udp yes", "takes no argument"),
        ("expire", "needs an argument"),
        ("expire 10", "'10' is no duration"),
        ("expire -1s", "is no duration"),
        ("expire 1s 2s", "takes one argument; remove '2s'"),
        ("max_age x", "is no duration"),
        ("max_idle_conns -1", "is no whole number"),
        ("read_timeout 0s", "write more than 0"),
        ("max_fails two", "is no whole number"),
        ("max_connect_attempts", "needs an argument"),
        ("max_concurrent 1.5", "is no whole number"),
        ("policy fastest", "Unknown policy 'fastest'"),
        ("policy", "needs an argument"),
        ("health_check", "at least one argument"),
        ("health_check 0s", "write more than 0"),
        ("health_check 1s fast", "Unknown argument 'fast'"),
        ("health_check 1s domain", "domain needs a name"),
        ("health_check 1s domain a..b", "is no domain name"),
        ("next", "at least one argument"),
        ("next OOPS", "'OOPS' is no rcode"),
        ("next_on_nodata 1", "takes no argument"),
        ("failover", "at least one argument"),
        ("failover SERVFAIL NOERROR", "remove NOERROR"),
        ("failfast_all_unhealthy_upstreams 1", "takes no argument"),
        ("source_address here", "is no IP address"),
        ("source_address ::1", "use addresses of one family"),
        ("force_tcp {\n}", "takes no block"),
        ("tls a b c d", "tls takes at most CERT KEY CA; remove 'd'"),
        ("tls missing.pem", "cannot read 'missing.pem'"),
        ("tls upstreams", "'upstreams' has no certificate"),
        ("tls upstreams upstreams", "'upstreams' has no certificate"),
        ("tls_servername", "needs an argument"),
        ("tls_servername a..b", "'a..b' is no server name"),
        ("doh_method", "needs an argument"),
        ("doh_method PUT", "'PUT' is no method for DoH; use GET or POST"),
        ("resolver", "at least one argument"),
        ("resolver dns.example", "'dns.example' is no resolver"),
        ("resolver 10.0.0.1:0", "'10.0.0.1:0' is no resolver"),
    ] {
        let text = format!("forward . 10.0.0.1 {{\n{line}\n}}");
        let error = config(&text).expect_err(line).to_string();
        assert!(error.starts_with("Corefile:"), "{error}");
        assert!(error.contains(part), "{line}: {error}");
    }
}
