//! The small plugins as an operator sees them: real `dig` against the real binary.

use std::time::{Duration, Instant};

use portolan_tests::client::http_get;
use portolan_tests::dig::{dig, dig_in_vain};
use portolan_tests::fixture;
use portolan_tests::server::{Server, write};
use portolan_tests::upstream::Upstream;

/// Answers every A with 192.0.2.53.
const ANSWERS: &str = "erratic {\n drop 0\n}";

#[test]
fn acl_by_client_and_type() {
    let mut server = Server::start(&format!(
        ".:0 {{
            prometheus 127.0.0.1:0
            acl example.org {{
                allow net 127.0.0.3
                block net 127.0.0.2/31
                filter type MX
                drop type TXT
            }}
            {ANSWERS}
        }}"
    ));
    let ask = |words: &str| dig(server.address(), words);
    assert_eq!(ask("www.example.org").answer_data(), ["192.0.2.53"]);
    let blocked = ask("www.example.org -b 127.0.0.2");
    assert_eq!((blocked.status.as_str(), blocked.answer.len()), ("REFUSED", 0));
    assert!(blocked.text.contains("; EDE: 15 (Blocked)"), "{}", blocked.text);
    assert_eq!(ask("www.example.org -b 127.0.0.2 +tcp").status, "REFUSED");
    assert_eq!(ask("www.example.org -b 127.0.0.3").status, "NOERROR");
    assert_eq!(ask("www.example.net -b 127.0.0.2").status, "NOERROR", "another zone");
    let filtered = ask("example.org MX");
    assert_eq!((filtered.status.as_str(), filtered.answer.len()), ("NOERROR", 0));
    assert!(filtered.text.contains("; EDE: 17 (Filtered)"), "{}", filtered.text);
    let dropped = dig_in_vain(server.address(), "example.org TXT");
    assert!(dropped.contains("timed out"), "{dropped}");
    let (_, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
    for line in [
        "coredns_acl_allowed_requests_total{server=\"dns://:0\",view=\"\"} 3",
        "coredns_acl_blocked_requests_total{server=\"dns://:0\",view=\"\",zone=\"example.org.\"} 2",
        "coredns_acl_filtered_requests_total{server=\"dns://:0\",view=\"\",zone=\"example.org.\"} 1",
        "coredns_acl_dropped_requests_total{server=\"dns://:0\",view=\"\",zone=\"example.org.\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

/// A client that may not ask gets nothing that the cache keeps for those who may (reference case 117).
#[test]
fn acl_before_a_warm_cache() {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    let mut server = Server::start(&format!(
        ".:0 {{
            prometheus 127.0.0.1:0
            acl {{
                block net 127.0.0.2
            }}
            cache
            forward . {}
        }}",
        upstream.address
    ));
    let ask = |from: &str| dig(server.address(), &format!("mail.example.com -b {from}"));
    assert_eq!(ask("127.0.0.1").answer_data(), ["192.0.2.25"]);
    for _ in 0..2 {
        let blocked = ask("127.0.0.2");
        assert_eq!((blocked.status.as_str(), blocked.answer.len()), ("REFUSED", 0));
    }
    assert_eq!(ask("127.0.0.1").answer_data(), ["192.0.2.25"], "no refusal is kept");
    let (_, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
    let hits =
        "coredns_cache_hits_total{server=\"dns://:0\",type=\"success\",view=\"\",zones=\".\"} 1";
    assert!(metrics.contains(hits), "that of the allowed client:\n{metrics}");
}

/// The name that `autopath` makes of a question has to be allowed, too (reference case 116).
#[test]
fn acl_for_the_name_of_a_search() {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("resolv.conf");
    write(&list, "search shop.svc.cluster.local example.com\n");
    let server = Server::start(&format!(
        ".:0 {{
            acl example.com {{
                block net 127.0.0.2
            }}
            autopath {}
            forward . {}
        }}",
        list.display(),
        upstream.address
    ));
    let ask = |from: &str| dig(server.address(), &format!("mail.shop.svc.cluster.local -b {from}"));
    let allowed = ask("127.0.0.1");
    assert_eq!(allowed.answer_data(), ["192.0.2.25", "mail.example.com."], "{}", allowed.text);
    let blocked = ask("127.0.0.2");
    assert_eq!((blocked.status.as_str(), blocked.answer.len()), ("REFUSED", 0), "{}", blocked.text);
}

