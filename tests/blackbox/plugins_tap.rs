//! `dns64`, `autopath` and `dnstap` of the real binary, asked with the real `dig`.

use std::net::Ipv6Addr;

use portolan_tests::client::http_get;
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::server::{Server, write};
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
