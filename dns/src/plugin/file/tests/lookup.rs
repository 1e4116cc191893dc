//! Lookups in one zone without DNSSEC.

use super::*;
use crate::plugin::file::answer::{MAX_ALIASES, Status};

/// The longest label.
const LABEL: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const SOA: &str =
    "example.org. 300 IN SOA ns1.example.org. admin.example.org. 7 7200 1800 86400 300";
const NS: [&str; 2] =
    ["example.org. 3600 IN NS ns1.example.org.", "example.org. 3600 IN NS ns.elsewhere.test."];

#[test]
fn records_come_with_the_owner_as_asked_and_the_servers_of_the_zone() {
    let zone = zone_of(ZONE);
    let www = ask(&zone, "WWW.Example.org.", RecordType::A);
    let expected = ["WWW.Example.org. 60 IN A 192.0.2.3", "WWW.Example.org. 60 IN A 192.0.2.4"];
    assert_eq!(
        (www.status, show(&www.answers)),
        (Status::Found, expected.map(String::from).into())
    );
    assert_eq!(show(&www.authorities), NS);
    let ns = ask(&zone, "example.org.", RecordType::NS);
    assert_eq!((show(&ns.answers), ns.authorities.len()), (NS.map(String::from).into(), 0));
    let glue =
        ["ns1.example.org. 3600 IN A 192.0.2.1", "ns1.example.org. 3600 IN AAAA 2001:db8::1"];
    assert_eq!(show(&ns.additionals), glue);
    let soa = ask(&zone, "example.org.", RecordType::SOA);
    assert_eq!(show(&soa.answers), [SOA.replace(" 300 IN", " 3600 IN")]);
    let srv = ask(&zone, "_sip._tcp.example.org.", RecordType::SRV);
    assert_eq!(show(&srv.additionals), glue);
    let mx = ask(&zone, "example.org.", RecordType::MX);
    assert_eq!(show(&mx.additionals), ["mail.example.org. 3600 IN A 192.0.2.2"]);
    let any = ask(&zone, "example.org.", RecordType::ANY);
    assert_eq!(any.answers.len(), 5, "SOA, two NS, MX and TXT");
}

#[test]
fn names_without_records_of_the_type_and_names_that_do_not_exist() {
    let zone = zone_of(ZONE);
    // (name, whether it exists, whether it has no record of its own)
    for (name, status, has_no_own_records) in [
        ("www.example.org.", Status::NoData, false),
        ("example.org.", Status::NoData, false),
        ("er.name.example.org.", Status::NoData, true),
        ("name.example.org.", Status::NoData, true),
        ("wild.example.org.", Status::NoData, true),
        ("ent.wild.example.org.", Status::NoData, true),
        ("x.wild.example.org.", Status::NoData, true),
        ("nope.example.org.", Status::NameError, false),
        ("x.www.example.org.", Status::NameError, false),
        // A name that exists ends what the wildcard above covers (RFC 4592 §3.3.1).
        ("x.exact.wild.example.org.", Status::NameError, false),
        ("x.ent.wild.example.org.", Status::NameError, false),
        ("x.deep.er.name.example.org.", Status::NameError, false),
    ] {
        let answer = ask(&zone, name, RecordType::SSHFP);
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(show(&answer.authorities), [SOA], "{name}");
        assert_eq!(answer.has_no_own_records, has_no_own_records, "{name}");
        assert!(answer.answers.is_empty(), "{name}");
    }
}

#[test]
fn wildcards() {
    let zone = zone_of(ZONE);
    for (name, qtype, data) in [
        ("x.Wild.example.org.", RecordType::A, Some("192.0.2.5")),
        ("a.b.wild.example.org.", RecordType::A, Some("192.0.2.5")),
        ("x.wild.example.org.", RecordType::MX, Some("5 mail.example.org.")),
        ("*.wild.example.org.", RecordType::A, Some("192.0.2.5")),
        ("exact.wild.example.org.", RecordType::A, None),
        ("exact.wild.example.org.", RecordType::TXT, Some("exact")),
    ] {
        let answer = ask(&zone, name, qtype);
        let expected = data.map(|data| format!("{name} 3600 IN {qtype} {data}"));
        assert_eq!(
            show(&answer.answers),
            expected.into_iter().collect::<Vec<_>>(),
            "{name} {qtype}"
        );
    }
    let alias = ask(&zone, "x.wildalias.example.org.", RecordType::AAAA);
    assert_eq!(show(&alias.answers), ["x.wildalias.example.org. 3600 IN CNAME www.example.org."]);
    assert_eq!(alias.status, Status::NoData);
}

