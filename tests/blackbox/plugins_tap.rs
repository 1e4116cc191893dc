//! `dns64`, `autopath` and `dnstap` of the real binary, asked with the real `dig`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{Ipv6Addr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::SystemTime;

use portolan_tests::client::{UdpClient, http_get};
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::{cover, inside, inside_with_mounts, run};
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::tap::Tap;
use portolan_tests::upstream::Upstream;

/// Returns the value of a metric without labels but `server`; none while it is not there.
fn metric(server: &mut Server, name: &str) -> Option<u64> {
    let (_, text) = http_get(server.endpoint("/metrics"), "/metrics");
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn dns64_translates_for_clients_over_ipv6() {
    inside("dns64_translates_for_clients_over_ipv6", || {
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
        let mut server = Server::start(&format!(
            ".:0 {{\n dns64 2001:db8:64::/96\n prometheus 127.0.0.1:0\n forward . {}\n}}\n",
            upstream.address
        ));
        let over_ipv6 = server.address_at(Ipv6Addr::LOCALHOST.into());
        let made = dig(over_ipv6, "mail.example.com AAAA");
        assert_eq!(made.answer_data(), ["2001:db8:64::c000:219"], "{}", made.text);
        let alias = dig(over_ipv6, "api.example.org AAAA");
        let kept = ["2001:db8:64::c000:251", "edge.example.org."];
        assert_eq!(alias.answer_data(), kept, "{}", alias.text);
        let own = dig(over_ipv6, "example.com AAAA");
        assert_eq!(own.answer_data(), ["2001:db8::80"], "{}", own.text);
        let over_ipv4 = dig(server.address(), "mail.example.com AAAA");
        assert!(over_ipv4.answer.is_empty(), "{}", over_ipv4.text);
        let validating = dig(over_ipv6, "mail.example.com AAAA +dnssec +cdflag");
        assert!(validating.answer.is_empty(), "{}", validating.text);
        let translated = metric(&mut server, "coredns_dns64_requests_translated_total");
        assert_eq!(translated, Some(2));
    });
}

#[test]
fn autopath_answers_the_first_question_of_a_search() {
    inside("autopath_answers_the_first_question_of_a_search", || {
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("resolv.conf");
        write(&list, "search shop.svc.cluster.local svc.cluster.local example.org\n");
        let mut server = Server::start(&format!(
            ".:0 {{\n autopath {}\n prometheus 127.0.0.1:0\n forward . {}\n}}\n",
            list.display(),
            upstream.address
        ));
        // A name, the rcode, and the answer.
        let cases: [(&str, &str, &[&str]); 5] = [
            (
                "edge.shop.svc.cluster.local",
                "NOERROR",
                &[
                    "edge.shop.svc.cluster.local. 300 IN CNAME edge.example.org.",
                    "edge.example.org. 300 IN A 192.0.2.81",
                ],
            ),
            (
                "www.example.com.shop.svc.cluster.local",
                "NOERROR",
                &[
                    "www.example.com.shop.svc.cluster.local. 300 IN CNAME www.example.com.",
                    "www.example.com. 300 IN CNAME example.com.",
                    "example.com. 300 IN A 192.0.2.80",
                ],
            ),
            ("nowhere.shop.svc.cluster.local", "NXDOMAIN", &[]),
            ("edge.svc.cluster.local", "NXDOMAIN", &[]),
            ("edge.example.org", "NOERROR", &["edge.example.org. 300 IN A 192.0.2.81"]),
        ];
        for (name, status, answer) in cases {
            let reply = dig(server.address(), name);
            assert_eq!((reply.status.as_str(), &reply.answer[..]), (status, &owned(answer)[..]));
            assert_eq!(reply.question, [format!("{name}. IN A")], "{}", reply.text);
        }
        assert_eq!(metric(&mut server, "coredns_autopath_success_total"), Some(2));
    });
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn unix_tap(stream: UnixStream) -> Tap<UnixStream> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Tap::greet(stream)
}

const CLIENT_QUERY: Option<u64> = Some(5);
const CLIENT_RESPONSE: Option<u64> = Some(6);
const FORWARDER_QUERY: Option<u64> = Some(7);
const FORWARDER_RESPONSE: Option<u64> = Some(8);

#[test]
fn dnstap_tells_several_receivers() {
    inside("dnstap_tells_several_receivers", || {
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tap.sock");
        let (unix, tcp) =
            (UnixListener::bind(&path).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let begin = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let server = Server::start(&format!(
            ".:0 {{
                dnstap unix://{} full {{
                    identity ns1.test
                    version V2
                    extra \"{{name}} {{rcode}}\"
                }}
                dnstap tcp://{} 1 2
                cache
                forward . {}
            }}\n",
            path.display(),
            tcp.local_addr().unwrap(),
            upstream.address
        ));
        let mut full = unix_tap(unix.accept().unwrap().0);
        let stream = tcp.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut plain = Tap::greet(stream);
        let reply = dig(server.address(), "MAIL.example.com A");
        let [query, forwarded, returned, response] = [(); 4].map(|()| full.message());
        let end = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert_eq!((query.number(1), response.number(1)), (CLIENT_QUERY, CLIENT_RESPONSE));
        for tapped in [&query, &response] {
            assert_eq!(tapped.text(1).as_deref(), Some("ns1.test"));
            assert_eq!(tapped.text(2).as_deref(), Some("V2"));
            assert_eq!((tapped.number(2), tapped.number(3)), (Some(1), Some(1)), "INET, UDP");
            assert_eq!(tapped.octets(4), Some(&[127, 0, 0, 1][..]));
            let port = server.address().port();
            assert_eq!(tapped.number(7), Some(port.into()), "the port of the server");
            assert!((begin..=end).contains(&tapped.number(8).unwrap()), "{tapped:?}");
        }
        assert_eq!(query.text(3).as_deref(), Some("mail.example.com. -"));
        assert_eq!(response.text(3).as_deref(), Some("mail.example.com. NOERROR"));
        let asked = query.dns(10).unwrap();
        assert_eq!(asked.metadata.id.to_string(), reply.id);
        assert_eq!(asked.queries[0].name().to_ascii(), "MAIL.example.com.");
        let answered = response.dns(14).unwrap();
        assert_eq!(answered.metadata.id.to_string(), reply.id);
        assert_eq!(answered.answers[0].data.to_string(), "192.0.2.25");
        assert_eq!(response.octets(14).unwrap().len(), reply.size);
        assert_eq!(
            (forwarded.number(1), returned.number(1)),
            (FORWARDER_QUERY, FORWARDER_RESPONSE)
        );
        for tapped in [&forwarded, &returned] {
            assert_eq!((tapped.number(2), tapped.number(3)), (Some(1), Some(1)), "INET, UDP");
            assert_eq!(tapped.octets(5), Some(&[127, 0, 0, 1][..]));
            assert_eq!(tapped.number(7), Some(upstream.address.port().into()));
            assert!((begin..=end).contains(&tapped.number(8).unwrap()), "{tapped:?}");
        }
        let (sent_on, received) = (forwarded.dns(10).unwrap(), returned.dns(14).unwrap());
        assert_eq!(sent_on.queries[0].name().to_ascii(), "MAIL.example.com.");
        assert_eq!(received.metadata.id, sent_on.metadata.id, "that of the question upstream");
        assert_eq!(received.answers[0].data.to_string(), "192.0.2.25");
        for kind in [CLIENT_QUERY, FORWARDER_QUERY, FORWARDER_RESPONSE, CLIENT_RESPONSE] {
            let tapped = plain.message();
            assert_eq!((tapped.number(1), tapped.text(3)), (kind, None));
            assert_eq!((tapped.octets(10), tapped.octets(14)), (None, None), "not full");
            assert!(tapped.text(2).unwrap().starts_with("Portolan-"), "{tapped:?}");
        }
        // The cache answers this one.
        dig(server.address(), "mail.example.com A +tcp");
        for kind in [CLIENT_QUERY, CLIENT_RESPONSE] {
            let tapped = full.message();
            assert_eq!((tapped.number(1), tapped.number(3)), (kind, Some(2)), "TCP");
        }
        dig(server.address(), "example.com MX +tcp");
        for kind in [CLIENT_QUERY, FORWARDER_QUERY, FORWARDER_RESPONSE, CLIENT_RESPONSE] {
            let tapped = full.message();
            assert_eq!((tapped.number(1), tapped.number(3)), (kind, Some(2)), "TCP to both");
        }
    });
}

