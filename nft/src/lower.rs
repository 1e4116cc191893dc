//! Statements to expressions, as `nft` translates them (`src/netlink_linearize.c` there).

use crate::expression::{CmpOp, Expression};
use crate::uapi::expression as at;
use crate::{Comparison, DataType, Field, Statement, Value};

/// A version of IP, as `meta nfproto` has it.
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// Translates the statements of a rule.
///
/// Before the first field of an IP header stands a comparison of the version of IP: a table of the family
/// `inet` sees both, and octets of the other version's header would be read.
pub(crate) fn lower(statements: &[Statement]) -> Vec<Expression> {
    let mut lowered = Vec::new();
    let mut known = None;
    for statement in statements {
        match statement {
            Statement::Compare { field, comparison } => {
                load(&[*field], &mut known, &mut lowered);
                lowered.extend(compare(comparison));
            }
            Statement::Lookup { key, set } => {
                load(key, &mut known, &mut lowered);
                lowered.push(Expression::Lookup { set: set.clone(), is_inverted: false });
            }
            Statement::LookupNot { key, set } => {
                load(key, &mut known, &mut lowered);
                lowered.push(Expression::Lookup { set: set.clone(), is_inverted: true });
            }
            Statement::VerdictMap { key, map } => {
                load(key, &mut known, &mut lowered);
                lowered.push(Expression::LookupVerdict { map: map.clone() });
            }
            Statement::Counter => lowered.push(Expression::Counter { packets: 0, octets: 0 }),
            Statement::NoTrack => lowered.push(Expression::NoTrack),
            Statement::Limit(limit) => lowered.push(Expression::Limit {
                rate: limit.rate,
                unit: limit.per.seconds(),
                burst: limit.burst,
            }),
            Statement::Log(log) => lowered.push(Expression::Log {
                group: log.group,
                snaplen: log.snaplen,
                prefix: log.prefix.as_str().to_owned(),
            }),
            Statement::Trace => lowered.extend(trace()),
            Statement::Verdict(verdict) => {
                lowered.push(Expression::Immediate { verdict: verdict.clone() });
            }
        }
    }
    lowered
}

/// Returns what sets the mark of packets that are traced.
pub(crate) fn trace() -> [Expression; 2] {
    [Expression::Load { octets: vec![1] }, Expression::SetMeta { key: at::META_NFTRACE }]
}

/// Loads fields into registers in a row, behind what they need to be known.
fn load(fields: &[Field], known: &mut Option<u8>, lowered: &mut Vec<Expression>) {
    for version in fields.iter().filter_map(|field| version(*field)) {
        if *known != Some(version) {
            lowered.push(Expression::Meta { key: at::META_NFPROTO, word: 0 });
            lowered.push(Expression::Cmp { op: CmpOp::Eq, octets: vec![version] });
            *known = Some(version);
        }
    }
    let mut word = 0;
    for field in fields {
        lowered.push(load_field(*field, word));
        word += words(field.data_type());
    }
}

/// Returns the words that a value takes.
pub(crate) fn words(data_type: DataType) -> u32 {
    u32::try_from(data_type.padded_octets() / 4).unwrap_or(u32::MAX)
}

/// Returns the version of IP whose header a field is in.
fn version(field: Field) -> Option<u8> {
    match field.data_type() {
        DataType::Ipv4 => Some(IPV4),
        DataType::Ipv6 => Some(IPV6),
        DataType::Protocol | DataType::Port | DataType::Icmp6Type | DataType::Interface => None,
        DataType::CtState | DataType::Mark | DataType::TcpFlags => None,
    }
}

/// Returns the expression that loads a field to a word.
pub(crate) fn load_field(field: Field, word: u32) -> Expression {
    let network =
        |offset, len| Expression::Payload { base: at::PAYLOAD_NETWORK, offset, len, word };
    let transport =
        |offset, len| Expression::Payload { base: at::PAYLOAD_TRANSPORT, offset, len, word };
    match field {
        Field::Ip4Source => network(12, 4),
        Field::Ip4Destination => network(16, 4),
        Field::Ip6Source => network(8, 16),
        Field::Ip6Destination => network(24, 16),
        Field::Protocol => Expression::Meta { key: at::META_L4PROTO, word },
        Field::SourcePort => transport(0, 2),
        Field::DestinationPort => transport(2, 2),
        Field::Icmp6Type => transport(0, 1),
        Field::TcpFlags => transport(13, 1),
        Field::InputInterface => Expression::Meta { key: at::META_IIFNAME, word },
        Field::OutputInterface => Expression::Meta { key: at::META_OIFNAME, word },
        Field::CtState => Expression::Ct { key: at::CT_STATE, word },
        Field::CtMark => Expression::Ct { key: at::CT_MARK, word },
    }
}

/// Says whether two expressions are the beginning of a rule, or part, about one version of IP.
pub(crate) fn is_version(first: &Expression, second: &Expression) -> bool {
    let is_load = *first == Expression::Meta { key: at::META_NFPROTO, word: 0 };
    let versions =
        [IPV4, IPV6].map(|version| Expression::Cmp { op: CmpOp::Eq, octets: vec![version] });
    is_load && versions.contains(second)
}

fn compare(comparison: &Comparison) -> Vec<Expression> {
    let cmp = |op, value: &Value| Expression::Cmp { op, octets: value.octets() };
    let masked = |op, bits: &Value| {
        let octets = bits.octets();
        let zero = vec![0; octets.len()];
        vec![Expression::Mask { octets }, Expression::Cmp { op, octets: zero }]
    };
    match comparison {
        Comparison::Is(value) => vec![cmp(CmpOp::Eq, value)],
        Comparison::IsNot(value) => vec![cmp(CmpOp::Neq, value)],
        Comparison::Between(first, last) => vec![cmp(CmpOp::Gte, first), cmp(CmpOp::Lte, last)],
        Comparison::AnyBit(bits) => masked(CmpOp::Neq, bits),
        Comparison::NoBit(bits) => masked(CmpOp::Eq, bits),
    }
}
