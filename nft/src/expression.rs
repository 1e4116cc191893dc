//! Expressions: the instructions that the kernel runs, which statements are made of.

use crate::attribute::{Attribute, Attributes, find};
use crate::uapi::{REG_VERDICT, data, expression as at};
use crate::{Name, Verdict};

/// One expression. Registers are counted in words of 4 octets behind the verdict's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expression {
    /// Loads what is known of a packet.
    Meta { key: u32, word: u32 },
    /// Loads octets of a packet.
    Payload { base: u32, offset: u32, len: u32, word: u32 },
    /// Loads octets of its own into the first word.
    Load { octets: Vec<u8> },
    /// Sets what is known of a packet to the first word.
    SetMeta { key: u32 },
    /// Loads what is known of its connection.
    Ct { key: u32, word: u32 },
    /// Goes on if the first word and those behind it compare.
    Cmp { op: CmpOp, octets: Vec<u8> },
    /// Clears the bits of the first word, or octets, that are not in the mask.
    Mask { octets: Vec<u8> },
    /// Looks the first word and those behind it up in a set.
    Lookup { set: Name, is_inverted: bool },
    /// Looks the first word and those behind it up in a map, for a verdict.
    LookupVerdict { map: Name },
    /// Decides.
    Immediate { verdict: Verdict },
    /// Counts.
    Counter { packets: u64, octets: u64 },
    /// Keeps the packet out of connection tracking.
    NoTrack,
    /// Goes on up to a rate; the unit is in seconds.
    Limit { rate: u64, unit: u64, burst: u32 },
    /// Sends to a netlink group.
    Log { group: u16, snaplen: u32, prefix: String },
}

/// `enum nft_cmp_ops`, as far as it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CmpOp {
    Eq = 0,
    Neq = 1,
    Lte = 3,
    Gte = 5,
}

/// Returns the number of the register that begins at a word, as the kernel writes it: the 16 octets of
/// `NFT_REG_1` to `_4` overlap with the words of `NFT_REG32_00` to `_15`.
fn register(word: u32) -> u32 {
    if word.is_multiple_of(4) { 1 + word / 4 } else { 8 + word }
}

/// Returns the word of a register.
fn word(register: u32) -> Option<u32> {
    match register {
        1..=4 => Some((register - 1) * 4),
        8..=23 => Some(register - 8),
        _ => None,
    }
}

impl Expression {
    /// Writes the expression.
    pub(crate) fn write(&self, to: &mut Attributes) {
        to.text(at::NAME, self.name());
        if *self != Self::NoTrack {
            to.nested(at::DATA, |to| self.write_data(to));
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Meta { .. } | Self::SetMeta { .. } => "meta",
            Self::Payload { .. } => "payload",
            Self::Ct { .. } => "ct",
            Self::Cmp { .. } => "cmp",
            Self::Mask { .. } => "bitwise",
            Self::Lookup { .. } | Self::LookupVerdict { .. } => "lookup",
            Self::Immediate { .. } | Self::Load { .. } => "immediate",
            Self::Counter { .. } => "counter",
            Self::NoTrack => "notrack",
            Self::Limit { .. } => "limit",
            Self::Log { .. } => "log",
        }
    }

