//! A log line as fields, for those who read logs with programs.

use super::LogFormat;
use super::format::{buffer_size, flags};
use crate::Query;
use crate::plugin::name_text::NameText;
use crate::plugin::{FieldValue, Level, LineSink, Sent, mnemonic};

/// Writes the fields of the Common Log Format; the text of another format comes with them.
pub(super) fn write(sink: &LineSink, format: &LogFormat, query: &Query, sent: &Sent<'_>) {
    let remote = query.client.ip().to_canonical().to_string();
    let (qtype, class) = (mnemonic::record_type(query.qtype), mnemonic::class(query.qclass));
    let name = NameText::of(&query.name);
    let rcode = sent.reply.map(|reply| mnemonic::response_code(reply.rcode));
    let flags = sent.reply.map(|reply| flags(query, sent, reply));
    let text = (!format.is_common()).then(|| format.render(query, sent));
    let mut fields = vec![
        ("remote", FieldValue::Text(&remote)),
        ("port", FieldValue::Number(query.client.port().into())),
        ("id", FieldValue::Number(query.id.into())),
        ("type", FieldValue::Text(&qtype)),
        ("class", FieldValue::Text(&class)),
        ("name", FieldValue::Text(name.as_str())),
        ("proto", FieldValue::Text(query.protocol.as_str())),
        ("size", number(query.size)),
        ("do", FieldValue::Truth(query.dnssec_ok())),
        ("bufsize", FieldValue::Number(buffer_size(query, sent).into())),
        ("rcode", rcode.as_deref().map_or(FieldValue::Absent, FieldValue::Text)),
        ("flags", flags.as_deref().map_or(FieldValue::Absent, FieldValue::Words)),
        ("rsize", number(sent.size)),
        ("duration", FieldValue::Seconds(sent.elapsed.as_secs_f64())),
    ];
    fields.extend(text.as_deref().map(|text| ("text", FieldValue::Text(text))));
    sink.fields(Level::Info, "query", &fields);
}

fn number(octets: usize) -> FieldValue<'static> {
    FieldValue::Number(octets.try_into().unwrap_or(u64::MAX))
}