#[test]
fn views_split_the_horizon() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = |name: &str, ip: &str| {
        let path = directory.path().join(name);
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{clusterIP: {ip}, clusterIPs: [{ip}], ports: [{{port: 80}}]}}\n"
        );
        write(&path, &service);
        format!("kubernetes cluster.local {{\n manifests {}\n }}", path.display())
    };
    let mut server = Server::start(&format!(
        "cluster.local:0 {{
            view inside {{
                expr incidr(client_ip(), '127.0.0.2/32')
            }}
            prometheus 127.0.0.1:0
            {}
        }}
        cluster.local:0 {{
            view types {{
                expr type() in ['TXT', 'MX'] && name() startsWith 'web.'
            }}
            chaos
        }}
        cluster.local:0 {{
            {}
        }}",
        cluster("inside.yaml", "10.96.0.1"),
        cluster("outside.yaml", "10.96.0.2"),
    ));
    let name = "web.shop.svc.cluster.local";
    for (from, expected) in [("127.0.0.2", "10.96.0.1"), ("127.0.0.1", "10.96.0.2")] {
        for transport in ["", "+tcp"] {
            let reply = dig(server.address(), &format!("{name} -b {from} {transport}"));
            assert_eq!(reply.answer_data(), [expected], "{from} {transport}");
        }
    }
    // `chaos` does not answer it, which shows who was asked.
    assert_eq!(dig(server.address(), &format!("{name} TXT")).status, "SERVFAIL");
    assert_eq!(dig(server.address(), &format!("{name} TXT -b 127.0.0.2")).status, "NOERROR");
    let (_, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
    let line = "coredns_dns_responses_total{plugin=\"kubernetes\",rcode=\"NOERROR\",\
        server=\"dns://:0\",view=\"inside\",zone=\"cluster.local.\"} 3";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_wrong_expression_is_refused_with_its_column() {
    let mut server = Server::launch(".:0 {\n    view v {\n        expr typ() == 'A'\n    }\n}\n");
    assert!(!server.wait().success());
    let errors = server.errors();
    let expected = "Corefile:3 - Error during parsing: expression, column 1: 'typ' is no function";
    assert!(errors.contains(expected), "{errors}");
}

#[test]
fn bufsize_and_nsid() {
    let server = Server::start(
        ".:0 {
            bufsize 512
            nsid node one
            erratic {
                drop 0
                large
            }
        }",
    );
    let name = "a-name-of-some-length.example.org";
    let short = dig(server.address(), &format!("{name} +bufsize=4096 +ignore +nsid"));
    assert!(short.has_flag("tc") && short.size <= 512, "{}", short.text);
    assert!(short.text.contains("udp: 512"), "{}", short.text);
    assert!(short.text.contains("(\"node one\")"), "{}", short.text);
    let whole = dig(server.address(), &format!("{name} +bufsize=4096"));
    assert_eq!((whole.protocol.as_str(), whole.answer.len()), ("TCP", 30));
    assert!(!whole.text.contains("NSID"), "{}", whole.text);
}

/// The shape of OpenShift's Corefile: CH goes to its own block, and only there.
#[test]
fn chaos_in_a_block_of_its_own() {
    let server =
        Server::start(&format!(".:0 {{\n{ANSWERS}\n}}\nhostname.bind:0 {{\n chaos v7 Ada\n}}\n"));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let expected = format!("hostname.bind. 0 CH TXT \"{}\"", kernel.trim());
    assert_eq!(dig(server.address(), "hostname.bind CH TXT").answer, [expected]);
    assert_eq!(dig(server.address(), "version.bind CH TXT").status, "REFUSED");

    let server = Server::start(".:0 {\n chaos v7 Bob Ada\n whoami\n}\n");
    for (name, expected) in [
        ("version.bind", &["v7"][..]),
        ("version.server", &["v7"]),
        ("authors.bind", &["Ada", "Bob"]),
    ] {
        let reply = dig(server.address(), &format!("{name} CH TXT"));
        let expected: Vec<_> =
            expected.iter().map(|text| format!("{name}. 0 CH TXT \"{text}\"")).collect();
        assert_eq!(reply.sorted_answer(), expected);
    }
    assert_eq!(dig(server.address(), "id.server CH TXT").answer.len(), 1);
    assert!(dig(server.address(), "version.bind TXT").answer.is_empty(), "class IN passes");
}

