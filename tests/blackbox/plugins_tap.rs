//! `dns64`, `autopath` and `dnstap` of the real binary, asked with the real `dig`.

use std::net::Ipv6Addr;

use portolan_tests::client::http_get;
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::server::Server;
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
