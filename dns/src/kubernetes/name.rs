//! The grammar of cluster names.
//!
//! ```text
//! <zone>                                       the apex
//! svc.<zone>, pod.<zone>
//! <namespace>.svc.<zone>, <namespace>.pod.<zone>
//! <service>.<namespace>.svc.<zone>
//! <endpoint>.<service>.<namespace>.svc.<zone>
//! _<port>._<protocol>.<service>.<namespace>.svc.<zone>
//! <a-b-c-d>.<namespace>.pod.<zone>             up to two labels more are ignored
//! ```

use hickory_proto::rr::LowerName;

use super::Rule;
use super::zone::is_reverse;

/// A name below a zone, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Parsed<'a> {
    /// The apex, `svc.<zone>` or `pod.<zone>`.
    ZoneNode,
    /// `<namespace>.svc.<zone>` or `<namespace>.pod.<zone>`.
    NamespaceNode { branch: Branch, namespace: &'a str },
    /// At or below a Service.
    Service { namespace: &'a str, service: &'a str, below: Below<'a> },
    /// A pod name; `extra` counts the labels below it.
    Pod { namespace: &'a str, address: &'a str, extra: usize },
}

/// The two branches of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Branch {
    Svc,
    Pod,
}

/// What stands before the Service in a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Below<'a> {
    /// Nothing: the Service itself.
    Nothing,
    /// An endpoint's name.
    Endpoint(&'a str),
    /// A port and a protocol, without their underscores; empty matches every one.
    Port { port: &'a str, protocol: &'a str },
}

/// Takes a name apart that is in the zone with this many labels.
///
/// # Errors
/// The rule by which no such name can exist.
pub(super) fn parse(name: &LowerName, zone_labels: usize) -> Result<Parsed<'_>, Rule> {
    // A cluster name has no more than five labels below its zone: none beyond is looked at.
    let mut labels = [""; 6];
    let count = count_labels(name).saturating_sub(zone_labels);
    if count > labels.len() {
        return reject_long(name, count);
    }
    for (slot, label) in labels.iter_mut().zip(name.iter()).take(count) {
        // Labels that are not UTF-8 or hold a dot name nothing in a cluster; neither does this character.
        let text = std::str::from_utf8(label).ok().filter(|label| !label.contains('.'));
        *slot = text.unwrap_or("\u{fffd}");
    }
    match classify(&labels[..count])? {
        Parsed::ZoneNode => Ok(Parsed::ZoneNode),
        _ if is_reverse(name) => Err(Rule::NotAReverseName),
        parsed => Ok(parsed),
    }
}

/// Counts every label; the library's own count leaves out a `*` at the front.
pub(super) fn count_labels(name: &LowerName) -> usize {
    name.iter().count()
}

fn reject_long(name: &LowerName, count: usize) -> Result<Parsed<'_>, Rule> {
    match name.iter().nth(count - 1) {
        Some(b"svc" | b"pod") => Err(Rule::TooManyLabels),
        _ => Err(Rule::NotSvcOrPod),
    }
}

fn classify<'a>(labels: &[&'a str]) -> Result<Parsed<'a>, Rule> {
    let Some((last, rest)) = labels.split_last() else { return Ok(Parsed::ZoneNode) };
    let branch = match *last {
        "svc" => Branch::Svc,
        "pod" => Branch::Pod,
        _ => return Err(Rule::NotSvcOrPod),
    };
    let Some((namespace, rest)) = rest.split_last() else { return Ok(Parsed::ZoneNode) };
    let Some((middle, rest)) = rest.split_last() else {
        return Ok(Parsed::NamespaceNode { branch, namespace });
    };
    if rest.len() > 2 {
        return Err(Rule::TooManyLabels);
    }
    Ok(match branch {
        Branch::Pod => Parsed::Pod { namespace, address: middle, extra: rest.len() },
        Branch::Svc => Parsed::Service { namespace, service: middle, below: below(rest) },
    })
}

fn below<'a>(labels: &[&'a str]) -> Below<'a> {
    match labels {
        [] => Below::Nothing,
        [port, protocol] => Below::Port { port: bare(port), protocol: bare(protocol) },
        [endpoint, ..] => Below::Endpoint(endpoint),
    }
}

/// Takes one underscore from the front; CoreDNS does not insist on it.
pub(super) fn bare(label: &str) -> &str {
    label.strip_prefix('_').unwrap_or(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_from_the_right() {
        let service = |below| Ok(Parsed::Service { namespace: "ns", service: "web", below });
        let port = |port, protocol| service(Below::Port { port, protocol });
        let pod = |extra| Ok(Parsed::Pod { namespace: "ns", address: "10-0-0-1", extra });
        let node = |branch| Ok(Parsed::NamespaceNode { branch, namespace: "ns" });
        let cases = [
            ("", Ok(Parsed::ZoneNode)),
            ("svc.", Ok(Parsed::ZoneNode)),
            ("pod.", Ok(Parsed::ZoneNode)),
            ("ns.svc.", node(Branch::Svc)),
            ("ns.pod.", node(Branch::Pod)),
            ("web.ns.svc.", service(Below::Nothing)),
            ("WEB.ns.SVC.", service(Below::Nothing)),
            ("web-0.web.ns.svc.", service(Below::Endpoint("web-0"))),
            ("_http._tcp.web.ns.svc.", port("http", "tcp")),
            ("http.tcp.web.ns.svc.", port("http", "tcp")),
            ("_._.web.ns.svc.", port("", "")),
            ("__a._tcp.web.ns.svc.", port("_a", "tcp")),
            ("10-0-0-1.ns.pod.", pod(0)),
            ("x.10-0-0-1.ns.pod.", pod(1)),
            ("x.y.10-0-0-1.ns.pod.", pod(2)),
            ("a.b.c.web.ns.svc.", Err(Rule::TooManyLabels)),
            ("a.b.c.d.e.web.ns.svc.", Err(Rule::TooManyLabels)),
            ("a.b.c.d.e.web.ns.pood.", Err(Rule::NotSvcOrPod)),
            ("foo.", Err(Rule::NotSvcOrPod)),
            ("web.ns.pood.", Err(Rule::NotSvcOrPod)),
        ];
        for (text, expected) in cases {
            let name: LowerName = format!("{text}cluster.local.").parse().unwrap();
            assert_eq!(parse(&name, 2), expected, "{text}");
        }
    }
}
