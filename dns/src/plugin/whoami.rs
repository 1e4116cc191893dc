//! `whoami`: tells clients the address that they are seen with.

use std::net::IpAddr;

use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{Name, RData, Record};

use super::{Handling, Plugin, arguments};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{Query, Reply};

/// The `whoami` directive of a server block; it has no options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WhoamiConfig;

/// Answers every question with nothing but, in the additional section, the client's address and port.
///
/// ```text
/// example.org.      0 IN A   10.240.0.1
/// _udp.example.org. 0 IN SRV 0 0 40212 .
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Whoami;

impl WhoamiConfig {
    /// Reads the `whoami` directives of a server block; a repetition changes nothing.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        for directive in directives {
            arguments::none(directive)?;
            arguments::no_block(directive)?;
        }
        Ok(Self)
    }
}

impl Plugin for Whoami {
    fn name(&self) -> &'static str {
        "whoami"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        let additionals = [Some(address(query)), port(query)].into_iter().flatten().collect();
        Handling::reply(Reply { authoritative: true, additionals, ..Reply::default() })
    }
}

fn address(query: &Query) -> Record {
    let rdata = match query.client.ip().to_canonical() {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    record(query, query.name.clone(), rdata)
}

/// Returns the record of the port; none when the qname is too long for one more label.
fn port(query: &Query) -> Option<Record> {
    let label = format!("_{}", query.protocol.as_str());
    let owner = query.name.prepend_label(label).ok()?;
    let rdata = RData::SRV(SRV::new(0, 0, query.client.port(), Name::root()));
    Some(record(query, owner, rdata))
}

fn record(query: &Query, owner: Name, rdata: RData) -> Record {
    let mut record = Record::from_rdata(owner, 0, rdata);
    record.dns_class = query.qclass;
    record
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::Protocol;
    use crate::plugin::testing::{answer, assert_refused, configure, query};

    async fn additionals(query: Query) -> Vec<String> {
        let reply = answer(Whoami, query, Reply::default()).await;
        assert!(reply.authoritative && reply.answers.is_empty());
        reply.additionals.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn address_and_port() {
        assert_eq!(
            additionals(query("Example.org.", RecordType::A)).await,
            ["Example.org. 0 IN A 10.240.0.1", "_udp.Example.org. 0 IN SRV 0 0 40212 ."]
        );
        let mut ipv6 = query(".", RecordType::TXT);
        ipv6.client = "[2001:db8::1]:7".parse().unwrap();
        ipv6.protocol = Protocol::Tcp;
        assert_eq!(additionals(ipv6).await, [". 0 IN AAAA 2001:db8::1", "_tcp. 0 IN SRV 0 0 7 ."]);
        let mut mapped = query(".", RecordType::TXT);
        mapped.client = "[::ffff:10.0.0.1]:7".parse().unwrap();
        assert_eq!(additionals(mapped).await[0], ". 0 IN A 10.0.0.1");
    }

    #[tokio::test]
    async fn the_longest_name_has_no_room_for_the_port() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}.", "a".repeat(61));
        assert_eq!(additionals(query(&longest, RecordType::A)).await.len(), 1);
    }

    #[test]
    fn no_options() {
        assert_eq!(configure("whoami\nwhoami", WhoamiConfig::parse).unwrap(), WhoamiConfig);
        assert_refused(
            WhoamiConfig::parse,
            &[("whoami x", "takes no argument; remove 'x'"), ("whoami {\n}", "remove the braces")],
        );
    }
}
