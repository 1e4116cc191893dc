//! The lookup stated once more, as plainly as RFC 1034 §4.3.2 and RFC 4592 do, over a list of records; random zones
//! have to answer alike.

use std::collections::BTreeSet;

use hickory_proto::rr::RData;
use proptest::prelude::*;

use super::*;
use crate::plugin::file::answer::{MAX_ALIASES, Status};

/// A record: the labels of its owner below the apex, its type and its data as text.
type Line = (Vec<&'static str>, RecordType, String);

/// What a question comes to: the status, and the owner, type and data of each answer.
type Outcome = (Status, BTreeSet<(String, RecordType, String)>);

fn labels(name: &LowerName) -> Vec<String> {
    let labels = name.iter().map(|label| String::from_utf8(label.to_vec()).unwrap());
    let mut labels: Vec<String> = labels.collect();
    labels.truncate(labels.len() - 2);
    labels
}

/// All records of a name and type.
fn of<'a>(lines: &'a [Line], owner: &[String], rtype: RecordType) -> Vec<&'a str> {
    let is_it = |line: &&Line| line.0 == owner && line.1 == rtype;
    lines.iter().filter(is_it).map(|line| line.2.as_str()).collect()
}

/// A name exists if it, or a name below it, has records (RFC 4592 §2.2).
fn exists(lines: &[Line], name: &[String]) -> bool {
    name.is_empty()
        || lines.iter().any(|(owner, ..)| {
            owner.len() >= name.len() && owner[owner.len() - name.len()..] == *name
        })
}

fn naive(lines: &[Line], name: &LowerName, qtype: RecordType) -> Outcome {
    let mut answers = BTreeSet::new();
    let mut visited = vec![name.clone()];
    let mut name = name.clone();
    loop {
        let (status, target) = step(lines, &name, qtype, &mut answers);
        let Some(target) = target else { return (status, answers) };
        let target = LowerName::new(&Name::from_ascii(&target).unwrap());
        // Records repeat in a circle, and the set of answers does not grow.
        if visited.contains(&target)
            || visited.len() > MAX_ALIASES
            || !target.to_string().ends_with("example.org.")
        {
            return (Status::Found, answers);
        }
        visited.push(target.clone());
        name = target;
    }
}

fn step(
    lines: &[Line],
    lower: &LowerName,
    qtype: RecordType,
    answers: &mut BTreeSet<(String, RecordType, String)>,
) -> (Status, Option<String>) {
    let name = labels(lower);
    // From the apex down to the name: a cut or a DNAME record ends the way.
    for depth in 0..=name.len() {
        let above = &name[name.len() - depth..];
        let is_itself = depth == name.len();
        let is_cut = depth > 0 && !of(lines, above, RecordType::NS).is_empty();
        if is_cut && !(is_itself && qtype == RecordType::DS) {
            return (Status::Referral, None);
        }
        if let ([to, ..], false) = (of(lines, above, RecordType::DNAME).as_slice(), is_itself) {
            let owner = full(above);
            answers.insert((owner, RecordType::DNAME, (*to).to_owned()));
            let target = format!("{}.{to}", name[..name.len() - depth].join("."));
            if target.len() > 254 {
                return (Status::TooLong, None);
            }
            answers.insert((lower.to_string(), RecordType::CNAME, target.clone()));
            return (Status::Found, Some(target));
        }
    }
    let mut source = name.clone();
    if !exists(lines, &name) {
        let mut encloser = name.clone();
        while !exists(lines, &encloser) {
            encloser.remove(0);
        }
        source = encloser;
        source.insert(0, "*".to_owned());
        if !exists(lines, &source) {
            return (Status::NameError, None);
        }
    }
    if let ([to, ..], true) =
        (of(lines, &source, RecordType::CNAME).as_slice(), qtype != RecordType::CNAME)
    {
        answers.insert((lower.to_string(), RecordType::CNAME, (*to).to_owned()));
        return (Status::Found, Some((*to).to_owned()));
    }
    let found = of(lines, &source, qtype);
    let status = if found.is_empty() { Status::NoData } else { Status::Found };
    answers.extend(found.iter().map(|data| (lower.to_string(), qtype, (*data).to_owned())));
    (status, None)
}

fn full(labels: &[String]) -> String {
    let below: String = labels.iter().map(|label| format!("{label}.")).collect();
    format!("{below}example.org.")
}

/// Few labels, so that names meet.
fn owners() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..4)
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let name = || {
        let inside = owners().prop_map(|labels| {
            full(&labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>())
        });
        prop_oneof![9 => inside, 1 => Just("x.other.test.".to_owned())]
    };
    let data = prop_oneof![
        8 => (1..5_u8).prop_map(|n| (RecordType::A, format!("192.0.2.{n}"))),
        2 => (1..5_u8).prop_map(|n| (RecordType::TXT, format!("t{n}"))),
        3 => name().prop_map(|name| (RecordType::CNAME, name)),
        2 => Just((RecordType::NS, "ns.other.test.".to_owned())),
        1 => name().prop_map(|name| (RecordType::DNAME, name)),
    ];
    let line = (owners(), data).prop_map(|(owner, (rtype, data))| (owner, rtype, data));
    prop::collection::vec(line, 0..12)
}

/// Leaves out what makes a zone ambiguous: a second alias of a name, and records that the apex has anyway.
fn sane(lines: Vec<Line>) -> Vec<Line> {
    let mut kept: Vec<Line> = Vec::new();
    for line in lines {
        let is_alias = matches!(line.1, RecordType::CNAME | RecordType::DNAME);
        let has_one = kept.iter().any(|other| other.0 == line.0 && other.1 == line.1);
        let is_apex_ns = line.0.is_empty() && line.1 == RecordType::NS;
        if !(is_alias && has_one || is_apex_ns || kept.contains(&line)) {
            kept.push(line);
        }
    }
    kept
}

proptest! {
    #[test]
    fn zones_answer_like_the_plain_statement(
        lines in lines(),
        question in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*"]), 0..5),
        qtype in prop::sample::select(vec![
            RecordType::A, RecordType::TXT, RecordType::CNAME, RecordType::DS, RecordType::DNAME,
        ]),
    ) {
        let lines = sane(lines);
        let mut text = "$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS ns.other.test.\n".to_owned();
        for (owner, rtype, data) in &lines {
            let owner: Vec<String> = owner.iter().map(|label| (*label).to_owned()).collect();
            text.push_str(&format!("{} {rtype} {data}\n", full(&owner)));
        }
        let name = full(&question.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>());
        let expected = naive(&lines, &name.parse().unwrap(), qtype);
        let answer = ask(&zone_of(&text), &name, qtype);
        let shown = answer.answers.iter().map(|record| {
            let data = match &record.data {
                RData::Unknown { rdata, .. } => {
                    crate::zone_file::data::name_in(&rdata.anything).unwrap().to_ascii()
                }
                RData::TXT(text) => String::from_utf8(text.txt_data[0].to_vec()).unwrap(),
                RData::CNAME(name) => name.0.to_ascii(),
                data => data.to_string(),
            };
            (record.name.to_ascii(), record.record_type(), data)
        });
        let status = if answer.chase.is_some() { Status::Found } else { answer.status };
        prop_assert_eq!((status, shown.collect()), expected, "{} {} in\n{}", name, qtype, text);
    }
}
