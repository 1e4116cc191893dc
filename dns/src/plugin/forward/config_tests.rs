//! What a `forward` directive is read as, and what is refused.

use std::num::NonZeroU32;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::testing::config;
use super::{Carrier, ForwardConfig, Policy};

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
    assert_eq!(option("resolve_interval 10s").resolve_interval, Duration::from_secs(10));
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
fn wrong_options_are_refused() {
    for (line, part) in [
        ("unknown", "unknown property 'unknown'; there is except, policy"),
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
        ("resolve_interval 0s", "write more than 0"),
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
