//! What of an upstream's reply is passed on.

use hickory_proto::op::{Query as Question, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use proptest::prelude::*;

use super::bailiwick::{Dropped, confine};
use super::fake_upstream::{FakeUpstream, reply_to};
use super::testing::{Server, by_tcp, by_udp, record};
use crate::Reply;

/// Confines a reply to a question such as `www.example. A`; records that shall be dropped begin with `-`.
fn check(question: &str, sections: [&[&str]; 3]) {
    let (name, qtype) = question.split_once(' ').unwrap();
    let question = Question::query(name.parse().unwrap(), qtype.parse().unwrap());
    let read = |lines: &[&str], all: bool| -> Vec<Record> {
        let wanted = lines.iter().filter(|line| all || !line.starts_with('-'));
        wanted.map(|line| parse(line.trim_start_matches('-'))).collect()
    };
    let mut reply = Reply::new(ResponseCode::NoError);
    let [answers, authorities, additionals] = sections;
    reply.answers = read(answers, true);
    reply.authorities = read(authorities, true);
    reply.additionals = read(additionals, true);
    let dropped = confine(&question, &mut reply);
    assert_eq!(reply.answers, read(answers, false), "{question} answer");
    assert_eq!(reply.authorities, read(authorities, false), "{question} authority");
    assert_eq!(reply.additionals, read(additionals, false), "{question} additional");
    let count = |lines: &[&str]| lines.iter().filter(|line| line.starts_with('-')).count();
    let expected = Dropped {
        answers: count(answers),
        authorities: count(authorities),
        additionals: count(additionals),
    };
    assert_eq!(dropped, expected, "{question}");
}

/// Reads `owner TYPE data`. DNAME, RRSIG, NSEC, NSEC3 and DS are octets, as they come from a message: a DNAME has its
/// target, an RRSIG its signer, the others anything.
fn parse(line: &str) -> Record {
    let [owner, rtype, data] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("no record: {line}")
    };
    let qtype: RecordType = rtype.parse().unwrap();
    let octets = match rtype {
        "DNAME" => wire(data),
        "RRSIG" => [&[0; 18][..], &wire(data), b"signature"].concat(),
        "NSEC" | "NSEC3" | "DS" => data.as_bytes().to_vec(),
        _ => return record(line),
    };
    let rdata = NULL::with(octets);
    let data = RData::Unknown { code: qtype, rdata };
    Record::from_rdata(owner.parse().unwrap(), 60, data)
}

fn wire(name: &str) -> Vec<u8> {
    let name: Name = name.parse().unwrap();
    let labels =
        name.iter().flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label].concat());
    labels.chain([0]).collect()
}

#[test]
fn an_answer_is_the_alias_chain_and_what_was_asked_for_at_its_names() {
    check(
        "www.example. A",
        [
            &[
                "www.example. A 192.0.2.1",
                "WWW.Example. A 192.0.2.2",
                "www.example. RRSIG example.",
                "-www.example. AAAA 2001:db8::1",
                "-bank.example. A 192.0.2.66",
                "-bank.example. RRSIG example.",
                "-example. A 192.0.2.66",
                "-example. NS ns.evil.test.",
                "-x.www.example. A 192.0.2.66",
                "-other.test. CNAME www.example.",
            ],
            &[],
            &[],
        ],
    );
    check(
        "www.example. ANY",
        [&["www.example. A 192.0.2.1", "www.example. TXT x", "-e. TXT x"], &[], &[]],
    );
    check(
        "www.example. CNAME",
        [&["www.example. CNAME a.test.", "-a.test. A 192.0.2.1"], &[], &[]],
    );
}

#[test]
fn aliases_are_followed_in_any_order_and_several_of_a_name() {
    check(
        "www.example. A",
        [
            &[
                "c.test. A 192.0.2.3",
                "B.test. CNAME c.test.",
                "www.example. CNAME a.test.",
                "www.example. CNAME b.test.",
                "a.test. A 192.0.2.1",
                "a.test. CNAME www.example.",
                "b.test. RRSIG test.",
                "-d.test. A 192.0.2.66",
            ],
            &[],
            &[],
        ],
    );
}

