//! Records as the recorded cases spell them.

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};

/// Returns the records of a section: `owner ttl type rdata`, lower-cased, sorted, the SOA serial as `serial`.
pub fn section(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<String> = records.iter().map(line).collect();
    lines.sort();
    lines
}

/// Returns one record.
pub fn line(record: &Record) -> String {
    let owner = record.name.to_string().to_lowercase();
    let data = data(&record.data);
    format!("{owner} {} {} {data}", record.ttl, record.record_type())
}

fn data(data: &RData) -> String {
    match data {
        RData::SOA(soa) => format!(
            "{} {} serial {} {} {} {}",
            soa.mname, soa.rname, soa.refresh, soa.retry, soa.expire, soa.minimum
        )
        .to_lowercase(),
        RData::TXT(txt) => {
            let strings =
                txt.txt_data.iter().map(|s| format!("\"{}\"", String::from_utf8_lossy(s)));
            strings.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string().to_lowercase(),
    }
}

/// Returns the mnemonic of a reply's response code.
pub fn rcode(message: &Message) -> &'static str {
    match u16::from(message.metadata.response_code) {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        16 => "BADVERS",
        _ => "other",
    }
}