#[test]
fn header_minimal_and_any() {
    let kubernetes =
        format!("kubernetes cluster.local {{\n manifests {}\n }}", fixture("dig").display());
    let plain = Server::start(&format!(".:0 {{\n{kubernetes}\n}}"));
    let server = Server::start(&format!(
        ".:0 {{
            header {{
                response set ra
                response clear aa rd
            }}
            minimal
            any
            {kubernetes}
        }}"
    ));
    let service = "_http._tcp.multi.alpha.svc.cluster.local SRV";
    let full = dig(plain.address(), service);
    assert_eq!((full.flags.join(" ").as_str(), full.additional.len()), ("qr aa rd", 1));
    let cut = dig(server.address(), service);
    assert_eq!((cut.flags.join(" ").as_str(), cut.additional.len()), ("qr ra", 0));
    assert_eq!(cut.answer.len(), 1);
    let denied = dig(server.address(), "nope.alpha.svc.cluster.local");
    assert_eq!((denied.status.as_str(), denied.authority.len()), ("NXDOMAIN", 1));
    let any = dig(server.address(), "multi.alpha.svc.cluster.local ANY");
    let expected =
        "multi.alpha.svc.cluster.local. 8482 IN HINFO \"ANY obsoleted\" \"See RFC 8482\"";
    assert_eq!(any.answer, [expected]);
}

#[test]
fn cancel_ends_what_takes_too_long() {
    let mut server = Server::start(
        ".:0 {
            cancel 200ms
            errors
            log
            prometheus 127.0.0.1:0
            erratic {
                delay 2 1h
            }
        }",
    );
    let start = Instant::now();
    let late = dig(server.address(), "late.example.org");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(late.status, "SERVFAIL");
    assert!(
        late.text.contains("EDE: 0 (Other): (canceled: no answer within 200ms)"),
        "{}",
        late.text
    );
    let error = server.wait_for_line("plugin/errors: ");
    assert!(error.contains("2 late.example.org. A: canceled: no answer within 200ms"), "{error}");
    server.wait_for_line("\"A IN late.example.org. udp");
    assert_eq!(dig(server.address(), "soon.example.org").answer_data(), ["192.0.2.53"]);
    let (_, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
    for line in ["plugin=\"cancel\",rcode=\"SERVFAIL\"", "plugin=\"erratic\",rcode=\"NOERROR\""] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[test]
fn erratic_drops_truncates_and_transfers() {
    let server = Server::start(".:0 {\n erratic\n}");
    assert!(dig_in_vain(server.address(), "a.example.org").contains("timed out"));
    assert_eq!(dig(server.address(), "a.example.org AAAA").answer_data(), ["2001:db8::53"]);

    let server = Server::start(".:0 {\n erratic {\n truncate 1\n }\n}");
    assert!(dig(server.address(), "a.example.org +ignore").has_flag("tc"));

    let server = Server::start(&format!(".:0 {{\n{ANSWERS}\n}}"));
    assert_eq!(dig(server.address(), "a.example.org MX").status, "SERVFAIL");
}

#[test]
fn debug_logs_each_decision() {
    let mut server = Server::start(&format!(".:0 {{\n debug\n acl {{\n allow\n }}\n{ANSWERS}\n}}"));
    dig(server.address(), "a.example.org");
    let line = server.wait_for_line("plugin=\"acl\"");
    assert_eq!(line, "[DEBUG] decided name=a.example.org. plugin=\"acl\" step=\"allowed\"");

    let mut quiet = Server::start(&format!(".:0 {{\n log\n acl {{\n allow\n }}\n{ANSWERS}\n}}"));
    dig(quiet.address(), "a.example.org");
    quiet.wait_for_line("\"A IN a.example.org. udp");
    assert!(!quiet.log().contains("[DEBUG]"), "{}", quiet.log());
}