#[test]
fn dname_leads_to_the_name_that_it_makes() {
    check(
        "a.b.old.test. A",
        [
            &[
                "old.test. DNAME new.test.",
                "old.test. RRSIG test.",
                "a.b.old.test. CNAME a.b.new.test.",
                "a.b.new.test. A 192.0.2.1",
                "-b.new.test. A 192.0.2.66",
                "-elsewhere.test. DNAME new.test.",
            ],
            &[],
            &[],
        ],
    );
    // A server that leaves the CNAME out (RFC 6672 §3.1 asks for it).
    check("a.old.test. A", [&["old.test. DNAME new.test.", "a.new.test. A 192.0.2.1"], &[], &[]]);
    check("old.test. A", [&["-old.test. DNAME new.test.", "-new.test. A 192.0.2.1"], &[], &[]]);
    check("old.test. DNAME", [&["old.test. DNAME new.test."], &[], &[]]);
}

#[test]
fn aliases_without_end_are_cut_and_take_no_time() {
    let chain: Vec<String> =
        (0..100).map(|at| format!("n{at}.test. CNAME n{}.test.", at + 1)).collect();
    let cut = chain
        .iter()
        .enumerate()
        .map(|(at, line)| if at < 32 { line.clone() } else { format!("-{line}") });
    let cut: Vec<String> = cut.collect();
    check("n0.test. A", [&cut.iter().map(String::as_str).collect::<Vec<_>>(), &[], &[]]);
    check("a.x.test. A", [&["x.test. DNAME y.x.test.", "x.test. DNAME z.x.test."], &[], &[]]);
}

#[test]
fn the_authority_speaks_for_a_zone_of_the_question() {
    let soa = "SOA ns.example. mail.example. 1 2 3 4 5";
    let answer: [&[&str]; 2] = [&[], &["www.example. CNAME a.cdn.test."]];
    for (answers, own) in [(answer[0], "-cdn.test."), (answer[1], "cdn.test.")] {
        check(
            "www.example. A",
            [
                answers,
                &[
                    &format!("example. {soa}"),
                    &format!(". {soa}"),
                    &format!("{own} {soa}"),
                    &format!("-bank.test. {soa}"),
                    &format!("-x.www.example. {soa}"),
                    "www.example. NS ns.example.",
                    "example. DS digest",
                    "-test.com. DS digest",
                    "-example. A 192.0.2.66",
                    "-com. NS ns.evil.test.",
                ],
                &[],
            ],
        );
    }
}

#[test]
fn proofs_of_dnssec_pass() {
    // NXDOMAIN with NSEC3, NODATA with NSEC, a wildcard's proof without SOA (RFC 4035 §3.1.3).
    let soa = "example. SOA ns.example. mail.example. 1 2 3 4 5";
    check(
        "no.example. A",
        [
            &[],
            &[soa, "example. RRSIG example.", "h1.example. NSEC3 x", "h1.example. RRSIG example."],
            &[],
        ],
    );
    check("no.example. A", [&[], &[soa, "a.example. NSEC x", "-a.test. NSEC x"], &[]]);
    check(
        "no.example. A",
        [
            &["no.example. A 192.0.2.1", "no.example. RRSIG example."],
            &[
                "a.example. NSEC x",
                "a.example. RRSIG example.",
                "-a.test. NSEC x",
                "-a.test. RRSIG test.",
            ],
            &[],
        ],
    );
}

