use super::*;

fn text(subnet: &str) -> RangeText {
    let (start, end, gateway) = (None, None, None);
    RangeText { subnet: subnet.parse().unwrap(), start, end, gateway, exclusions: Vec::new() }
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn span(first: &str, last: &str) -> Span {
    Span { first: number(first.parse().unwrap()), last: number(last.parse().unwrap()) }
}

fn shown(range: &Range) -> Vec<String> {
    let address = |number| range.family().address(number).to_string();
    let segment = |span: &Span| format!("{}-{}", address(span.first), address(span.last));
    range.segments().iter().map(segment).collect()
}

/// host-local's `range_test.go`, and the subnets that it refuses.
#[test]
fn defaults_are_those_of_host_local() {
    for (subnet, gateway, segments) in [
        ("192.0.2.0/24", Some("192.0.2.1"), &["192.0.2.2-192.0.2.254"][..]),
        ("192.0.2.0/25", Some("192.0.2.1"), &["192.0.2.2-192.0.2.126"]),
        ("192.0.2.12/30", Some("192.0.2.13"), &["192.0.2.14-192.0.2.14"]),
        ("10.0.0.0/8", Some("10.0.0.1"), &["10.0.0.2-10.255.255.254"]),
        (
            "2001:db8:1::/64",
            Some("2001:db8:1::1"),
            &["2001:db8:1::2-2001:db8:1:0:ffff:ffff:ffff:ffff"],
        ),
        ("192.0.2.4/31", Some("192.0.2.4"), &["192.0.2.5-192.0.2.5"]),
        ("192.0.2.4/32", None, &["192.0.2.4-192.0.2.4"]),
        ("2001:db8::4/128", None, &["2001:db8::4-2001:db8::4"]),
        ("0.0.0.0/0", Some("0.0.0.1"), &["0.0.0.2-255.255.255.254"]),
        ("::/0", Some("::1"), &["::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
    ] {
        let range = Range::new(text(subnet)).unwrap();
        assert_eq!(range.gateway(), gateway.and_then(ip), "{subnet}");
        assert_eq!(shown(&range), segments, "{subnet}");
    }
}

#[test]
fn gateway_and_exclusions_are_never_given_out() {
    let mut range = text("192.0.2.0/28");
    range.start = ip("192.0.2.3");
    range.end = ip("192.0.2.12");
    range.gateway = ip("192.0.2.5");
    range.exclusions = vec![
        span("192.0.2.12", "192.0.2.200"),
        span("192.0.2.4", "192.0.2.4"),
        span("192.0.2.8", "192.0.2.9"),
        span("192.0.2.9", "192.0.2.9"),
        span("10.0.0.0", "10.0.0.9"),
    ];
    let range = Range::new(range).unwrap();
    assert_eq!(
        shown(&range),
        ["192.0.2.3-192.0.2.3", "192.0.2.6-192.0.2.7", "192.0.2.10-192.0.2.11"]
    );
    assert_eq!(range.capacity(), 5);
    assert!(
        range.offers("192.0.2.7".parse().unwrap()) && !range.offers("192.0.2.8".parse().unwrap())
    );
    assert!(!range.offers("::192.0.2.7".parse().unwrap()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let changed = |subnet: &str, change: &dyn Fn(&mut RangeText)| {
        let mut range = text(subnet);
        change(&mut range);
        Range::new(range).unwrap_err()
    };
    for (error, words) in [
        (changed("192.0.2.1/24", &|_| {}), "host bits set; write 192.0.2.0/24"),
        (
            changed("192.0.2.0/24", &|range| range.start = ip("192.0.3.1")),
            "rangeStart 192.0.3.1 is outside",
        ),
        (
            changed("192.0.2.0/24", &|range| range.end = ip("192.0.1.255")),
            "rangeEnd 192.0.1.255 is outside",
        ),
        (
            changed("192.0.2.0/24", &|range| range.end = ip("2001:db8::")),
            "rangeEnd 2001:db8:: is outside",
        ),
        (
            changed("192.0.2.0/24", &|range| {
                range.start = ip("192.0.2.9");
                range.end = ip("192.0.2.8");
            }),
            "rangeEnd is before rangeStart",
        ),
        (
            changed("192.0.2.0/24", &|range| range.gateway = ip("198.51.100.1")),
            "gateway 198.51.100.1 is outside",
        ),
        (
            changed("192.0.2.0/32", &|range| range.gateway = ip("fe80::1")),
            "gateway fe80::1 is outside",
        ),
        (changed("192.0.2.0/32", &|range| range.gateway = ip("192.0.2.0")), "leave no address"),
        (
            changed("192.0.2.0/30", &|range| {
                range.exclusions = vec![span("192.0.2.0", "192.0.2.2")]
            }),
            "leave no address",
        ),
    ] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn gateways_on_the_link_may_be_outside() {
    for (subnet, gateway) in [
        ("192.0.2.0/24", "169.254.1.1"),
        ("2001:db8::/64", "fe80::1"),
        ("192.0.2.7/32", "192.0.2.1"),
    ] {
        let mut range = text(subnet);
        range.gateway = ip(gateway);
        assert_eq!(Range::new(range).unwrap().gateway(), ip(gateway));
    }
}
