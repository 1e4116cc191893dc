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
//!
//! with `zonal`:
//! <topology zone>.pin._zone.<service>.<namespace>.svc.<zone>        dots may stand in the topology zone
//! <topology zone>.prefer._zone.<service>.<namespace>.svc.<zone>
//! in zones of `multicluster`:
//! <endpoint>.<cluster>.<service>.<namespace>.svc.<zone>
//! ```

use hickory_proto::rr::LowerName;

use super::Rule;
use super::zone::is_reverse;

/// Which names there are below a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// Those of the Kubernetes DNS specification.
    Cluster,
    /// Also those of the endpoints in a topology zone (`zonal`).
    Zonal,
    /// Those of a set of clusters (KEP-1645 "DNS").
    ClusterSet,
}

/// What kind of Service a name is below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
    /// A Service of the cluster.
    Service,
    /// A ServiceImport.
    Import,
}

/// A name below a zone, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Parsed<'a> {
    /// The apex, `svc.<zone>` or `pod.<zone>`.
    ZoneNode,
    /// `<namespace>.svc.<zone>` or `<namespace>.pod.<zone>`.
    NamespaceNode { branch: Branch, namespace: &'a str },
    /// At or below a Service.
    Service { of: Of, namespace: &'a str, service: &'a str, below: Below<'a> },
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
    /// An endpoint's name and its cluster.
    EndpointOf { cluster: &'a str, endpoint: &'a str },
    /// A topology zone.
    Within(Within<'a>),
}

/// The endpoints in a topology zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Within<'a> {
    /// What a zone without endpoints means.
    pub(super) choice: Choice,
    /// The name, whose first `labels` labels are the topology zone.
    name: &'a LowerName,
    labels: usize,
}

/// What a topology zone without endpoints means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    /// `pin`: no records.
    Pin,
    /// `prefer`: the endpoints of every zone.
    Prefer,
}

impl Within<'_> {
    /// Says whether a topology zone is the one in the name.
    pub(super) fn is(&self, zone: &str) -> bool {
        let mut parts = zone.split('.');
        let mut labels = self.name.iter().take(self.labels);
        loop {
            match (parts.next(), labels.next()) {
                (None, None) => return true,
                (Some(part), Some(label)) if part.as_bytes().eq_ignore_ascii_case(label) => {}
                _ => return false,
            }
        }
    }
}

/// Takes a name apart that is in the zone with this many labels.
///
/// # Errors
/// The rule by which no such name can exist.
pub(super) fn parse(
    name: &LowerName,
    zone_labels: usize,
    naming: Naming,
) -> Result<Parsed<'_>, Rule> {
    // A cluster name has no more than five labels below its zone: none beyond is looked at.
    let mut labels = [""; 6];
    let count = count_labels(name).saturating_sub(zone_labels);
    if naming == Naming::Zonal
        && let Some(parsed) = zonal(name, count)
    {
        return if is_reverse(name) { Err(Rule::NotAReverseName) } else { Ok(parsed) };
    }
    if count > labels.len() {
        return reject_long(name, count);
    }
    for (slot, label) in labels.iter_mut().zip(name.iter()).take(count) {
        // Labels that are not UTF-8 or hold a dot name nothing in a cluster; neither does this character.
        let text = std::str::from_utf8(label).ok().filter(|label| !label.contains('.'));
        *slot = text.unwrap_or("\u{fffd}");
    }
    match classify(&labels[..count], naming)? {
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

/// Takes `<topology zone>.pin|prefer._zone.<service>.<namespace>.svc` apart, `count` labels of the name.
fn zonal(name: &LowerName, count: usize) -> Option<Parsed<'_>> {
    // Counted from the zone: svc is the first, the directive the fifth.
    let label = |from_zone: usize| {
        let label = name.iter().nth(count.checked_sub(from_zone)?)?;
        std::str::from_utf8(label).ok().filter(|label| !label.contains('.'))
    };
    if count < 6 || label(1)? != "svc" || label(4)? != "_zone" {
        return None;
    }
    let choice = match label(5)? {
        "pin" => Choice::Pin,
        "prefer" => Choice::Prefer,
        _ => return None,
    };
    let below = Below::Within(Within { choice, name, labels: count - 5 });
    Some(Parsed::Service { of: Of::Service, namespace: label(2)?, service: label(3)?, below })
}

