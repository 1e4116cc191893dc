//! Questions for ANY, which make large replies of small questions with a forged source (RFC 8482).

use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::metric;

/// A name with records of many types.
const ZONE: &str = "@ SOA ns admin 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\n@ A 192.0.2.1\n@ AAAA 2001:db8::1\n\
                    @ MX 10 mail\n@ TXT \"a text\"\none A 192.0.2.1\n";

fn file(zone: &str, directory: &std::path::Path) -> String {
    let path = directory.join("zone");
    write(&path, ZONE);
    format!("file {} {zone}", path.display())
}

#[test]
fn every_source_answers_little_over_udp() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let zone = file("zone.example", directory.path());
    let origin = Server::start(&format!("zone.example:0 {{\n{zone}\n}}\n"));
    let hosts = directory.path().join("hosts");
    write(&hosts, "192.0.2.1 a.hosts.example\n2001:db8::1 a.hosts.example\n");
    let mut server = Server::start(&format!(
        "cluster.local:0 {{
            kubernetes cluster.local {{
                manifests {}
            }}
        }}
        hosts.example:0 {{
            hosts {} hosts.example
        }}
        zone.example:0 {{
            cache
            forward . {}
        }}",
        fixture("dig").display(),
        hosts.display(),
        origin.address()
    ));
    let (address, origin) = (server.address(), origin.address());
    // No records of other types, as CoreDNS answers.
    for name in ["web.alpha.svc.cluster.local", "a.hosts.example"] {
        let reply = dig(address, &format!("{name} ANY +notcp"));
        assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 0), "{}", reply.text);
        assert!(!reply.has_flag("tc") && reply.size < 200, "{name}: {} octets", reply.size);
    }
    // From a file, from an upstream, and from the cache.
    for (server, times) in [(origin, 1), (address, 2)] {
        for _ in 0..times {
            let large = dig(server, "zone.example ANY +notcp +ignore +nocookie");
            assert!(large.has_flag("tc") && large.answer.is_empty(), "{}", large.text);
            assert!(large.size < 60, "{} octets for a question of 41", large.size);
            let whole = dig(server, "zone.example ANY +tcp");
            assert_eq!(whole.answer.len(), 6, "{}", whole.text);
            let one = dig(server, "one.zone.example ANY +notcp +nocookie");
            assert_eq!(one.answer_data(), ["192.0.2.1"], "one kind of record is not too much");
        }
    }
    assert!(metric(&mut server, "portolan_dns_any_truncated_total", "") >= 2.0);
}

/// `any` answers alike whatever there is, and asks nobody.
#[test]
fn the_plugin_any_answers_the_same_for_every_name() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let zone = file("zone.example", directory.path());
    let server = Server::start(&format!("zone.example:0 {{\nany\n{zone}\n}}\n"));
    for name in ["zone.example", "nowhere.zone.example"] {
        for transport in ["+notcp", "+tcp"] {
            let reply = dig(server.address(), &format!("{name} ANY {transport}"));
            let expected = format!("{name}. 8482 IN HINFO \"ANY obsoleted\" \"See RFC 8482\"");
            assert_eq!(reply.answer, [expected]);
        }
    }
}
