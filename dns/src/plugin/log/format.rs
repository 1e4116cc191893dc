//! The form of a log line: text with placeholders.

use std::fmt::{self, Write};
use std::net::IpAddr;

use crate::plugin::name_text::NameText;
use crate::plugin::{Sent, mnemonic};
use crate::{Protocol, Query, Reply};

/// The Common Log Format.
const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" \
                      {rcode} {>rflags} {rsize} {duration}";

/// The end of the Combined Log Format.
const OPCODE: &str = " \"{>opcode}\"";

/// A format, read.
///
/// | placeholder | value |
/// |---|---|
/// | `{type}` `{class}` `{name}` | of the question, the name in lower case |
/// | `{proto}` | `udp` or `tcp` |
/// | `{remote}` `{port}` | of the client, an IPv6 address in brackets |
/// | `{local}` | the server's address, likewise |
/// | `{size}` `{rsize}` | octets of the question and of the reply |
/// | `{rcode}` `{duration}` | `NOERROR`, `0.000051965s` |
/// | `{>rflags}` | the flags set in the reply: `qr,aa,tc,rd,ra,ad,cd` |
/// | `{>id}` `{>opcode}` `{>do}` `{>bufsize}` | of the question, the size as `bufsize` lowers it; 65535 octets over TCP |
/// | `{common}` `{combined}` | the two named formats |
/// | `{/LABEL}` | metadata, with the plugin `metadata` |
///
/// What has no value is `-`, also an unknown name after `{>`. Braces around anything else are text, so that a
/// line may be JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFormat(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Type,
    Class,
    Name,
    Protocol,
    Client,
    ClientPort,
    Server,
    Size,
    ReplySize,
    ResponseCode,
    Duration,
    ReplyFlags,
    Id,
    Opcode,
    DnssecOk,
    BufferSize,
    Metadata(String),
    Absent,
}

impl LogFormat {
    /// Reads a format. Total: what is no placeholder is text.
    pub fn new(text: &str) -> Self {
        let combined = format!("{COMMON}{OPCODE}");
        let text = text.replace("{common}", COMMON).replace("{combined}", &combined);
        let mut format = Self(Vec::new());
        let mut rest = text.as_str();
        while let Some(open) = rest.find('{') {
            format.push_text(&rest[..open]);
            rest = &rest[open..];
            let end = rest.find('}').map_or(rest.len(), |close| close + 1);
            if let Some(piece) = placeholder(&rest[..end]) {
                format.0.push(piece);
                rest = &rest[end..];
            } else {
                format.push_text("{");
                rest = &rest[1..];
            }
        }
        format.push_text(rest);
        format
    }

    /// The placeholders as a message lists them.
    pub(crate) const PLACEHOLDERS: &str = "{type}, {class}, {name}, {proto}, {remote}, {port}, {local}, {size}, \
        {rsize}, {rcode}, {duration}, {>rflags}, {>id}, {>opcode}, {>do}, {>bufsize}, {common} and {combined}";

    /// Returns what looks like placeholders and is none, such as `{nme}`: a word in braces; and whether it is
    /// written as text, or always as `-`.
    pub(crate) fn unknown(text: &str) -> Vec<(String, bool)> {
        let starts = text.match_indices('{').filter_map(|(at, _)| text.get(at..));
        let words = starts.filter_map(|rest| rest.get(..=rest.find('}')?));
        let unknown = words.filter_map(|word| {
            let inner = word.strip_prefix('{')?.strip_suffix('}')?;
            let name = inner.strip_prefix('>').unwrap_or(inner);
            let is_word = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            let is_named = matches!(word, "{common}" | "{combined}");
            if !is_word || is_named {
                return None;
            }
            match placeholder(word) {
                None => Some((word.to_owned(), true)),
                Some(Piece::Absent) => Some((word.to_owned(), false)),
                Some(_) => None,
            }
        });
        unknown.collect()
    }

    /// Returns the Common Log Format.
    pub fn common() -> Self {
        Self::new(COMMON)
    }

    /// Says whether its lines have nothing beside the fields of the Common Log Format.
    pub(super) fn is_common(&self) -> bool {
        *self == Self::common()
    }

    /// Writes the line of a query and what was sent for it.
    pub fn render(&self, query: &Query, sent: &Sent<'_>) -> String {
        let mut line = String::with_capacity(160);
        for piece in &self.0 {
            // Writing to a string does not fail.
            let _ = piece.write(&mut line, query, sent);
        }
        line
    }

    fn push_text(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.0.push(Piece::Text(text.to_owned()));
        }
    }
}

fn placeholder(text: &str) -> Option<Piece> {
    if let Some(field) = text.strip_prefix("{>") {
        return Some(match field.to_ascii_lowercase().as_str() {
            "rflags}" => Piece::ReplyFlags,
            "id}" => Piece::Id,
            "opcode}" => Piece::Opcode,
            "do}" => Piece::DnssecOk,
            "bufsize}" => Piece::BufferSize,
            _ if text.ends_with('}') => Piece::Absent,
            _ => return None,
        });
    }
    Some(match text {
        "{type}" => Piece::Type,
        "{class}" => Piece::Class,
        "{name}" => Piece::Name,
        "{proto}" => Piece::Protocol,
        "{remote}" => Piece::Client,
        "{port}" => Piece::ClientPort,
        "{local}" => Piece::Server,
        "{size}" => Piece::Size,
        "{rsize}" => Piece::ReplySize,
        "{rcode}" => Piece::ResponseCode,
        "{duration}" => Piece::Duration,
        _ => Piece::Metadata(text.strip_prefix("{/")?.strip_suffix('}')?.to_owned()),
    })
}