    fn write_data(&self, to: &mut Attributes) {
        match self {
            Self::Meta { key, word } => {
                to.u32(at::META_KEY, *key);
                to.u32(at::META_DREG, register(*word));
            }
            Self::SetMeta { key } => {
                to.u32(at::META_KEY, *key);
                to.u32(at::META_SREG, register(0));
            }
            Self::Load { octets } => {
                to.u32(at::IMMEDIATE_DREG, register(0));
                to.nested(at::IMMEDIATE_DATA, |to| to.octets(data::VALUE, octets));
            }
            Self::Payload { base, offset, len, word } => {
                to.u32(at::PAYLOAD_DREG, register(*word));
                to.u32(at::PAYLOAD_BASE, *base);
                to.u32(at::PAYLOAD_OFFSET, *offset);
                to.u32(at::PAYLOAD_LEN, *len);
            }
            Self::Ct { key, word } => {
                to.u32(at::CT_KEY, *key);
                to.u32(at::CT_DREG, register(*word));
            }
            Self::Cmp { op, octets } => {
                to.u32(at::CMP_SREG, register(0));
                to.u32(at::CMP_OP, *op as u32);
                to.nested(at::CMP_DATA, |to| to.octets(data::VALUE, octets));
            }
            Self::Mask { octets } => {
                to.u32(at::BITWISE_SREG, register(0));
                to.u32(at::BITWISE_DREG, register(0));
                to.u32(at::BITWISE_LEN, u32::try_from(octets.len()).unwrap_or(u32::MAX));
                to.nested(at::BITWISE_MASK, |to| to.octets(data::VALUE, octets));
                to.nested(at::BITWISE_XOR, |to| to.octets(data::VALUE, &vec![0; octets.len()]));
            }
            Self::Lookup { set, is_inverted } => {
                to.text(at::LOOKUP_SET, set.as_str());
                to.u32(at::LOOKUP_SREG, register(0));
                to.u32(at::LOOKUP_FLAGS, if *is_inverted { at::LOOKUP_INVERTED } else { 0 });
            }
            Self::LookupVerdict { map } => {
                to.text(at::LOOKUP_SET, map.as_str());
                to.u32(at::LOOKUP_SREG, register(0));
                to.u32(at::LOOKUP_DREG, REG_VERDICT);
            }
            Self::Immediate { verdict } => {
                to.u32(at::IMMEDIATE_DREG, REG_VERDICT);
                to.nested(at::IMMEDIATE_DATA, |to| write_verdict(to, verdict));
            }
            Self::Counter { packets, octets } => {
                to.u64(at::COUNTER_OCTETS, *octets);
                to.u64(at::COUNTER_PACKETS, *packets);
            }
            // The name says it all.
            Self::NoTrack => {}
            Self::Limit { rate, unit, burst } => {
                to.u64(at::LIMIT_RATE, *rate);
                to.u64(at::LIMIT_UNIT, *unit);
                to.u32(at::LIMIT_BURST, *burst);
                to.u32(at::LIMIT_TYPE, 0);
                to.u32(at::LIMIT_FLAGS, 0);
            }
            Self::Log { group, snaplen, prefix } => {
                to.u16(at::LOG_GROUP, *group);
                to.text(at::LOG_PREFIX, prefix);
                to.u32(at::LOG_SNAPLEN, *snaplen);
            }
        }
    }

    /// Reads an expression, as the kernel gives it; none when it is no form that [`Expression::write`] writes.
    pub(crate) fn read(from: Attribute<'_>) -> Option<Self> {
        let name = find(from.octets, at::NAME)?.text()?;
        if name == "notrack" {
            return Some(Self::NoTrack);
        }
        let data = find(from.octets, at::DATA)?.octets;
        let number = |kind| find(data, kind)?.u32();
        let is_first = |kind| (number(kind)? == register(0)).then_some(());
        Some(match name {
            "meta" if find(data, at::META_SREG).is_some() => {
                is_first(at::META_SREG)?;
                Self::SetMeta { key: number(at::META_KEY)? }
            }
            "meta" => {
                Self::Meta { key: number(at::META_KEY)?, word: word(number(at::META_DREG)?)? }
            }
            "payload" => Self::Payload {
                base: number(at::PAYLOAD_BASE)?,
                offset: number(at::PAYLOAD_OFFSET)?,
                len: number(at::PAYLOAD_LEN)?,
                word: word(number(at::PAYLOAD_DREG)?)?,
            },
            "ct" => Self::Ct { key: number(at::CT_KEY)?, word: word(number(at::CT_DREG)?)? },
            "cmp" => {
                is_first(at::CMP_SREG)?;
                Self::Cmp {
                    op: CmpOp::read(number(at::CMP_OP)?)?,
                    octets: value(data, at::CMP_DATA)?,
                }
            }
            "bitwise" => {
                is_first(at::BITWISE_SREG)?;
                is_first(at::BITWISE_DREG)?;
                let is_mask = value(data, at::BITWISE_XOR)?.iter().all(|octet| *octet == 0)
                    && number(at::BITWISE_OP).unwrap_or(0) == 0;
                is_mask.then_some(())?;
                Self::Mask { octets: value(data, at::BITWISE_MASK)? }
            }
            "lookup" => Self::read_lookup(data)?,
            "immediate" if number(at::IMMEDIATE_DREG) == Some(register(0)) => {
                Self::Load { octets: value(data, at::IMMEDIATE_DATA)? }
            }
            "immediate" => {
                (number(at::IMMEDIATE_DREG)? == REG_VERDICT).then_some(())?;
                Self::Immediate { verdict: read_verdict(find(data, at::IMMEDIATE_DATA)?)? }
            }
            "counter" => Self::Counter {
                packets: find(data, at::COUNTER_PACKETS)?.u64()?,
                octets: find(data, at::COUNTER_OCTETS)?.u64()?,
            },
            "limit" => {
                let is_plain = number(at::LIMIT_TYPE)? == 0 && number(at::LIMIT_FLAGS)? == 0;
                is_plain.then_some(())?;
                Self::Limit {
                    rate: find(data, at::LIMIT_RATE)?.u64()?,
                    unit: find(data, at::LIMIT_UNIT)?.u64()?,
                    burst: number(at::LIMIT_BURST)?,
                }
            }
            "log" => {
                let threshold = find(data, at::LOG_QTHRESHOLD).and_then(Attribute::u16);
                (threshold.unwrap_or(0) == 0).then_some(())?;
                Self::Log {
                    group: find(data, at::LOG_GROUP)?.u16()?,
                    snaplen: number(at::LOG_SNAPLEN)?,
                    prefix: find(data, at::LOG_PREFIX)?.text()?.to_owned(),
                }
            }
            _ => return None,
        })
    }