#[test]
fn aliases_are_followed_within_the_zone() {
    let zone = zone_of(ZONE);
    let chain = ask(&zone, "alias2.example.org.", RecordType::A);
    let expected = [
        "alias2.example.org. 3600 IN CNAME Alias.example.org.",
        "Alias.example.org. 3600 IN CNAME www.example.org.",
        "www.example.org. 60 IN A 192.0.2.3",
        "www.example.org. 60 IN A 192.0.2.4",
    ];
    assert_eq!(show(&chain.answers), expected);
    assert_eq!(ask(&zone, "alias.example.org.", RecordType::CNAME).answers.len(), 1);
    assert_eq!(ask(&zone, "alias.example.org.", RecordType::ANY).answers.len(), 1);

    let dangling = ask(&zone, "dangling.example.org.", RecordType::A);
    assert_eq!((dangling.status, dangling.answers.len()), (Status::NameError, 1));
    assert_eq!(show(&dangling.authorities), [SOA]);
    let endless = ask(&zone, "loop1.example.org.", RecordType::A);
    assert_eq!((endless.status, endless.answers.len()), (Status::Found, 2));
    let outside = ask(&zone, "outside.example.org.", RecordType::A);
    assert_eq!(outside.answers.len(), 1);
    assert_eq!(outside.chase, Some("www.elsewhere.test.".parse().unwrap()));

    let links: Vec<String> = (0..30).map(|n| format!("c{n} CNAME c{}\n", n + 1)).collect();
    let long = zone_of(&format!("$TTL 9\n@ SOA a b 1 2 3 4 5\n{}", links.join("")));
    let answer = ask(&long, "c0.example.org.", RecordType::A);
    assert_eq!(answer.answers.len(), MAX_ALIASES + 1);
}

#[test]
fn zones_below_are_referred_to() {
    let zone = zone_of(ZONE);
    let servers = [
        "sub.example.org. 3600 IN NS ns.sub.example.org.",
        "sub.example.org. 3600 IN NS ns1.example.org.",
    ];
    let names = ["sub.example.org.", "host.sub.example.org.", "x.y.sub.example.org."];
    for (name, qtype) in names.into_iter().flat_map(|n| [(n, RecordType::A), (n, RecordType::NS)]) {
        let answer = ask(&zone, name, qtype);
        assert_eq!((answer.status, answer.answers.len()), (Status::Referral, 0), "{name}");
        assert_eq!(show(&answer.authorities), servers, "{name}");
        let glue = [
            "ns.sub.example.org. 3600 IN A 192.0.2.7",
            "ns1.example.org. 3600 IN A 192.0.2.1",
            "ns1.example.org. 3600 IN AAAA 2001:db8::1",
        ];
        assert_eq!(show(&answer.additionals), glue, "{name}");
    }
    let ds = ask(&zone, "sub.example.org.", RecordType::DS);
    assert_eq!((ds.status, ds.answers.len()), (Status::Found, 1), "the parent has it");
    let below = ask(&zone, "host.sub.example.org.", RecordType::DS);
    assert_eq!(below.status, Status::Referral);
    let alias = ask(&zone, "to-sub.example.org.", RecordType::A);
    assert_eq!((alias.status, alias.answers.len()), (Status::Referral, 1));
    assert_eq!(show(&alias.authorities), servers);
}

#[test]
fn names_below_a_dname_record_are_renamed() {
    let zone = zone_of(ZONE);
    let renamed = ask(&zone, "A.Old.example.org.", RecordType::A);
    let answers: Vec<String> = show(&renamed.answers)
        .iter()
        .map(|line| line.split(" IN ").next().unwrap().into())
        .collect();
    assert_eq!(
        answers,
        ["Old.example.org. 3600", "A.Old.example.org. 3600", "A.new.example.org. 3600"]
    );
    assert_eq!(renamed.answers[1].data.to_string(), "A.new.example.org.");
    let outside = ask(&zone, "b.away.example.org.", RecordType::A);
    assert_eq!(outside.chase, Some("b.elsewhere.test.".parse().unwrap()));
    assert_eq!(ask(&zone, "old.example.org.", RecordType::DNAME).answers.len(), 1);
    assert_eq!(ask(&zone, "old.example.org.", RecordType::A).status, Status::NoData);
    let missing = ask(&zone, "b.old.example.org.", RecordType::A);
    assert_eq!((missing.status, missing.answers.len()), (Status::NameError, 2));
    let long = format!("{}.", [LABEL; 3].join("."));
    let far = zone_of(&format!("$TTL 9\n@ SOA a b 1 2 3 4 5\nx DNAME {long}"));
    let name = format!("{}.x.example.org.", "b".repeat(63));
    assert_eq!(ask(&far, &name, RecordType::A).status, Status::TooLong);
}

#[test]
fn what_a_zone_cannot_be() {
    let origin: LowerName = "example.org.".parse().unwrap();
    let soa = "@ 1 SOA a b 1 2 3 4 5\n";
    for (text, problem) in [
        (String::new(), "db has no SOA record for the zone example.org.; add one"),
        ("x 1 SOA a b 1 2 3 4 5".into(), "db:1 - the SOA record is that of x.example.org."),
        (format!("{soa}@ 1 SOA a b 2 2 3 4 5"), "db:2 - a zone has one SOA record"),
    ] {
        let error = load(&origin, Path::new("db"), text.as_bytes(), &DiskFiles).unwrap_err();
        assert!(error.to_string().starts_with(problem), "{error}");
    }
    let text =
        format!("{soa}{soa}a 1 A 10.0.0.1\na 1 A 10.0.0.1\nb.test. 1 A 10.0.0.2\nc. 1 A 10.0.0.3");
    let zone = zone_of(&text);
    assert_eq!(zone.len(), 2, "doubles and strangers are left out");
    assert_eq!(zone.strangers(), Some(&(2, "b.test.".parse().unwrap())));
}
