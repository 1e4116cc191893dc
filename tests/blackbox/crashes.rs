//! What has ended CoreDNS without an attacker's skill, done to the real server: docs/security.md lists it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use portolan_tests::alive::assert_serves;
use portolan_tests::client::{UdpClient, http_get};
use portolan_tests::dig::{dig, dig_in_vain};
use portolan_tests::fixture;
use portolan_tests::puppet::Puppet;
use portolan_tests::records::rcode;
use portolan_tests::server::{Server, binary, write};
use portolan_tests::stage::until;

fn kubernetes(options: &str) -> String {
    let manifests = fixture("dig").display().to_string();
    format!("kubernetes cluster.local in-addr.arpa {{\nmanifests {manifests}\n{options}\n}}\n")
}

fn serve(lines: &str) -> Server {
    Server::start(&format!(".:0 {{\nprometheus 127.0.0.1:0\nerrors\n{lines}\n}}\n"))
}

/// coredns#8256, coredns#8207: transfers of the cluster's zone, also with name servers of both families.
#[test]
fn transfers_of_the_clusters_zone_are_refused() {
    let mut server = serve(&kubernetes("fallthrough"));
    for zone in ["cluster.local.", "svc.cluster.local.", "in-addr.arpa.", "."] {
        let reply = UdpClient::new(server.address()).ask(zone, "AXFR", 0);
        assert!(reply.answers.is_empty() && rcode(&reply) != "NOERROR", "{zone}: {reply}");
        let text = dig_in_vain(server.address(), &format!("{zone} AXFR +tcp"));
        assert!(text.contains("Transfer failed"), "{text}");
    }
    assert_serves(&mut server);
}

/// Runs the server with a Corefile that cannot be served, and returns what it says.
fn refusal(corefile: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Corefile");
    write(&path, corefile);
    let start = Instant::now();
    let mut command = Command::new(binary());
    let output = command.args(["dns", "--admin", "off", "-conf"]).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    String::from_utf8(output.stderr).unwrap()
}

/// coredns#7857: `bind` without an address that there is.
#[test]
fn a_block_without_an_address_to_listen_at_is_refused_with_its_line() {
    for (lines, says) in [
        ("bind", "Corefile:2"),
        ("bind 127.0.0.1 {\nexcept 127.0.0.1\n}", "Corefile:2"),
        ("bind no-such-interface", "no-such-interface"),
    ] {
        let error = refusal(&format!(".:0 {{\n{lines}\nwhoami\n}}\n"));
        assert!(error.contains(says) && !error.contains("panicked"), "{lines}: {error}");
    }
}

/// coredns#7571, coredns#7567: Corefiles that never end.
#[test]
fn a_corefile_that_includes_itself_ends_with_an_error() {
    for corefile in [
        "import Corefile\n",
        "(a) {\nimport b\n}\n(b) {\nimport a\n}\n.:0 {\nimport a\n}\n",
        "(a) {\nimport a\n}\nimport a\n",
        ".:0 {\nimport ./*\n}\n",
        "{$A{$A",
        ".:0 {",
        "\"",
        ".:0 {\nlog {\n",
    ] {
        let error = refusal(corefile);
        assert!(error.contains("Corefile") && !error.contains("panicked"), "{corefile:?}: {error}");
    }
}

/// coredns#6137: everything that asks for endpoints while they are not read.
#[test]
fn without_endpoints_every_question_has_an_answer() {
    let mut server = serve(&kubernetes("noendpoints\npods verified"));
    let mut client = UdpClient::new(server.address());
    for (name, qtype) in [
        ("web.alpha.svc.cluster.local.", "A"),
        ("web.alpha.svc.cluster.local.", "SRV"),
        ("10-244-1-3.web.alpha.svc.cluster.local.", "A"),
        ("_http._tcp.multi.alpha.svc.cluster.local.", "SRV"),
        ("10-244-1-3.alpha.pod.cluster.local.", "A"),
        ("3.1.244.10.in-addr.arpa.", "PTR"),
        ("12.0.97.10.in-addr.arpa.", "PTR"),
        ("cluster.local.", "NS"),
        ("ns.dns.cluster.local.", "A"),
    ] {
        let code = rcode(&client.ask(name, qtype, 1232));
        assert!(matches!(code, "NOERROR" | "NXDOMAIN"), "{name} {qtype}: {code}");
    }
    assert_serves(&mut server);
}

/// coredns#6179: a Service and endpoints without ports.
#[test]
fn objects_without_ports_harm_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let objects = "apiVersion: v1
kind: Service
metadata: {name: bare, namespace: alpha}
spec: {clusterIP: None}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bare, namespace: alpha, labels: {kubernetes.io/service-name: bare}}
addressType: IPv4
endpoints:
- addresses: [10.244.9.9]
- addresses: []
";
    write(&directory.path().join("objects.yaml"), objects);
    let directory = directory.path().display().to_string();
    let server = serve(&format!("kubernetes cluster.local {{\nmanifests {directory}\n}}"));
    let ask = |words: &str| dig(server.address(), words);
    assert_eq!(ask("bare.alpha.svc.cluster.local").answer_data(), ["10.244.9.9"]);
    for name in ["bare", "_http._tcp.bare", "_._.bare"] {
        let reply = ask(&format!("{name}.alpha.svc.cluster.local SRV"));
        assert!(reply.status == "NOERROR" || reply.status == "NXDOMAIN", "{}", reply.text);
    }
}