fn classify<'a>(labels: &[&'a str], naming: Naming) -> Result<Parsed<'a>, Rule> {
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
        Branch::Svc if naming == Naming::ClusterSet => {
            Parsed::Service { of: Of::Import, namespace, service: middle, below: in_set(rest) }
        }
        Branch::Svc => {
            Parsed::Service { of: Of::Service, namespace, service: middle, below: below(rest) }
        }
    })
}

fn below<'a>(labels: &[&'a str]) -> Below<'a> {
    match labels {
        [] => Below::Nothing,
        [port, protocol] => Below::Port { port: bare(port), protocol: bare(protocol) },
        [endpoint, ..] => Below::Endpoint(endpoint),
    }
}

/// Without an underscore two labels are an endpoint and its cluster.
fn in_set<'a>(labels: &[&'a str]) -> Below<'a> {
    match labels {
        [endpoint, cluster] if !endpoint.starts_with('_') && !cluster.starts_with('_') => {
            Below::EndpointOf { cluster, endpoint }
        }
        _ => below(labels),
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
        let of = Of::Service;
        let service = |below| Ok(Parsed::Service { of, namespace: "ns", service: "web", below });
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
            assert_eq!(parse(&name, 2, Naming::Cluster), expected, "{text}");
        }
    }

    #[test]
    fn names_of_a_set_of_clusters_have_endpoints_with_a_cluster() {
        let service =
            |below| Ok(Parsed::Service { of: Of::Import, namespace: "ns", service: "web", below });
        let cases = [
            ("web.ns.svc.", service(Below::Nothing)),
            ("a.web.ns.svc.", service(Below::Endpoint("a"))),
            ("a.c1.web.ns.svc.", service(Below::EndpointOf { cluster: "c1", endpoint: "a" })),
            ("_a._tcp.web.ns.svc.", service(Below::Port { port: "a", protocol: "tcp" })),
            ("_a.tcp.web.ns.svc.", service(Below::Port { port: "a", protocol: "tcp" })),
            ("a.b.c1.web.ns.svc.", Err(Rule::TooManyLabels)),
        ];
        for (text, expected) in cases {
            let name: LowerName = format!("{text}clusterset.local.").parse().unwrap();
            assert_eq!(parse(&name, 2, Naming::ClusterSet), expected, "{text}");
        }
    }

    #[test]
    fn topology_zones_may_hold_dots() {
        for (text, zone, choice) in [
            ("eu-1a.pin._zone.web.ns.svc.", "eu-1a", Choice::Pin),
            ("EU-1a.PREFER._ZONE.web.ns.SVC.", "eu-1a", Choice::Prefer),
            ("corp.example.com.pin._zone.web.ns.svc.", "corp.example.com", Choice::Pin),
        ] {
            let name: LowerName = format!("{text}cluster.local.").parse().unwrap();
            let Ok(Parsed::Service { below: Below::Within(within), service: "web", .. }) =
                parse(&name, 2, Naming::Zonal)
            else {
                panic!("{text}");
            };
            assert_eq!(within.choice, choice, "{text}");
            assert!(within.is(zone) && within.is(&zone.to_uppercase()) && !within.is("eu-1"));
            assert_eq!(parse(&name, 2, Naming::Cluster), Err(Rule::TooManyLabels));
        }
        for text in
            ["eu.florp._zone.web.ns.svc.", "eu.pin.zone.web.ns.svc.", "eu.pin._zone.w.ns.pod."]
        {
            let name: LowerName = format!("{text}cluster.local.").parse().unwrap();
            assert_eq!(parse(&name, 2, Naming::Zonal), Err(Rule::TooManyLabels), "{text}");
        }
    }
}
