//! A signed zone, asked with and without the DO bit (RFC 4035 §3.1).

use super::*;
use crate::plugin::file::answer::Status;

/// A zone with signatures that say what they cover: the key tag is the number of the type.
const SIGNED: &str = "$TTL 60
@ SOA ns admin 1 2 3 4 30
@ RRSIG SOA 13 2 60 2 1 6 @ AQ==
@ NS ns
@ RRSIG NS 13 2 60 2 1 2 @ AQ==
@ NSEC a.ent SOA NS RRSIG NSEC
@ RRSIG NSEC 13 2 60 2 1 47 @ AQ==
a.ent A 10.0.0.1
a.ent RRSIG A 13 2 60 2 1 1 @ AQ==
a.ent NSEC ns A RRSIG NSEC
a.ent RRSIG NSEC 13 2 60 2 1 47 @ AQ==
ns A 10.0.0.2
ns RRSIG A 13 2 60 2 1 1 @ AQ==
ns NSEC sub A RRSIG NSEC
ns RRSIG NSEC 13 2 60 2 1 47 @ AQ==
sub NS ns.sub
ns.sub A 10.0.0.3
sub NSEC *.w NS RRSIG NSEC
sub RRSIG NSEC 13 2 60 2 1 47 @ AQ==
*.w A 10.0.0.4
*.w RRSIG A 13 2 60 2 1 1 @ AQ==
*.w NSEC @ A RRSIG NSEC
*.w RRSIG NSEC 13 2 60 2 1 47 @ AQ==
";

/// Shows records as their owner and type; a signature as the type that it covers in parentheses.
fn types(records: &[Record]) -> Vec<String> {
    let show = |record: &Record| {
        let owner =
            record.name.to_ascii().replace(".example.org.", "").replace("example.org.", "@");
        match &record.data {
            hickory_proto::rr::RData::Unknown { code: RecordType::RRSIG, rdata } => {
                let code = u16::from_be_bytes([rdata.anything[0], rdata.anything[1]]);
                format!("{owner} ({})", RecordType::from(code))
            }
            _ => format!("{owner} {}", record.record_type()),
        }
    };
    records.iter().map(show).collect()
}

#[test]
fn proofs_come_with_the_do_bit() {
    let zone = zone_of(SIGNED);
    let soa = ["@ SOA", "@ (SOA)"];
    let nsec = |owner: &str| [format!("{owner} NSEC"), format!("{owner} (NSEC)")];
    // (question, the status, the types in the answer, the owners of NSEC records after the SOA record)
    for (name, qtype, status, answers, denials) in [
        ("ns", RecordType::TXT, Status::NoData, vec![], vec!["ns"]),
        ("ent", RecordType::A, Status::NoData, vec![], vec!["@"]),
        ("nope", RecordType::A, Status::NameError, vec![], vec!["a.ent", "@"]),
        ("b.ent", RecordType::A, Status::NameError, vec![], vec!["a.ent", "@"]),
        ("zz", RecordType::A, Status::NameError, vec![], vec!["*.w", "@"]),
        ("x.w", RecordType::TXT, Status::NoData, vec![], vec!["*.w"]),
        ("w", RecordType::TXT, Status::NoData, vec![], vec!["sub"]),
    ] {
        let answer = ask_with(&zone, &format!("{name}.example.org."), qtype, true);
        assert_eq!((answer.status, types(&answer.answers)), (status, answers), "{name}");
        let mut expected: Vec<String> = soa.map(String::from).into();
        expected.extend(denials.into_iter().flat_map(nsec));
        assert_eq!(types(&answer.authorities), expected, "{name} {qtype}");
        let plain = ask(&zone, &format!("{name}.example.org."), qtype);
        assert_eq!(types(&plain.authorities), ["@ SOA"], "{name} without DO");
    }
}

#[test]
fn answers_have_their_signatures() {
    let zone = zone_of(SIGNED);
    let exact = ask_with(&zone, "a.ent.example.org.", RecordType::A, true);
    assert_eq!(types(&exact.answers), ["a.ent A", "a.ent (A)"]);
    assert_eq!(types(&exact.authorities), ["@ NS", "@ (NS)"]);
    let ns = ask_with(&zone, "example.org.", RecordType::NS, true);
    assert_eq!(types(&ns.additionals), ["ns A", "ns (A)"]);
    let wildcard = ask_with(&zone, "x.w.example.org.", RecordType::A, true);
    assert_eq!(types(&wildcard.answers), ["x.w A", "x.w (A)"]);
    // "*.w" covers all names from itself to the end, and so shows that x.w does not exist.
    assert_eq!(types(&wildcard.authorities), ["@ NS", "@ (NS)"]);
    let referral = ask_with(&zone, "x.sub.example.org.", RecordType::A, true);
    assert_eq!(types(&referral.authorities), ["sub NS", "sub NSEC", "sub (NSEC)"]);
    let any = ask_with(&zone, "ns.example.org.", RecordType::ANY, true);
    assert_eq!(types(&any.answers), ["ns A", "ns (A)", "ns (NSEC)", "ns NSEC"]);
    let plain = ask(&zone, "ns.example.org.", RecordType::ANY);
    assert_eq!(types(&plain.answers), ["ns A"]);
    assert_eq!(ask(&zone, "ns.example.org.", RecordType::NSEC).answers.len(), 1);
    assert_eq!(ask(&zone, "ns.example.org.", RecordType::RRSIG).answers.len(), 2);
}