    fn read_lookup(data: &[u8]) -> Option<Self> {
        let number = |kind| find(data, kind)?.u32();
        let set = Name::new(find(data, at::LOOKUP_SET)?.text()?).ok()?;
        (number(at::LOOKUP_SREG)? == register(0)).then_some(())?;
        let flags = number(at::LOOKUP_FLAGS).unwrap_or(0);
        match number(at::LOOKUP_DREG) {
            None if flags <= at::LOOKUP_INVERTED => {
                Some(Self::Lookup { set, is_inverted: flags == at::LOOKUP_INVERTED })
            }
            Some(REG_VERDICT) if flags == 0 => Some(Self::LookupVerdict { map: set }),
            _ => None,
        }
    }
}

impl CmpOp {
    fn read(number: u32) -> Option<Self> {
        [Self::Eq, Self::Neq, Self::Lte, Self::Gte].into_iter().find(|op| *op as u32 == number)
    }
}

/// Reads the octets of data inside of an attribute.
fn value(octets: &[u8], kind: u16) -> Option<Vec<u8>> {
    Some(find(find(octets, kind)?.octets, data::VALUE)?.octets.to_vec())
}

/// Writes a verdict as data.
pub(crate) fn write_verdict(to: &mut Attributes, verdict: &Verdict) {
    let code = match verdict {
        Verdict::Accept => data::ACCEPT,
        Verdict::Drop => data::DROP,
        Verdict::Return => data::RETURN,
        Verdict::Jump(_) => data::JUMP,
        Verdict::Goto(_) => data::GOTO,
    };
    to.nested(data::VERDICT, |to| {
        to.octets(data::VERDICT_CODE, &code.to_be_bytes());
        if let Some(chain) = verdict.chain() {
            to.text(data::VERDICT_CHAIN, chain.as_str());
        }
    });
}

/// Reads a verdict from data.
pub(crate) fn read_verdict(from: Attribute<'_>) -> Option<Verdict> {
    let verdict = find(from.octets, data::VERDICT)?;
    let code = find(verdict.octets, data::VERDICT_CODE)?.octets.try_into().ok()?;
    let chain = || Name::new(find(verdict.octets, data::VERDICT_CHAIN)?.text()?).ok();
    match i32::from_be_bytes(code) {
        data::ACCEPT => Some(Verdict::Accept),
        data::DROP => Some(Verdict::Drop),
        data::RETURN => Some(Verdict::Return),
        data::JUMP => chain().map(Verdict::Jump),
        data::GOTO => chain().map(Verdict::Goto),
        _ => None,
    }
}
