//! `local`: answers what asks about this very host, so that it does not leave for other servers (RFC 6761, RFC 6303).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, NS, PTR, SOA};
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordType};
use prometheus::{Error, IntCounter};

use super::directive::unknown_option;
use super::plugin_metrics::Families;
use super::{Handling, Plugin, Setup, SetupError, Site, arguments};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{Query, Reply};

/// A week, the TTL of every record.
const TTL: u32 = 604_800;

/// The `local` directive of a server block.
///
/// ```text
/// local {
///     localhost_prefix on|off
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalConfig {
    /// Whether names that begin with `localhost.` are this host, too: what a search list makes of `localhost`.
    pub localhost_prefix: bool,
}

/// The metrics of `local`.
#[derive(Clone, Debug)]
pub struct LocalMetrics {
    /// Queries for names under or beginning with `localhost.`.
    requests: IntCounter,
}

/// Answers `localhost`, names under it, and the reverse zones of addresses that stay in the host.
#[derive(Debug)]
pub struct Local {
    config: LocalConfig,
    metrics: LocalMetrics,
}

/// The names that the plugin compares with.
struct Names {
    localhost: LowerName,
    reverse: [LowerName; 3],
    loopback: LowerName,
    root_mail: Name,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let name = |labels: &[&str]| {
        let name = Name::from_labels(labels.iter().map(|label| label.as_bytes()));
        name.unwrap_or_default()
    };
    Names {
        localhost: name(&["localhost"]).into(),
        reverse: ["0", "127", "255"].map(|octet| name(&[octet, "in-addr", "arpa"]).into()),
        loopback: name(&["1", "0", "0", "127", "in-addr", "arpa"]).into(),
        root_mail: name(&["root", "localhost"]),
    }
});

impl LocalConfig {
    /// Reads the `local` directives of a server block; the last of each option counts.
    ///
    /// # Errors
    /// An argument, an unknown option, or a value other than `on` and `off`.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self { localhost_prefix: true };
        for directive in directives {
            arguments::none(directive)?;
            for line in directive.lines() {
                if line.name.text != "localhost_prefix" {
                    return Err(unknown_option(line, "'localhost_prefix'"));
                }
                let value = arguments::single(line)?;
                config.localhost_prefix = match value.text.as_str() {
                    "on" => true,
                    "off" => false,
                    other => {
                        let text = format!("localhost_prefix is on or off, not '{other}'");
                        return Err(value.error(text));
                    }
                };
            }
        }
        Ok(config)
    }
}

impl LocalMetrics {
    pub(super) fn register(families: Families<'_>) -> Result<Self, Error> {
        let requests = IntCounter::new(
            "coredns_local_localhost_requests_total",
            "Counter of localhost.<domain> requests.",
        )?;
        Ok(Self { requests: families.register(requests)? })
    }
}

impl Setup for LocalConfig {
    fn name(&self) -> &'static str {
        "local"
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Local { config: *self, metrics: site.metrics.local.clone() }))
    }
}

impl Plugin for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qclass != DNSClass::IN {
            return Handling::NEXT;
        }
        if self.is_of_localhost(&query.lower) {
            self.metrics.requests.inc();
            context.note(self.name(), || "a name of localhost: this host".into());
            return Handling::reply(of_localhost(query));
        }
        let mut zones = NAMES.reverse.iter().chain([&NAMES.localhost]);
        let Some(zone) = zones.find(|zone| zone.zone_of(&query.lower)) else {
            return Handling::NEXT;
        };
        context.note(self.name(), || format!("the zone {zone} is local"));
        Handling::reply(of_zone(query, zone))
    }
}

impl Local {
    /// Says whether a name is below `localhost`, or is `localhost` with a domain of a search list.
    fn is_of_localhost(&self, name: &LowerName) -> bool {
        // `num_labels` leaves an asterisk out.
        if name.iter().count() < 2 {
            return false;
        }
        let is_first = || name.iter().next() == Some(b"localhost".as_slice());
        NAMES.localhost.zone_of(name) || (self.config.localhost_prefix && is_first())
    }
}

/// Answers a name that stands for this host: its loopback addresses, else NODATA.
fn of_localhost(query: &Query) -> Reply {
    let mut reply = Reply::default();
    match loopback(query.qtype) {
        Some(data) => reply.answers.push(record(&query.name, data)),
        None => reply.authorities.push(soa(&query.name)),
    }
    reply
}

/// Answers a name in a local zone. The zones hold no more than their apex and the name of 127.0.0.1.
fn of_zone(query: &Query, zone: &LowerName) -> Reply {
    let mut reply = Reply::default();
    let is_apex = query.lower == *zone;
    let data = match query.qtype {
        _ if query.lower == NAMES.localhost && loopback(query.qtype).is_some() => {
            loopback(query.qtype)
        }
        RecordType::SOA if is_apex => Some(soa(&query.name).data),
        RecordType::NS if is_apex => Some(RData::NS(NS(localhost()))),
        RecordType::PTR if query.lower == NAMES.loopback => Some(RData::PTR(PTR(localhost()))),
        _ => None,
    };
    match data {
        Some(data) => reply.answers.push(record(&query.name, data)),
        None => {
            let exists = is_apex || query.lower == NAMES.loopback;
            reply.rcode = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
            reply.authorities.push(soa(&end_of(&query.name, zone.iter().count())));
        }
    }
    reply
}

/// Returns the last labels of a name, in the letter case in which it was asked.
fn end_of(name: &Name, labels: usize) -> Name {
    let skipped = name.iter().count().saturating_sub(labels);
    Name::from_labels(name.iter().skip(skipped)).unwrap_or_default()
}

