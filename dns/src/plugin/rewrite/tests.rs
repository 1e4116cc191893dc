//! What rules do to the question that later plugins see and to the answer that the client gets.

use hickory_proto::op::{Edns, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{MX, PTR, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::RewriteConfig;
use crate::plugin::Plugin;
use crate::plugin::testing::recorder::{Course, Respond, course};
use crate::plugin::testing::{assert_refused, configure, query, record};
use crate::reply::ExtendedErrorCode;
use crate::{Protocol, Query, Reply};

/// Returns the question that the plugins after `rewrite` were asked.
fn question_seen(course: &Course) -> String {
    let asked = &course.seen[0];
    format!("{} {} {}", asked.name, asked.qclass, asked.qtype)
}

/// Returns the options that upstreams see, by code.
fn options(course: &Course) -> Vec<(u16, Vec<u8>)> {
    let edns = course.seen[0].edns.as_ref();
    let options = edns.map(|edns| edns.options().options.clone()).unwrap_or_default();
    let wire = |option: &EdnsOption| Vec::<u8>::try_from(option).unwrap();
    options.iter().map(|(code, option)| (u16::from(*code), wire(option))).collect()
}

async fn ask_with(rules: &str, query: Query, respond: Respond) -> Course {
    let rewrite = configure(rules, RewriteConfig::parse).unwrap().plugin();
    course(Box::new(rewrite), query, respond).await
}

/// Asks for the addresses of a name; the upstream knows one for every name.
async fn ask(rules: &str, name: &str) -> Course {
    ask_with(rules, query(name, RecordType::A), |query| {
        let answers = vec![record(&query.name.to_string(), "192.0.2.1")];
        Reply { answers, ..Reply::default() }
    })
    .await
}

fn with_option(code: u16, data: &[u8]) -> Query {
    let mut query = query("a.example.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    edns.options_mut().insert(EdnsOption::Unknown(code, data.to_vec()));
    query.edns = Some(edns);
    query
}

#[tokio::test]
async fn a_leading_asterisk_is_a_label_as_any_other() {
    let respond = |query: &Query| {
        let alias = record(&query.name.to_string(), &format!("*.{}", query.name));
        let address = record(&format!("*.{}", query.name), "192.0.2.1");
        Reply { answers: vec![alias, address], ..Reply::default() }
    };
    let rules = "rewrite name exact a.example b.example answer auto";
    let course = ask_with(rules, query("a.example.", RecordType::A), respond).await;
    let expected = ["a.example. 30 IN CNAME *.a.example.", "*.a.example. 30 IN A 192.0.2.1"];
    assert_eq!(course.answers(), expected);
}

#[tokio::test]
async fn names_by_every_kind_of_match() {
    for (rules, name, asked, owner) in [
        ("rewrite name a.example b.example", "A.example.", "b.example.", "A.example."),
        ("rewrite name exact a.example b.example", "a.example.", "b.example.", "a.example."),
        ("rewrite name exact a.example b.example", "x.a.example.", "x.a.example.", "x.a.example."),
        ("rewrite name prefix foo bar", "foo.example.", "bar.example.", "bar.example."),
        ("rewrite name prefix foo bar", "x.foo.", "x.foo.", "x.foo."),
        ("rewrite name prefix foo bar", "food.example.", "food.example.", "food.example."),
        ("rewrite name suffix .com .org", "foo.com.", "foo.org.", "foo.org."),
        ("rewrite name suffix com org", "com.foo.", "com.foo.", "com.foo."),
        ("rewrite name substring b.c x.y", "a.b.c.d.", "a.x.y.d.", "a.x.y.d."),
        (
            "rewrite name REGEX (.*)-(u1)\\.org {1}.svc.{2}.Net",
            "F-u1.org.",
            "f.svc.u1.net.",
            "f.svc.u1.net.",
        ),
        ("rewrite name regex ^a\\. {0}b", "A.example.", "a.b.", "a.b."),
    ] {
        let course = ask(rules, name).await;
        assert_eq!(question_seen(&course), format!("{asked} IN A"), "{rules}");
        assert_eq!(course.answers(), [format!("{owner} 30 IN A 192.0.2.1")], "{rules}");
        assert_eq!(course.question.name.to_string(), name, "{rules}: the client's question");
    }
}

#[tokio::test]
async fn answer_auto_turns_every_section_back() {
    let respond = |query: &Query| {
        let name = query.name.to_string();
        let sub: Name = format!("sub.{name}").parse().unwrap();
        Reply {
            answers: vec![record(&format!("x.{name}"), &name), record("other.", "192.0.2.2")],
            authorities: vec![Record::from_rdata(
                query.name.clone(),
                30,
                RData::SOA(SOA::new(sub.clone(), "h.".parse().unwrap(), 1, 2, 3, 4, 5)),
            )],
            additionals: vec![Record::from_rdata(
                query.name.clone(),
                30,
                RData::SRV(SRV::new(1, 2, 3, sub)),
            )],
            ..Reply::default()
        }
    };
    for (rule, name) in [
        ("exact a.old.example b.new.example", "a.old.example."),
        ("exact a.old.example b.new.example answer auto", "a.old.example."),
        ("prefix a b answer auto", "a.old.example."),
        ("suffix old.example. new.example. answer auto", "a.old.example."),
        ("substring old new answer auto", "a.old.example."),
        ("regex (.)\\.old\\.example {1}.new.example answer auto", "a.old.example."),
    ] {
        let rules = format!("rewrite name {rule}");
        let course = ask_with(&rules, query(name, RecordType::A), respond).await;
        assert_ne!(question_seen(&course), "a.old.example. IN A", "{rule}");
        assert_eq!(
            course.answers(),
            ["x.a.old.example. 30 IN CNAME a.old.example.", "other. 30 IN A 192.0.2.2"],
            "{rule}"
        );
        assert_eq!(
            course.reply.authorities[0].to_string(),
            "a.old.example. 30 IN SOA sub.a.old.example. h. 1 2 3 4 5",
            "{rule}"
        );
        assert_eq!(
            course.reply.additionals[0].to_string(),
            "a.old.example. 30 IN SRV 1 2 3 sub.a.old.example.",
            "{rule}"
        );
    }
    let course =
        ask_with("rewrite name prefix a b", query("a.old.example.", RecordType::A), respond);
    assert_eq!(course.await.reply.authorities[0].name.to_string(), "b.old.example.");
}

#[tokio::test]
async fn answer_name_and_value() {
    let respond = |query: &Query| Reply {
        answers: vec![Record::from_rdata(
            query.name.clone(),
            30,
            RData::MX(MX::new(10, "mail.svc.u1.consul.".parse().unwrap())),
        )],
        ..Reply::default()
    };
    let name = "rewrite stop {\n name regex (.*)-(u1)\\.rocks {1}.svc.{2}.consul\n";
    let owner = " answer name (.*)\\.svc\\.(u1)\\.consul {1}-{2}.rocks\n";
    let value = " answer value (.*)\\.svc\\.(u1)\\.consul {1}-{2}.rocks\n";
    let one_line = "rewrite name regex (.*)-(u1)\\.rocks {1}.svc.{2}.consul answer name (.*)\\.svc\\.(u1)\\.consul {1}-{2}.rocks value ^mail smtp.rocks";
    for (rules, expected) in [
        (format!("{name}}}"), "ftp.svc.u1.consul. 30 IN MX 10 mail.svc.u1.consul."),
        (format!("{name}{owner}}}"), "ftp-u1.rocks. 30 IN MX 10 mail.svc.u1.consul."),
        (format!("{name}{value}}}"), "ftp.svc.u1.consul. 30 IN MX 10 mail-u1.rocks."),
        (format!("{name}{owner}{value}}}"), "ftp-u1.rocks. 30 IN MX 10 mail-u1.rocks."),
        (one_line.to_owned(), "ftp-u1.rocks. 30 IN MX 10 smtp.rocks."),
    ] {
        let course = ask_with(&rules, query("ftp-u1.rocks.", RecordType::MX), respond).await;
        assert_eq!(question_seen(&course), "ftp.svc.u1.consul. IN MX", "{rules}");
        assert_eq!(course.answers(), [expected], "{rules}");
    }
}

#[tokio::test]
async fn the_example_of_the_readme_for_reverse_names() {
    let rules = "rewrite stop {\n name suffix .arpa .arpa\n answer name auto\n answer value (.*)\\.service\\.consul\\. {1}.coredns.rocks.\n}";
    let course = ask_with(rules, query("30.10.in-addr.arpa.", RecordType::PTR), |query| {
        let target = PTR("ftp.service.consul.".parse().unwrap());
        let answers = vec![Record::from_rdata(query.name.clone(), 60, RData::PTR(target))];
        Reply { answers, ..Reply::default() }
    });
    assert_eq!(course.await.answers(), ["30.10.in-addr.arpa. 60 IN PTR ftp.coredns.rocks."]);
}

#[tokio::test]
async fn stop_ends_and_continue_goes_on() {
    let third = "rewrite name c.example d.example";
    for (rules, asked) in [
        ("rewrite name a.example b.example\nrewrite name b.example c.example", "b.example."),
        ("rewrite stop name a.example b.example\nrewrite name b.example c.example", "b.example."),
        (
            "rewrite continue name a.example b.example\nrewrite name b.example c.example",
            "c.example.",
        ),
        (
            "rewrite continue name x.example y.example\nrewrite name a.example c.example",
            "c.example.",
        ),
        (
            "rewrite CONTINUE name a.example b.example\nrewrite continue name b.example c.example",
            "d.example.",
        ),
    ] {
        let course = ask(&format!("{rules}\n{third}"), "a.example.").await;
        assert_eq!(question_seen(&course), format!("{asked} IN A"), "{rules}");
        assert_eq!(course.answers(), ["a.example. 30 IN A 192.0.2.1"], "{rules}: turned back");
    }
}

#[tokio::test]
async fn types_and_classes() {
    let mut any = query("a.example.", RecordType::ANY);
    let empty: Respond = |_| Reply::default();
    let course = ask_with("rewrite type ANY hinfo", any.clone(), empty).await;
    assert_eq!(question_seen(&course), "a.example. IN HINFO");
    assert_eq!(course.question.qtype, RecordType::ANY);
    let rules = "rewrite continue class HS CH\nrewrite class CH IN\nrewrite type TYPE255 A";
    any.qclass = DNSClass::HS;
    let course = ask_with(rules, any.clone(), empty).await;
    assert_eq!(question_seen(&course), "a.example. IN ANY", "the second rule was the last");
    assert_eq!(course.question.qclass, DNSClass::HS);
    let found = ask_with(rules, any.clone(), |query| {
        let mut other = record("other.", "192.0.2.2");
        other.dns_class = DNSClass::CH;
        Reply {
            answers: vec![record(&query.name.to_string(), "192.0.2.1"), other],
            ..Reply::default()
        }
    });
    let classes: Vec<_> = found.await.reply.answers.iter().map(|record| record.dns_class).collect();
    assert_eq!(classes, [DNSClass::HS, DNSClass::HS], "turned back, one rule after the other");
    any.qclass = DNSClass::IN;
    assert_eq!(question_seen(&ask_with(rules, any, empty).await), "a.example. IN A");
    assert_eq!(ask("rewrite type AAAA A", "a.example.").await.notes, [""; 0]);
}

#[tokio::test]
async fn ttls_by_value_and_range() {
    let respond: Respond = |query| {
        let with = |ttl| {
            let mut record = record(&query.name.to_string(), "192.0.2.1");
            record.ttl = ttl;
            vec![record]
        };
        Reply {
            answers: with(5),
            authorities: with(50),
            additionals: with(500),
            ..Reply::default()
        }
    };
    for (rule, expected) in [
        ("a.example 15", [15, 15, 15]),
        ("exact a.example. 20-100", [20, 50, 100]),
        ("prefix a -30", [5, 30, 30]),
        ("suffix example 40-", [40, 50, 500]),
        ("substring a.ex 0", [5, 50, 500]),
        ("substring a.example 0", [0, 0, 0]),
        ("regex ^.\\.exa 7-8", [7, 8, 8]),
        ("b.example 15", [5, 50, 500]),
    ] {
        let rules = format!("rewrite ttl {rule}");
        let reply = ask_with(&rules, query("A.example.", RecordType::A), respond).await.reply;
        let ttls = [&reply.answers, &reply.authorities, &reply.additionals].map(|of| of[0].ttl);
        assert_eq!(ttls, expected, "{rule}");
    }
}

#[tokio::test]
async fn rcodes() {
    let failing: Respond = |_| Reply::server_failure(ExtendedErrorCode::NetworkError, "down");
    for (rule, expected) in [
        ("a.example SERVFAIL NOERROR", ResponseCode::NoError),
        ("exact a.example 2 3", ResponseCode::NXDomain),
        ("prefix a servfail REFUSED", ResponseCode::Refused),
        ("suffix example SERVFAIL 23", ResponseCode::BADCOOKIE),
        ("substring a.example SERVFAIL NOERROR", ResponseCode::NoError),
        ("regex .* SERVFAIL NOTIMP", ResponseCode::NotImp),
        ("a.example NXDOMAIN NOERROR", ResponseCode::ServFail),
        ("b.example SERVFAIL NOERROR", ResponseCode::ServFail),
    ] {
        let rules = format!("rewrite rcode {rule}");
        let reply = ask_with(&rules, query("a.example.", RecordType::A), failing).await.reply;
        assert_eq!(reply.rcode, expected, "{rule}");
        assert_eq!(reply.extended_error.is_some(), reply.is_failure(), "{rule}");
    }
}

#[tokio::test]
async fn cname_targets_are_looked_up_anew() {
    let respond: Respond = |query| {
        let answers = match query.name.to_string().as_str() {
            "www.example." => vec![
                record("www.example.", "cdn.old.example."),
                record("cdn.old.example.", "192.0.2.1"),
            ],
            "round.example." => vec![record("round.example.", "round.example.")],
            name => vec![record(name, "198.51.100.1")],
        };
        Reply { answers, ..Reply::default() }
    };
    for (rule, target) in [
        ("cdn.old.example cdn.new.example", "cdn.new.example."),
        ("exact cdn.old.example. cdn.new.example.", "cdn.new.example."),
        ("prefix cdn-no x", ""),
        ("prefix cd in", "inn.old.example."),
        ("suffix .old.example .new.example", "cdn.new.example."),
        ("substring old new", "cdn.new.example."),
        ("regex ^([a-z]+)\\.old\\..*$ {1}.edge.example", "cdn.edge.example."),
    ] {
        let rules = format!("rewrite cname {rule}");
        let course = ask_with(&rules, query("www.example.", RecordType::A), respond).await;
        let expected = if target.is_empty() {
            [
                "www.example. 30 IN CNAME cdn.old.example.".to_owned(),
                "cdn.old.example. 30 IN A 192.0.2.1".to_owned(),
            ]
        } else {
            [format!("www.example. 30 IN CNAME {target}"), format!("{target} 30 IN A 198.51.100.1")]
        };
        assert_eq!(course.answers(), expected, "{rule}");
    }
    let rules = "rewrite cname round.example round.example";
    let reply = ask_with(rules, query("round.example.", RecordType::A), respond).await.reply;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert!(reply.extended_error.is_some());
}

#[tokio::test]
async fn local_options_by_action() {
    let empty: Respond = |_| Reply::default();
    let abcd = b"abcd".to_vec();
    for (rule, without, with) in [
        ("set 0xffee abcd", Some(abcd.clone()), Some(abcd.clone())),
        ("set 65518 0x61626364", Some(abcd.clone()), Some(abcd.clone())),
        ("append 0xffee abcd", Some(abcd.clone()), Some(b"old".to_vec())),
        ("replace 0xffee abcd", None, Some(abcd.clone())),
        ("unset 0xffee", None, None),
        ("set 0o177756 abcd revert", Some(abcd.clone()), Some(abcd.clone())),
    ] {
        let rules = format!("rewrite edns0 local {rule}");
        let of = |course: Course| {
            options(&course).pop().map(|(code, data)| {
                assert_eq!(code, 0xffee);
                data
            })
        };
        let course = ask_with(&rules, query("a.example.", RecordType::A), empty).await;
        assert_eq!(course.question.edns, None, "{rule}: the client has no EDNS");
        assert_eq!(of(course), without, "{rule}");
        let course = ask_with(&rules, with_option(0xffee, b"old"), empty).await;
        assert_eq!(course.question, with_option(0xffee, b"old"), "{rule}");
        assert_eq!(of(course), with, "{rule}");
    }
    let course = ask_with("rewrite edns0 local set 1 x", query("a.", RecordType::A), empty).await;
    assert_eq!(course.seen[0].edns.as_ref().unwrap().max_payload(), 1232);
}

#[tokio::test]
async fn the_client_gets_a_set_option_without_revert_only() {
    for (rule, expected) in [
        ("local set 0xffee abcd", vec![(0xffee, b"abcd".to_vec())]),
        ("local set 0xffee abcd revert", vec![]),
        ("local append 0xffee abcd revert", vec![]),
        ("local unset 0xffee", vec![]),
        ("nsid set", vec![(3, vec![])]),
        ("nsid set revert", vec![]),
        ("subnet set 24 56", vec![(8, vec![0, 1, 24, 0, 10, 240, 0])]),
        ("subnet set 24 56 revert", vec![]),
    ] {
        let rules = format!("rewrite edns0 {rule}");
        let course = ask_with(&rules, with_option(9, b""), |_| Reply::default()).await;
        assert_eq!(course.reply.options, expected, "{rule}");
    }
}

#[tokio::test]
async fn variables_and_metadata() {
    let mut asked = query("A.example.", RecordType::AAAA);
    asked.protocol = Protocol::Tcp;
    for (variable, expected) in [
        ("{qname}", b"a.example.".to_vec()),
        ("{qtype}", vec![0, 28]),
        ("{client_ip}", vec![10, 240, 0, 1]),
        ("{client_port}", vec![0x9d, 0x14]),
        ("{protocol}", b"tcp".to_vec()),
        ("{server_ip}", vec![10, 96, 0, 10]),
        ("{server_port}", vec![0, 53]),
        ("{kubernetes/client-namespace}", b"shop-40212".to_vec()),
    ] {
        let rules = format!("rewrite edns0 local set 0xffee {variable}");
        let course = ask_with(&rules, asked.clone(), |_| Reply::default()).await;
        assert_eq!(options(&course), [(0xffee, expected)], "{variable}");
    }
    let rules = "rewrite edns0 local set 0xffee {kubernetes/nobody-knows}";
    let course = ask_with(rules, asked.clone(), |_| Reply::default()).await;
    assert_eq!(course.seen[0].edns, None);
    // A variable tells what earlier rules made of the question.
    let rules = "rewrite continue name a.example b.example\nrewrite edns0 local set 1 {qname}";
    let course = ask_with(rules, asked, |_| Reply::default()).await;
    assert_eq!(options(&course), [(1, b"b.example.".to_vec())]);
}

#[tokio::test]
async fn nsid_and_subnet_options() {
    let nsid: (u16, Vec<u8>) = (3, vec![]);
    let empty: Respond = |_| Reply::default();
    for (rule, without, with) in [
        ("set", vec![nsid.clone()], vec![nsid.clone()]),
        ("append", vec![nsid.clone()], vec![(3, b"me".to_vec())]),
        ("replace", vec![], vec![nsid.clone()]),
        ("unset", vec![], vec![]),
    ] {
        let rules = format!("rewrite edns0 nsid {rule}");
        let plain = ask_with(&rules, query("a.", RecordType::A), empty).await;
        assert_eq!(options(&plain), without, "{rule}");
        assert_eq!(options(&ask_with(&rules, with_option(3, b"me"), empty).await), with, "{rule}");
    }
    let own = vec![(8, vec![0, 1, 16, 0, 10, 240])];
    let foreign = vec![0, 1, 24, 0, 203, 0, 113];
    for (rule, without, with) in [
        ("set 16 56", own.clone(), own.clone()),
        ("append 16 56", own.clone(), vec![(8, foreign.clone())]),
        ("replace 16 56", vec![], own.clone()),
        ("unset", vec![], vec![]),
    ] {
        let rules = format!("rewrite edns0 subnet {rule}");
        let plain = ask_with(&rules, query("a.", RecordType::A), empty).await;
        assert_eq!(options(&plain), without, "{rule}");
        let course = ask_with(&rules, with_option(8, &foreign), empty).await;
        assert_eq!(options(&course), with, "{rule}");
    }
    let mut ipv6 = query("a.", RecordType::A);
    ipv6.client = "[2001:db8:1:2::3]:7".parse().unwrap();
    let course = ask_with("rewrite edns0 subnet set 24 32", ipv6, empty).await;
    assert_eq!(options(&course), [(8, vec![0, 2, 32, 0, 32, 1, 13, 184])]);
}

#[tokio::test]
async fn an_illegal_name_is_a_server_failure() {
    let label = "a".repeat(40);
    for (rule, name) in [
        ("regex ^(.*)\\.example\\.$ {1}..example".to_owned(), "a.example.".to_owned()),
        (format!("prefix a {label}{label}"), "a.example.".to_owned()),
        ("substring b. bb.bb.".to_owned(), format!("{}example.", "b.".repeat(100))),
    ] {
        let course = ask(&format!("rewrite name {rule}"), &name).await;
        assert_eq!(course.reply.rcode, ResponseCode::ServFail, "{rule}");
        let error = course.reply.extended_error.unwrap();
        assert!(error.text.contains("invalid name after rewrite"), "{error:?}");
        assert!(course.seen.is_empty());
        assert_eq!(course.question.name.to_string(), name);
    }
}

#[tokio::test]
async fn what_a_record_cannot_be_called_stays() {
    let rules = "rewrite name regex .* b.example answer name .* a..b";
    assert_eq!(ask(rules, "a.example.").await.answers(), ["b.example. 30 IN A 192.0.2.1"]);
}

#[tokio::test]
async fn decisions_are_noted() {
    let rules = "rewrite continue name a.example b.example\nrewrite continue type A AAAA\nrewrite edns0 nsid set";
    let notes = ask(rules, "a.example.").await.notes;
    let expected = "the name becomes b.example., the type becomes AAAA, the EDNS options change";
    assert_eq!(notes, [expected]);
    let notes = ask("rewrite ttl a.example 5", "a.example.").await.notes;
    assert_eq!(notes, ["only the reply changes"]);
    assert_eq!(ask("rewrite ttl b.example 5", "a.example.").await.notes, [""; 0]);
}

#[test]
fn refused() {
    let long = format!("rewrite name regex {} b", "a".repeat(10_001));
    let long_text = format!("rewrite name suffix {} b", "a".repeat(1021));
    let long_data = format!("rewrite edns0 local set 1 {}", "a".repeat(193));
    assert_refused(
        RewriteConfig::parse,
        &[
            ("rewrite", "the field, such as name or ttl, is missing"),
            ("rewrite stop", "the field, such as name or ttl, is missing"),
            (
                "rewrite flag aa",
                "unknown field 'flag'; there is name, type, class, ttl, rcode, cname and edns0",
            ),
            ("rewrite answer name a b", "answer belongs behind a name rule"),
            ("rewrite name a", "what the name becomes is missing"),
            ("rewrite name a.com b.com c.com", "'a.com' is no kind of match"),
            ("rewrite name regex a", "a word is missing behind regex"),
            ("rewrite name exact a..b c", "'a..b' is no domain name"),
            ("rewrite name exact a b..c", "'b..c' is no domain name"),
            ("rewrite name regex ([a]\\.com b", "is no regular expression; correct it"),
            (
                "rewrite name regex (.*).a {1}.{2}.b",
                "names the group {2}, and the regular expression has 1",
            ),
            (&long, "has 10001 octets; shorten it to 10000"),
            (&long_text, "has 1021 octets; no name is longer than 1020"),
            ("rewrite name suffix a b answer", "auto, name or value behind answer is missing"),
            ("rewrite name suffix a b answer other", "unknown answer 'other'"),
            (
                "rewrite name suffix a b answer name x",
                "what the name of the answer becomes is missing",
            ),
            ("rewrite name suffix a b c d", "'c' is no option of a name rule"),
            (
                "rewrite name suffix a b answer auto answer name c d",
                "answer auto already turns names back",
            ),
            ("rewrite name a b {\n ttl a 5\n}", "not in both"),
            ("rewrite stop {\n name a b {\n c\n}\n}", "remove the braces"),
            ("rewrite type A", "the type: type FROM TO is missing"),
            ("rewrite type any a a", "remove 'a': the rule is complete"),
            ("rewrite type XY A", "'XY' is no type"),
            ("rewrite class IN XY", "'XY' is no class"),
            ("rewrite ttl a 30-20", "'30-20' is no TTL"),
            ("rewrite ttl a -", "'-' is no TTL"),
            ("rewrite ttl a 2147483648", "is no TTL"),
            ("rewrite rcode a SERVFAIL OOPS", "'OOPS' is no rcode"),
            ("rewrite rcode a 24 0", "'24' is no rcode"),
            ("rewrite cname a", "the new target is missing"),
            ("rewrite edns0 local", "set, append, replace or unset is missing"),
            ("rewrite edns0 local foo 1 x", "unknown action 'foo'"),
            ("rewrite edns0 local set 65536 x", "is no code of an option"),
            ("rewrite edns0 local set 0x+f x", "is no code of an option"),
            ("rewrite edns0 local set 0xffee 0xabc", "is no hexadecimal number"),
            (
                "rewrite edns0 local set 0xffee {dummy}",
                "unknown variable {dummy}; there is {qname}",
            ),
            (&long_data, "the data has 193 octets; shorten it to 192"),
            ("rewrite edns0 nsid set junk", "remove 'junk'"),
            ("rewrite edns0 subnet set 33 56", "'33' is no number of bits; write 0 to 32"),
            ("rewrite edns0 subnet set 24 -56", "write 0 to 128"),
            ("rewrite edns0 tcp set", "unknown option 'tcp'; there is local, nsid and subnet"),
        ],
    );
}

#[test]
fn classes_are_taken_only_where_a_rule_changes_them() {
    let takes = |rules| configure(rules, RewriteConfig::parse).unwrap().plugin().takes_any_class();
    assert!(takes("rewrite class CH IN"));
    assert!(!takes("rewrite name a b"));
}