/// coredns#5173: labels of SRV names that hold nothing, or only an underscore.
#[test]
fn empty_labels_of_srv_names_are_answered() {
    let mut server = serve(&kubernetes("fallthrough in-addr.arpa"));
    let mut client = UdpClient::new(server.address());
    for below in
        ["_._", "_", "__.__", "_http._", "_._tcp", "*._tcp", "_http.*", "*", "_*._*", "-", "_._._"]
    {
        for qtype in ["SRV", "A", "TXT", "ANY"] {
            let name = format!("{below}.multi.alpha.svc.cluster.local.");
            let code = rcode(&client.ask(&name, qtype, 0));
            assert!(matches!(code, "NOERROR" | "NXDOMAIN"), "{name} {qtype}: {code}");
        }
    }
    assert_serves(&mut server);
}

/// coredns#8190: a rule for EDNS options meets a question, and then a reply, without OPT.
#[test]
fn rewrite_of_options_works_without_an_opt_record() {
    let upstream = Puppet::honest();
    let mut server = serve(&format!(
        "{}rewrite continue edns0 local unset 0xffed\nrewrite continue edns0 local set 0xffee abcd revert\n\
         rewrite continue edns0 local replace 0xffef abcd revert\nforward . {}",
        kubernetes(""),
        upstream.address
    ));
    for words in ["+noedns", "+edns=0", "+ednsopt=65517:00"] {
        let reply = dig(server.address(), &format!("www.example {words}"));
        assert_eq!(reply.answer_data(), ["192.0.2.80"], "{words}");
    }
    assert!(upstream.asked().iter().all(|asked| asked.message.edns.is_some()));
    assert_serves(&mut server);
}

/// coredns#8276: a zone whose SOA says that it is to be refreshed all the time, and `reload 0`.
#[test]
fn a_zone_file_without_refresh_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("db");
    write(
        &file,
        "@ 60 IN SOA ns admin 1 0 0 0 0\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.2\n",
    );
    for options in ["", "{\nreload 0\n}"] {
        let mut server = serve(&format!(
            "{}file {} example.org {options}",
            kubernetes("fallthrough"),
            file.display()
        ));
        assert_eq!(dig(server.address(), "www.example.org").answer_data(), ["192.0.2.2"]);
        assert_serves(&mut server);
    }
}

/// coredns#7562: the signal to end comes while a Corefile is taken over.
#[test]
fn a_reload_and_the_end_at_once_end_the_process() {
    let mut server = serve("whoami\nreload 2s 1s");
    let reload = |server: &Server, number: usize| {
        let corefile = format!(".:0 {{\nwhoami\nhealth 127.0.0.1:0\nnsid n{number}\n}}\n");
        write(&server.directory.path().join("Corefile"), &corefile);
        server.signal("USR1");
    };
    for number in 1..=5 {
        reload(&server, number);
        let complete = || server.log().matches("Reloading complete").count();
        until("the reload", complete, |seen| *seen >= number);
    }
    for number in 6..=20 {
        reload(&server, number);
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(server.errors(), "");
}

/// Returns a question for a name with these octets in its first label.
fn question(label: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, u8::try_from(label.len()).unwrap()];
    message.extend(label);
    message.extend(b"\x03web\x05alpha\x03svc\x07cluster\x05local\0\0\x01\0\x01");
    message
}

/// oss-fuzz 498472468: names that are no UTF-8 in logs and metrics.
#[test]
fn names_of_any_octets_leave_logs_and_metrics_readable() {
    let upstream = Puppet::honest();
    let lines =
        format!("log\ndebug\ncache\n{}forward . {}", kubernetes("fallthrough"), upstream.address);
    let mut server = serve(&lines);
    let client = UdpClient::new(server.address());
    let labels: [&[u8]; 7] =
        [b"\xff\xfe", b"\x00", b"a\nb\r", b"\"{}\\", b"\x1b[31m", b".", "\u{202e}".as_bytes()];
    for label in labels {
        let reply = Message::from_vec(&client.exchange(&question(label))).unwrap();
        assert!(matches!(rcode(&reply), "NOERROR" | "NXDOMAIN"), "{label:?}: {reply}");
    }
    for page in ["/metrics", "admin"] {
        let (status, text) = http_get(server.endpoint(page), "/metrics");
        assert_eq!(status, 200);
        let is_readable = |line: &str| line.bytes().all(|octet| (0x20..0x7f).contains(&octet));
        let wrong = text.lines().find(|line| !is_readable(line));
        assert_eq!(wrong, None);
    }
    let log = server.log();
    assert!(log.lines().all(|line| !line.contains(['\u{1b}', '\0', '\r', '\u{202e}'])), "{log}");
    assert!(log.contains(r"\255\254.web.alpha"), "{log}");
    assert_serves(&mut server);
}