fn loopback(qtype: RecordType) -> Option<RData> {
    match qtype {
        RecordType::A => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
        RecordType::AAAA => Some(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
        _ => None,
    }
}

fn localhost() -> Name {
    NAMES.localhost.clone().into()
}

fn soa(owner: &Name) -> Record {
    let soa = SOA::new(localhost(), NAMES.root_mail.clone(), 1, 0, 0, 0, TTL);
    record(owner, RData::SOA(soa))
}

fn record(owner: &Name, data: RData) -> Record {
    Record::from_rdata(owner.clone(), TTL, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, query};

    fn plugin(text: &str) -> Local {
        let config = configure(text, LocalConfig::parse).unwrap();
        let registry = prometheus::Registry::new();
        Local { config, metrics: LocalMetrics::register(Families(&registry)).unwrap() }
    }

    async fn ask(text: &str, name: &str, qtype: RecordType) -> Reply {
        let next = Reply { plugin: "next", ..Reply::new(ResponseCode::Refused) };
        answer(plugin(text), query(name, qtype), next).await
    }

    #[tokio::test]
    async fn what_the_zones_hold() {
        let soa =
            |zone: &str| format!("{zone} 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800");
        // (question, answer; without one the zone of the SOA record, and whether the name exists)
        for (name, qtype, expected) in [
            ("localhost.", RecordType::A, Ok("127.0.0.1")),
            ("LocalHost.", RecordType::AAAA, Ok("::1")),
            ("localhost.", RecordType::NS, Ok("localhost.")),
            ("a.localhost.", RecordType::A, Ok("127.0.0.1")),
            ("a.b.localhost.", RecordType::AAAA, Ok("::1")),
            ("localhost.example.org.", RecordType::A, Ok("127.0.0.1")),
            ("1.0.0.127.in-addr.arpa.", RecordType::PTR, Ok("localhost.")),
            ("0.in-addr.arpa.", RecordType::NS, Ok("localhost.")),
            ("localhost.", RecordType::TXT, Err(("localhost.", true))),
            ("a.localhost.", RecordType::TXT, Err(("a.localhost.", true))),
            ("127.in-addr.arpa.", RecordType::A, Err(("127.in-addr.arpa.", true))),
            ("1.0.0.127.in-addr.arpa.", RecordType::A, Err(("127.in-addr.arpa.", true))),
            ("2.0.0.127.in-addr.arpa.", RecordType::PTR, Err(("127.in-addr.arpa.", false))),
            ("255.255.255.255.IN-addr.arpa.", RecordType::PTR, Err(("255.IN-addr.arpa.", false))),
            ("1.0.in-addr.arpa.", RecordType::PTR, Err(("0.in-addr.arpa.", false))),
            ("*.0.in-addr.arpa.", RecordType::PTR, Err(("0.in-addr.arpa.", false))),
            ("*.localhost.", RecordType::A, Ok("127.0.0.1")),
        ] {
            let reply = ask("local", name, qtype).await;
            let show = |records: &[Record]| records.iter().map(ToString::to_string).collect();
            let (answers, authorities): (Vec<String>, Vec<String>) =
                (show(&reply.answers), show(&reply.authorities));
            match expected {
                Ok(data) => {
                    assert_eq!(answers, [format!("{name} 604800 IN {qtype} {data}")]);
                    assert_eq!((reply.rcode, authorities.len()), (ResponseCode::NoError, 0));
                }
                Err((zone, exists)) => {
                    assert_eq!((answers.len(), authorities), (0, vec![soa(zone)]), "{name}");
                    assert_eq!(reply.rcode == ResponseCode::NoError, exists, "{name}");
                }
            }
            assert_eq!((reply.plugin, reply.authoritative), ("local", false));
        }
        let apex = ask("local", "127.in-addr.arpa.", RecordType::SOA).await;
        assert_eq!(apex.answers[0].to_string(), soa("127.in-addr.arpa."));
    }

    #[tokio::test]
    async fn localhost_prefix_off_leaves_names_of_search_lists_alone() {
        let off = "local {\nlocalhost_prefix off\n}";
        for (text, name, by) in [
            ("local {\nlocalhost_prefix on\n}", "localhost.example.org.", "local"),
            (off, "localhost.example.org.", "next"),
            (off, "a.localhost.", "local"),
            (off, "localhost.", "local"),
            ("local", "localhosts.example.org.", "next"),
            ("local", "localhost2.", "next"),
            ("local", "example.org.", "next"),
            ("local", "128.in-addr.arpa.", "next"),
            ("local", ".", "next"),
        ] {
            assert_eq!(ask(text, name, RecordType::A).await.plugin, by, "{text} {name}");
        }
    }

    #[tokio::test]
    async fn the_metric_counts_names_of_localhost() {
        let plugin = plugin("local");
        let requests = plugin.metrics.requests.clone();
        let engine = crate::plugin::testing::engine_of(plugin);
        for (name, count) in [("localhost.", 0), ("a.localhost.", 1), ("localhost.lan.", 2)] {
            let mut query = query(name, RecordType::A);
            engine.answer(crate::engine::ListenerId(0), &mut query, None).await;
            assert_eq!(requests.get(), count, "{name}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            LocalConfig::parse,
            &[
                ("local x", "takes no argument; remove 'x'"),
                ("local {\nfoo\n}", "unknown property 'foo'"),
                ("local {\nlocalhost_prefix\n}", "needs an argument"),
                ("local {\nlocalhost_prefix maybe\n}", "is on or off, not 'maybe'"),
            ],
        );
    }
}
