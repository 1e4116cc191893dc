//! `hosts`: answers from a file like `/etc/hosts`, and from lines of the Corefile.

mod config;
mod key;
mod metrics;
mod setup;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::sync::watch;

pub use config::HostsConfig;
pub(crate) use config::is_host_name;
pub use metrics::HostsMetrics;

use super::{Handling, Plugin};
use crate::engine::Context;
use crate::{ExtendedErrorCode, Query, Reply};
use key::Key;
use table::HostTable;

/// Says whether a word is the address that an entry begins with.
pub(crate) fn is_address(word: &str) -> bool {
    text::parse_address(word.as_bytes()).is_some()
}

/// Answers A, AAAA and PTR from a table of hosts.
///
/// Names that are in the table have no other types; those that are not are SERVFAIL, as the file cannot say that
/// they do not exist, or go to the next plugin with `fallthrough`.
#[derive(Debug)]
pub struct Hosts {
    config: HostsConfig,
    inline: HostTable,
    file: watch::Receiver<HostTable>,
}

impl Plugin for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qclass != DNSClass::IN {
            return Handling::NEXT;
        }
        // A PTR question needs no zone: the addresses in the file say which names are meant.
        if query.qtype == RecordType::PTR {
            return self.reverse(query, context);
        }
        if !self.config.zones.iter().any(|zone| zone.zone_of(&query.lower)) {
            return Handling::NEXT;
        }
        self.forward(query, context)
    }
}

impl Hosts {
    fn forward<'a>(&'a self, query: &'a Query, context: &'a Context<'a>) -> Handling<'a> {
        let key = Key::of(&query.lower);
        let file = self.file.borrow();
        let tables = [&*file, &self.inline];
        // An exact name in either covers a wildcard in both.
        let found = [key, key.wildcard()].into_iter().find(|key| tables.iter().any(|t| t.has(key)));
        let Some(key) = found else { return self.missing(query, context) };
        if self.passes_unsupported(query) {
            context.note(self.name(), || {
                "the name is there, the type is not; `fallthrough_unsupported`: the next plugin is \
                 asked"
                    .into()
            });
            return Handling::NEXT;
        }
        let addresses = tables.into_iter().flat_map(|table| table.addresses(&key));
        let data = addresses.filter_map(|address| data_of(address, query.qtype));
        let reply = self.reply(query, data);
        context.note(self.name(), || {
            let wildcard = if key.is_wildcard() { " through a wildcard" } else { "" };
            format!("{} records{wildcard}", reply.answers.len())
        });
        Handling::reply(reply)
    }

    fn reverse<'a>(&'a self, query: &'a Query, context: &'a Context<'a>) -> Handling<'a> {
        let Some(address) = reverse_address(query) else { return Handling::NEXT };
        let file = self.file.borrow();
        let tables = [&*file, &self.inline];
        let names = tables.into_iter().flat_map(|table| table.names(address));
        let names = names.filter_map(|labels| Name::from_labels(labels).ok());
        let reply = self.reply(query, names.map(|name| RData::PTR(PTR(name))));
        if reply.answers.is_empty() {
            return Handling::NEXT;
        }
        context.note(self.name(), || format!("{} names of {address}", reply.answers.len()));
        Handling::reply(reply)
    }

    fn missing<'a>(&'a self, query: &Query, context: &Context<'_>) -> Handling<'a> {
        if self.config.fallthrough.lets_through(&query.lower) {
            let text = || "the name is not there; `fallthrough`: the next plugin is asked".into();
            context.note(self.name(), text);
            return Handling::NEXT;
        }
        context.note(self.name(), || "the name is not there: SERVFAIL".into());
        Handling::reply(Reply::server_failure(
            ExtendedErrorCode::Other,
            "the name is not in the hosts file, and `hosts` has no fallthrough for it",
        ))
    }

    /// Says whether the next plugin shall answer a type that a hosts file cannot have.
    fn passes_unsupported(&self, query: &Query) -> bool {
        self.config.fallthrough_unsupported
            && !matches!(query.qtype, RecordType::A | RecordType::AAAA)
            && self.config.fallthrough.lets_through(&query.lower)
    }

    fn reply(&self, query: &Query, data: impl Iterator<Item = RData>) -> Reply {
        let record = |data| Record::from_rdata(query.name.clone(), self.config.ttl, data);
        let answers = data.map(record).collect();
        Reply { authoritative: true, answers, ..Reply::new(ResponseCode::NoError) }
    }
}

fn data_of(address: IpAddr, qtype: RecordType) -> Option<RData> {
    match (address, qtype) {
        (IpAddr::V4(address), RecordType::A) => Some(RData::A(A(address))),
        (IpAddr::V6(address), RecordType::AAAA) => Some(RData::AAAA(AAAA(address))),
        _ => None,
    }
}

/// Returns the address whose reverse name is asked for; none for a network or any other name.
fn reverse_address(query: &Query) -> Option<IpAddr> {
    let network = query.lower.parse_arpa_name().ok()?;
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}