impl Piece {
    fn write(&self, line: &mut String, query: &Query, sent: &Sent<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => line.write_str(text),
            Self::Type => line.write_str(&mnemonic::record_type(query.qtype)),
            Self::Class => line.write_str(&mnemonic::class(query.qclass)),
            Self::Name => line.write_str(NameText::of(&query.name).as_str()),
            Self::Protocol => line.write_str(query.protocol.as_str()),
            Self::Client => write_address(line, query.client.ip()),
            Self::ClientPort => write!(line, "{}", query.client.port()),
            Self::Server => write_address(line, query.local.ip()),
            Self::Size => write!(line, "{}", query.size),
            Self::ReplySize => write!(line, "{}", sent.size),
            Self::Duration => write!(line, "{}s", sent.elapsed.as_secs_f64()),
            Self::ResponseCode => line.write_str(
                &sent.reply.map_or("-".into(), |reply| mnemonic::response_code(reply.rcode)),
            ),
            Self::ReplyFlags => match sent.reply {
                Some(reply) => line.write_str(&flags(query, sent, reply).join(",")),
                None => line.write_str("-"),
            },
            Self::Id => write!(line, "{}", query.id),
            // Only QUERY reaches a plugin (RFC 1035 §4.1.1).
            Self::Opcode => line.write_str("0"),
            Self::DnssecOk => write!(line, "{}", query.dnssec_ok()),
            Self::BufferSize => write!(line, "{}", buffer_size(query, sent)),
            Self::Metadata(label) => {
                line.write_str(sent.metadata_of(label).as_deref().unwrap_or("-"))
            }
            Self::Absent => line.write_str("-"),
        }
    }
}

/// Writes an address; an IPv4 client of an IPv6 socket is an IPv4 client.
fn write_address(line: &mut String, address: IpAddr) -> fmt::Result {
    match address.to_canonical() {
        IpAddr::V4(address) => write!(line, "{address}"),
        IpAddr::V6(address) => write!(line, "[{address}]"),
    }
}

/// Returns the names of the flags that are set in the reply.
pub(super) fn flags(query: &Query, sent: &Sent<'_>, reply: &Reply) -> Vec<&'static str> {
    let Reply { authoritative, recursion_available, authentic_data, .. } = reply;
    let flags = [
        (true, "qr"),
        (*authoritative, "aa"),
        (sent.truncated, "tc"),
        (query.recursion_desired, "rd"),
        (*recursion_available, "ra"),
        (*authentic_data, "ad"),
        (query.checking_disabled, "cd"),
    ];
    flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect()
}

/// Returns the largest reply that the client gets, in octets: `bufsize` lowers what a query with EDNS says, as CoreDNS
/// logs it.
pub(super) fn buffer_size(query: &Query, sent: &Sent<'_>) -> u16 {
    let limit = sent.reply.filter(|_| query.edns.is_some() && query.protocol == Protocol::Udp);
    let limit = limit.and_then(|reply| reply.size_limit).unwrap_or(u16::MAX);
    query.max_reply_size().min(limit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::Protocol;
    use crate::plugin::testing::query;

    fn rendered(format: &str) -> String {
        let mut question = query("Example.org.", RecordType::from(4711));
        question.client = "[::ffff:10.0.0.7]:99".parse().unwrap();
        question.local = "[2001:db8::53]:53".parse().unwrap();
        question.protocol = Protocol::Tcp;
        let reply = Reply { authentic_data: true, ..Reply::default() };
        let elapsed = Duration::from_millis(1_500);
        let sent =
            Sent { reply: Some(&reply), size: 512, truncated: true, elapsed, ..Sent::default() };
        LogFormat::new(format).render(&question, &sent)
    }

    #[test]
    fn every_placeholder_and_what_is_none() {
        for (format, expected) in [
            ("{type} {class} {name} {proto}", "TYPE4711 IN example.org. tcp"),
            ("{remote}|{port}|{local}", "10.0.0.7|99|[2001:db8::53]"),
            ("{size} {rsize} {rcode} {duration}", "41 512 NOERROR 1.5s"),
            ("{>rflags} {>id} {>opcode}", "qr,tc,rd,ad 29008 0"),
            ("{>do} {>bufsize} {>ID}", "false 65535 29008"),
            ("{/metadata/label} {>unknown}", "- -"),
            (r#"{"name":"{name}","x":{}}"#, r#"{"name":"example.org.","x":{}}"#),
            ("{type {type}} {", "{type TYPE4711} {"),
            ("{>id", "{>id"),
            ("plain", "plain"),
            (
                "<{common}>",
                "<10.0.0.7:99 - 29008 \"TYPE4711 IN example.org. tcp 41 false 65535\" \
                 NOERROR qr,tc,rd,ad 512 1.5s>",
            ),
        ] {
            assert_eq!(rendered(format), expected, "{format}");
        }
    }

    #[test]
    fn durations_are_seconds_without_exponent() {
        let question = query(".", RecordType::NS);
        for (nanos, expected) in [
            (51_965, "0.000051965s"),
            (1, "0.000000001s"),
            (0, "0s"),
            (37_990_251, "0.037990251s"),
            (6_010_923_182, "6.010923182s"),
            (2_000_000_000, "2s"),
        ] {
            let elapsed = Duration::from_nanos(nanos);
            let sent = Sent { reply: None, size: 0, truncated: false, elapsed, ..Sent::default() };
            assert_eq!(LogFormat::new("{duration}").render(&question, &sent), expected);
        }
    }
}