#[test]
fn additional_records_are_for_names_that_the_others_name() {
    check(
        "_http._tcp.example. SRV",
        [
            &["_http._tcp.example. SRV 1 1 80 host.test."],
            &["example. NS ns.example."],
            &[
                "host.test. A 192.0.2.1",
                "host.test. TXT node=1",
                "HOST.test. RRSIG test.",
                "ns.example. AAAA 2001:db8::1",
                "-example.test. A 192.0.2.66",
                "-www.bank.test. A 192.0.2.66",
                "-host.test. NS ns.evil.test.",
                "-example. NS ns.evil.test.",
            ],
        ],
    );
    check(
        "example. MX",
        [&["example. MX 1 mx.test."], &[], &["mx.test. A 192.0.2.1", "-m.test. A 192.0.2.1"]],
    );
    // RFC 6763 §12.1: from PTR over SRV to the address; RFC 9460 §4.1.
    check(
        "_ipp._tcp.local. PTR",
        [
            &["_ipp._tcp.local. PTR p._ipp._tcp.local."],
            &[],
            &[
                "p._ipp._tcp.local. SRV 0 0 631 p.local.",
                "p._ipp._tcp.local. TXT x",
                "p.local. A 192.0.2.1",
            ],
        ],
    );
    check(
        "www.example. HTTPS",
        [&["www.example. HTTPS 1 ."], &[], &["www.example. A 192.0.2.1", "-a.test. A 192.0.2.1"]],
    );
    check(
        "www.example. HTTPS",
        [
            &["www.example. HTTPS 0 svc.test."],
            &[],
            &["svc.test. HTTPS 1 .", "svc.test. A 192.0.2.1"],
        ],
    );
}

#[test]
fn records_of_another_class_are_dropped() {
    let mut reply = Reply::new(ResponseCode::NoError);
    let address = record("www.example. A 192.0.2.1");
    let mut chaos = address.clone();
    chaos.dns_class = DNSClass::CH;
    reply.answers = vec![chaos, address.clone()];
    let question = Question::query("www.example.".parse().unwrap(), RecordType::A);
    assert_eq!(confine(&question, &mut reply), Dropped { answers: 1, ..Dropped::default() });
    assert_eq!(reply.answers, [address]);
}

/// The name of a record's data, in lower case.
fn target(record: &Record) -> Option<String> {
    let name = match &record.data {
        RData::CNAME(name) => &name.0,
        RData::NS(name) => &name.0,
        RData::MX(mx) => &mx.exchange,
        _ => return None,
    };
    Some(name.to_lowercase().to_string())
}

/// What belongs to the question, said once more with texts and without signatures. An alias is added as long as there
/// is one; the authority is that of zones that one of the names ends with; additional records are added as long as
/// there is one at a name that was named.
fn naive(name: &str, qtype: RecordType, sections: &[Vec<Record>; 3]) -> [Vec<Record>; 3] {
    use RecordType::{CNAME, DNAME, NS, SOA};
    let owner = |record: &Record| record.name.to_lowercase().to_string();
    let kept = |records: &[Record], is_kept: &dyn Fn(&Record) -> bool| -> Vec<Record> {
        records.iter().filter(|record| is_kept(record)).cloned().collect()
    };
    let [answers, authorities, additionals] = sections;
    let mut reached = vec![name.to_lowercase()];
    let is_new = |record: &&Record, names: &[String]| {
        names.contains(&owner(record)) && target(record).is_some_and(|name| !names.contains(&name))
    };
    while let Some(alias) =
        answers.iter().filter(|r| r.record_type() == CNAME).find(|r| is_new(r, &reached))
    {
        reached.extend(target(alias));
    }
    let answers = kept(answers, &|record| {
        [qtype, CNAME].contains(&record.record_type()) && reached.contains(&owner(record))
    });
    let is_above = |zone: &str| {
        let end = format!(".{zone}");
        reached.iter().any(|name| zone == "." || name == zone || name.ends_with(&end))
    };
    let authorities = kept(authorities, &|record| {
        [SOA, NS].contains(&record.record_type()) && is_above(&owner(record))
    });
    let may_be_added = |record: &Record| ![SOA, NS, DNAME].contains(&record.record_type());
    let mut named = reached.clone();
    named.extend(answers.iter().chain(&authorities).filter_map(target));
    while let Some(more) =
        additionals.iter().filter(|r| may_be_added(r)).find(|r| is_new(r, &named))
    {
        named.extend(target(more));
    }
    let additionals =
        kept(additionals, &|record| may_be_added(record) && named.contains(&owner(record)));
    [answers, authorities, additionals]
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a.x.", "A.x.", "b.x.", "x.", "c.a.x.", "y.", "d.y.", "."])
        .prop_map(str::to_owned)
}