#[test]
fn dnstap_listens_for_receivers() {
    inside("dnstap_listens_for_receivers", || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tap.sock");
        let mut server = Server::start(&format!(
            ".:0 {{\n dnstap listen {} full\n whoami\n}}\n",
            path.display()
        ));
        server.wait_for_line("listening for dnstap receivers");
        dig(server.address(), "nobody.listens A");
        let mut tap = unix_tap(UnixStream::connect(&path).unwrap());
        server.wait_for_line("dnstap receiver connected");
        dig(server.address(), "first.example A");
        let query = tap.message();
        assert_eq!(query.dns(10).unwrap().queries[0].name().to_ascii(), "first.example.");
        assert_eq!(tap.message().number(1), CLIENT_RESPONSE);
    });
}

#[test]
fn the_queue_of_dnstap_is_as_long_as_it_says() {
    inside("the_queue_of_dnstap_is_as_long_as_it_says", || {
        // Two messages for each query: more than the 10,000 of `1`, less than the 20,000 of `2`.
        for (queue, expected) in [("1 1", 200), ("1 2", 0)] {
            let mut server = Server::start(&format!(
                ".:0 {{\n dnstap /nowhere/tap.sock {queue}\n whoami\n prometheus 127.0.0.1:0\n}}\n"
            ));
            server.wait_for_line("no connection to the dnstap receiver");
            let mut client = UdpClient::new(server.address());
            for _ in 0..5_100 {
                client.ask("a.example.", "A", 0);
            }
            let dropped = metric(&mut server, "portolan_dnstap_dropped_total");
            assert_eq!(dropped.unwrap_or_default(), expected, "{queue}");
        }
    });
}

