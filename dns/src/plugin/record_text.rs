//! Records in presentation format, for people (RFC 1035 §5.1).

use hickory_proto::rr::{RData, Record};

use super::mnemonic;
use super::name_text::presentation;

/// Returns a record as a zone file has it: `web.example. 30 IN CNAME a\032b.example.`
///
/// Octets without a character are decimal `\DDD` in names and in the strings of TXT, which are quoted; hickory
/// writes them in octal, or as they are.
pub fn record_text(record: &Record) -> String {
    format!(
        "{} {} {} {} {}",
        presentation(&record.name),
        record.ttl,
        mnemonic::class(record.dns_class),
        mnemonic::record_type(record.record_type()),
        data_text(&record.data)
    )
}

fn data_text(data: &RData) -> String {
    match data {
        RData::ANAME(name) => presentation(name),
        RData::CNAME(name) => presentation(name),
        RData::NS(name) => presentation(name),
        RData::PTR(name) => presentation(name),
        RData::MX(mx) => format!("{} {}", mx.preference, presentation(&mx.exchange)),
        RData::SRV(srv) => {
            format!("{} {} {} {}", srv.priority, srv.weight, srv.port, presentation(&srv.target))
        }
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            presentation(&soa.mname),
            presentation(&soa.rname),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::TXT(txt) => {
            let strings: Vec<String> = txt.txt_data.iter().map(|string| quoted(string)).collect();
            strings.join(" ")
        }
        // What other types have names is rare in a cluster.
        other => other.to_string(),
    }
}

/// Returns a character string in quotes.
fn quoted(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
            b' '..=b'~' => text.push(char::from(*octet)),
            _ => text.push_str(&format!("\\{octet:03}")),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::{CNAME, MX, SRV, TXT};

    use super::*;

    #[test]
    fn escapes_are_decimal() {
        let name = Name::from_labels([&b"a b\xff"[..], b"x.y", b"Example"]).unwrap();
        let text = r"a\ b\255.x\.y.Example.";
        let cases = [
            (RData::CNAME(CNAME(name.clone())), format!("CNAME {text}")),
            (RData::MX(MX::new(10, name.clone())), format!("MX 10 {text}")),
            (RData::SRV(SRV::new(1, 2, 53, name.clone())), format!("SRV 1 2 53 {text}")),
            (
                RData::TXT(TXT::from_bytes(vec![b"v=1 \"x\"", b"\x07\xc3"])),
                r#"TXT "v=1 \"x\"" "\007\195""#.to_owned(),
            ),
            (RData::A(std::net::Ipv4Addr::new(192, 0, 2, 1).into()), "A 192.0.2.1".to_owned()),
        ];
        for (data, expected) in cases {
            let record = Record::from_rdata(name.clone(), 30, data);
            assert_eq!(record_text(&record), format!("{text} 30 IN {expected}"));
        }
    }
}