fn records() -> impl Strategy<Value = Record> {
    let data = prop_oneof![
        Just("A 192.0.2.1".to_owned()),
        Just("AAAA 2001:db8::1".to_owned()),
        names().prop_map(|name| format!("CNAME {name}")),
        names().prop_map(|name| format!("NS {name}")),
        names().prop_map(|name| format!("MX 1 {name}")),
        names().prop_map(|name| format!("RRSIG {name}")),
        Just("SOA ns. mail. 1 2 3 4 5".to_owned()),
    ];
    (names(), data).prop_map(|(owner, data)| parse(&format!("{owner} {data}")))
}

fn sections() -> impl Strategy<Value = [Vec<Record>; 3]> {
    prop::array::uniform3(prop::collection::vec(records(), 0..8))
}

fn unsigned(records: &[Record]) -> Vec<Record> {
    let is_signature = |record: &&Record| record.record_type() == RecordType::RRSIG;
    records.iter().filter(|record| !is_signature(record)).cloned().collect()
}

proptest! {
    #[test]
    fn what_is_passed_on_is_what_the_naive_statement_says(
        name in names(),
        qtype in prop::sample::select(vec![RecordType::A, RecordType::AAAA, RecordType::MX]),
        sections in sections(),
    ) {
        let question = Question::query(name.parse().unwrap(), qtype);
        let expected = naive(&name, qtype, &sections.clone().map(|records| unsigned(&records)));
        let [answers, authorities, additionals] = sections;
        let mut reply = Reply { answers, authorities, additionals, ..Reply::new(ResponseCode::NoError) };
        confine(&question, &mut reply);
        let Reply { answers, authorities, additionals, .. } = &reply;
        prop_assert_eq!([answers, authorities, additionals].map(|records| unsigned(records)), expected);
    }

    #[test]
    fn what_was_confined_stays_as_it_is(name in names(), sections in sections()) {
        let question = Question::query(name.parse().unwrap(), RecordType::A);
        let [answers, authorities, additionals] = sections;
        let before = answers.len() + authorities.len() + additionals.len();
        let mut reply = Reply { answers, authorities, additionals, ..Reply::new(ResponseCode::NoError) };
        let dropped = confine(&question, &mut reply);
        let after = reply.answers.len() + reply.authorities.len() + reply.additionals.len();
        prop_assert_eq!(before - after, dropped.answers + dropped.authorities + dropped.additionals);
        let once = reply.clone();
        prop_assert_eq!(confine(&question, &mut reply), Dropped::default());
        prop_assert_eq!(&reply, &once);
    }
}

#[tokio::test]
async fn dropped_records_are_counted_and_explained_over_every_transport() {
    let poisoner = |seen: super::fake_upstream::Seen| {
        let mut reply = reply_to(&seen.message);
        reply.answers.push(record("bank.test. A 192.0.2.66"));
        reply.authorities.push(record("test. NS ns.evil.test."));
        reply.authorities.push(record("example. NS ns.example."));
        reply.additionals.push(record("bank.test. A 192.0.2.66"));
        reply.additionals.push(record("ns.example. A 192.0.2.2"));
        vec![reply.to_vec().unwrap()]
    };
    let upstream = FakeUpstream::start(poisoner).await;
    let server = Server::new(&format!("forward . {}", upstream.address));
    for (at, query) in [by_udp("www.example."), by_tcp("www.example.")].iter().enumerate() {
        let (reply, notes) = server.explain(query).await;
        assert_eq!(reply.answers, [record("www.example. A 192.0.2.1")]);
        assert_eq!(reply.authorities, [record("example. NS ns.example.")]);
        assert_eq!(reply.additionals, [record("ns.example. A 192.0.2.2")]);
        let note = notes.join("\n");
        let says = ", 1 answer record dropped that the question does not lead to, 1 authority record dropped";
        assert!(note.contains(says), "{note}");
        for section in ["answer", "authority", "additional"] {
            let counted = server.metric("portolan_forward_dropped_records_total", section);
            assert!((counted - (at as f64 + 1.0)).abs() < 0.1, "{section}: {counted}");
        }
    }
}