/// Returns the send buffers of the connections to a port in octets, as `ss` shows them.
fn send_buffers(port: u16) -> Vec<usize> {
    let shown = run("ss", &["-Htnm", &format!("dport = {port}")]);
    let sizes = shown.split([',', '(', ')']).filter_map(|word| word.strip_prefix("tb"));
    sizes.map(|size| size.parse().unwrap()).collect()
}

#[test]
fn the_write_buffer_of_dnstap_is_as_large_as_it_says() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let taps = [(1, 1 << 20), (2, 2 << 20)].map(|(option, size)| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (option, size, listener.local_addr().unwrap(), listener)
    });
    let lines = taps.iter().map(|(option, _, at, _)| format!("dnstap tcp://{at} {option}\n"));
    let _server = Server::start(&format!(".:0 {{\n{}whoami\n}}\n", lines.collect::<String>()));
    for (option, size, at, listener) in &taps {
        let _connection = listener.accept().unwrap();
        // The kernel doubles what it is asked for (socket(7), SO_SNDBUF).
        assert_eq!(send_buffers(at.port()), [2 * limit.min(*size)], "{option}");
    }
}

#[test]
fn dnstap_never_holds_up_the_server() {
    inside("dnstap_never_holds_up_the_server", || {
        const QUERIES: u64 = 5_100;
        const QUEUE: u64 = 10_000;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tap.sock");
        let mut server = Server::start(&format!(
            ".:0 {{\n dnstap {}\n whoami\n prometheus 127.0.0.1:0\n}}\n",
            path.display()
        ));
        server.wait_for_line("no connection to the dnstap receiver");
        let mut client = UdpClient::new(server.address());
        for _ in 0..QUERIES {
            client.ask("a.example.", "A", 0);
        }
        let dropped = metric(&mut server, "portolan_dnstap_dropped_total");
        assert_eq!(dropped, Some(2 * QUERIES - QUEUE));
        server.wait_for_line("dnstap messages dropped");
        let listener = UnixListener::bind(&path).unwrap();
        let mut tap = unix_tap(listener.accept().unwrap().0);
        for _ in 0..QUEUE / 2 {
            assert_eq!(tap.message().number(1), CLIENT_QUERY);
            assert_eq!(tap.message().number(1), CLIENT_RESPONSE);
        }
        client.ask("a.example.", "A", 0);
        assert_eq!(tap.message().number(1), CLIENT_QUERY);
        let still = metric(&mut server, "portolan_dnstap_dropped_total");
        assert_eq!(still, dropped);
    });
}

#[test]
fn dnstap_over_tls_needs_cas() {
    let corefile = ".:0 {\n dnstap tls://127.0.0.1:6000\n whoami\n}\n";
    let mut server = Server::launch_with(corefile, |command| {
        command.env("SSL_CERT_FILE", "/nowhere").env_remove("SSL_CERT_DIR");
    });
    assert!(!server.wait().success());
    let errors = server.log() + &server.errors();
    assert!(errors.contains("no CA certificates to verify the dnstap receiver by"), "{errors}");
}

/// One pod, which has the client's address, and Services in its namespace and in another.
const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other}}
---
apiVersion: v1
kind: Pod
metadata: {name: asker, namespace: shop}
status: {phase: Running, podIP: 127.0.0.1, podIPs: [{ip: 127.0.0.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: other}
spec: {clusterIP: 10.96.0.77, ports: [{port: 80}]}
";

#[test]
fn autopath_takes_the_search_list_of_the_pod() {
    inside_with_mounts("autopath_takes_the_search_list_of_the_pod", || {
        let _host = cover("/etc/resolv.conf", "nameserver 192.0.2.53\nsearch example.org\n");
        let directory = tempfile::tempdir().unwrap();
        let manifests = directory.path().join("pods.yaml");
        write(&manifests, PODS);
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
        let server = Server::start(&format!(
            ".:0 {{
                autopath @kubernetes
                kubernetes cluster.local {{
                    manifests {}
                    pods verified
                }}
                forward . {}
            }}\n",
            manifests.display(),
            upstream.address
        ));
        let asked = |name: &str| dig(server.address(), name);
        let found = asked("orders.other.shop.svc.cluster.local");
        let expected = [
            "orders.other.shop.svc.cluster.local. 5 IN CNAME orders.other.svc.cluster.local.",
            "orders.other.svc.cluster.local. 5 IN A 10.96.0.77",
        ];
        assert_eq!(found.answer, expected, "{}", found.text);
        let outside = asked("edge.example.org.shop.svc.cluster.local");
        assert_eq!(outside.answer_data(), ["192.0.2.81", "edge.example.org."], "{}", outside.text);
        // The list of the pod ends with that of its host.
        let of_host = asked("edge.shop.svc.cluster.local");
        assert_eq!(of_host.answer_data(), ["192.0.2.81", "edge.example.org."], "{}", of_host.text);
        // The search list of another namespace is not the client's.
        assert_eq!(asked("orders.other.other.svc.cluster.local").status, "NXDOMAIN");
    });
}
