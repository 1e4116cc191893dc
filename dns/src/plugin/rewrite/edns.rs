//! `edns0` rules: options of the OPT record that goes to later plugins and upstreams (RFC 6891 §6.1.2).

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption, NSIDPayload};

use crate::Query;
use crate::engine::Metadata;
use crate::plugin::name_text::NameText;

/// The payload that an OPT record advertises which a rule adds, in octets: what fits every path without
/// fragments (<https://www.dnsflagday.net/2020/>).
const PAYLOAD: u16 = 1232;

const NSID: u16 = 3;
const CLIENT_SUBNET: u16 = 8;

/// A rule about one option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct EdnsRule {
    /// What is done with the option.
    pub(super) action: EdnsAction,
    /// Which option.
    pub(super) option: OptionKind,
    /// Whether the client's reply is without the option; else it carries the option as CoreDNS's does.
    pub(super) revert: bool,
}

/// What is done with an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EdnsAction {
    /// Changes the option, or adds it.
    Set,
    /// Adds the option unless it is there.
    Append,
    /// Changes the option if it is there.
    Replace,
    /// Removes the option.
    Unset,
}

/// An option and the data that a rule gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum OptionKind {
    /// Any option, by its code.
    Local(u16, Data),
    /// Asks for the server's identifier (RFC 5001).
    Nsid,
    /// The client's network (RFC 7871).
    Subnet {
        /// The bits of an IPv4 address, 0 to 32.
        v4: u8,
        /// The bits of an IPv6 address, 0 to 128.
        v6: u8,
    },
}

/// The data of an option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Data {
    Fixed(Vec<u8>),
    Variable(Variable),
    /// A label of metadata.
    Metadata(String),
}

/// What a rule may tell about a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variable {
    QueryName,
    QueryType,
    ClientAddress,
    ClientPort,
    Protocol,
    ServerAddress,
    ServerPort,
}

/// The variables with the names that the Corefile has for them.
pub(super) const VARIABLES: [(&str, Variable); 7] = [
    ("{qname}", Variable::QueryName),
    ("{qtype}", Variable::QueryType),
    ("{client_ip}", Variable::ClientAddress),
    ("{client_port}", Variable::ClientPort),
    ("{protocol}", Variable::Protocol),
    ("{server_ip}", Variable::ServerAddress),
    ("{server_port}", Variable::ServerPort),
];

/// An option as it goes over the wire: its code and its data.
pub(super) type WireOption = (u16, Vec<u8>);

impl EdnsRule {
    /// Returns the data that the rule gives the option; none when the rule does not apply to the query:
    /// metadata that nobody knows, an option that is missing or already there.
    pub(super) fn data_for(&self, query: &Query, metadata: &Metadata<'_>) -> Option<WireOption> {
        let code = self.option.code();
        let is_there = query.edns.as_ref().is_some_and(|edns| has(edns, code));
        match self.action {
            EdnsAction::Append if is_there => return None,
            EdnsAction::Replace | EdnsAction::Unset if !is_there => return None,
            _ => {}
        }
        Some((code, self.option.data(query, metadata)?))
    }

    /// Changes the OPT record of the query, which gets one if it has none.
    pub(super) fn apply(&self, query: &mut Query, (code, data): &WireOption) {
        let edns = query.edns.get_or_insert_with(|| {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD);
            edns
        });
        let options = &mut edns.options_mut().options;
        let place = options.iter().position(|(at, _)| u16::from(*at) == *code);
        if self.action == EdnsAction::Unset {
            options.retain(|(at, _)| u16::from(*at) != *code);
            return;
        }
        let new = (EdnsCode::from(*code), option(*code, data));
        match place.and_then(|at| options.get_mut(at)) {
            Some(old) => *old = new,
            None => options.push(new),
        }
    }
}

impl OptionKind {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Local(code, _) => *code,
            Self::Nsid => NSID,
            Self::Subnet { .. } => CLIENT_SUBNET,
        }
    }

    fn data(&self, query: &Query, metadata: &Metadata<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Local(_, Data::Fixed(data)) => Some(data.clone()),
            Self::Local(_, Data::Variable(variable)) => Some(variable.of(query)),
            Self::Local(_, Data::Metadata(label)) => {
                metadata.get(label).filter(|value| !value.is_empty()).map(String::into_bytes)
            }
            Self::Nsid => Some(Vec::new()),
            Self::Subnet { v4, v6 } => Some(subnet(query.client.ip(), *v4, *v6)),
        }
    }
}

impl Variable {
    fn of(self, query: &Query) -> Vec<u8> {
        match self {
            Self::QueryName => NameText::of(&query.name).as_str().into(),
            Self::QueryType => u16::from(query.qtype).to_be_bytes().into(),
            Self::ClientAddress => address(query.client),
            Self::ClientPort => query.client.port().to_be_bytes().into(),
            Self::Protocol => query.protocol.as_str().into(),
            Self::ServerAddress => address(query.local),
            Self::ServerPort => query.local.port().to_be_bytes().into(),
        }
    }
}

fn address(socket: SocketAddr) -> Vec<u8> {
    match socket.ip().to_canonical() {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// Returns the data of a Client Subnet option: family, source and scope prefix length, and as many octets of
/// the address as the prefix needs, with zeros after it (RFC 7871 §6).
fn subnet(client: IpAddr, v4: u8, v6: u8) -> Vec<u8> {
    let (family, bits, mut octets) = match client.to_canonical() {
        IpAddr::V4(address) => (1_u16, v4, address.octets().to_vec()),
        IpAddr::V6(address) => (2, v6, address.octets().to_vec()),
    };
    octets.truncate(usize::from(bits).div_ceil(8));
    if let Some(last) = octets.last_mut().filter(|_| bits % 8 != 0) {
        *last &= 0xff << (8 - bits % 8);
    }
    let mut data = family.to_be_bytes().to_vec();
    data.extend([bits, 0]);
    data.extend(octets);
    data
}

fn has(edns: &Edns, code: u16) -> bool {
    edns.options().options.iter().any(|(at, _)| u16::from(*at) == code)
}

/// Returns an option. That a rule asks for NSID is told by the type: what a client asked for is
/// [`EdnsOption::Unknown`].
fn option(code: u16, data: &[u8]) -> EdnsOption {
    match NSIDPayload::new(data) {
        Ok(payload) if code == NSID => EdnsOption::NSID(payload),
        _ => EdnsOption::Unknown(code, data.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_cut_to_their_bits() {
        for (client, v4, v6, expected) in [
            ("192.0.2.77", 24, 56, vec![0, 1, 24, 0, 192, 0, 2]),
            ("192.0.2.255", 30, 56, vec![0, 1, 30, 0, 192, 0, 2, 252]),
            ("192.0.2.77", 0, 0, vec![0, 1, 0, 0]),
            ("::ffff:192.0.2.77", 8, 56, vec![0, 1, 8, 0, 192]),
            ("2001:db8:1:2ff::1", 24, 57, vec![0, 2, 57, 0, 32, 1, 13, 184, 0, 1, 2, 128]),
        ] {
            assert_eq!(subnet(client.parse().unwrap(), v4, v6), expected, "{client}");
        }
    }
}
