//! What clients get, by what the rest of the server answers.

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record};
use prometheus::Registry;

use super::*;
use crate::plugin::PluginMetrics;
use crate::plugin::scripted::Script;
use crate::plugin::testing::{configure, query, record, with_site};

/// A client over IPv6 that asks for `web.example. AAAA`.
fn question() -> Query {
    let mut question = query("Web.example.", RecordType::AAAA);
    question.client = "[2001:db8::7]:40212".parse().unwrap();
    question
}

fn reply(answers: &[(&str, &str)]) -> Reply {
    let answers = answers.iter().map(|(name, data)| record(name, data)).collect();
    Reply { answers, authentic_data: true, ..Reply::default() }
}

fn empty(soa_ttl: u32) -> Reply {
    let soa = SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 5);
    let soa = Record::from_rdata("example.".parse().unwrap(), soa_ttl, RData::SOA(soa));
    Reply { authorities: vec![soa], ..Reply::default() }
}

fn plugin(config: &str, metrics: &PluginMetrics) -> Vec<Box<dyn Plugin>> {
    let config = configure(config, Dns64Config::parse).unwrap();
    with_site(|site| vec![config.set_up(&Site { metrics, ..*site }).unwrap()])
}

/// What happened to a question.
struct Case {
    reply: Option<Reply>,
    asked: Vec<String>,
    notes: Vec<String>,
    translated: u64,
}

async fn case(config: &str, question: Query, ipv6: Option<Reply>, ipv4: Option<Reply>) -> Case {
    let metrics = PluginMetrics::register(&Registry::new()).unwrap();
    let script = Script::new([("web.example. AAAA", ipv6), ("web.example. A", ipv4)]);
    let (reply, notes) = script.ask(plugin(config, &metrics), question).await;
    let translated = metrics.dns64_translated.with_label_values(&["dns://:53"]).get();
    Case { reply, asked: script.asked(), notes, translated }
}

impl Case {
    fn answers(&self) -> Vec<String> {
        self.reply.as_ref().unwrap().answers.iter().map(ToString::to_string).collect()
    }
}

const BOTH: [&str; 2] = ["Web.example. AAAA", "Web.example. A"];

#[tokio::test]
async fn addresses_are_made_where_there_are_none() {
    let ipv4 = reply(&[("web.example.", "192.0.2.33"), ("web.example.", "192.0.2.34")]);
    let case = case("dns64", question(), Some(empty(3600)), Some(ipv4)).await;
    assert_eq!(
        case.answers(),
        ["web.example. 30 IN AAAA 64:ff9b::c000:221", "web.example. 30 IN AAAA 64:ff9b::c000:222"]
    );
    assert_eq!((case.asked, case.translated), (BOTH.map(str::to_owned).to_vec(), 1));
    assert_eq!(case.notes, ["made IPv6 addresses from IPv4 ones with 64:ff9b::/96"]);
    assert!(!case.reply.unwrap().authentic_data, "nobody has signed what was made");
}

#[tokio::test]
async fn the_prefix_of_the_corefile() {
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    for config in ["dns64 2001:db8:122::/48", "dns64 {\nprefix 2001:db8:122::/48\n}"] {
        let case = case(config, question(), Some(empty(9)), Some(ipv4.clone())).await;
        assert_eq!(case.answers(), ["web.example. 9 IN AAAA 2001:db8:122:c000:2:2100::"]);
    }
}

#[tokio::test]
async fn aliases_are_kept() {
    let ipv4 = reply(&[("web.example.", "real.example."), ("real.example.", "192.0.2.33")]);
    let ipv6 = Reply { answers: vec![ipv4.answers[0].clone()], ..empty(20) };
    let case = case("dns64", question(), Some(ipv6), Some(ipv4)).await;
    assert_eq!(
        case.answers(),
        ["web.example. 30 IN CNAME real.example.", "real.example. 20 IN AAAA 64:ff9b::c000:221"]
    );
}

#[tokio::test]
async fn the_ttl_is_the_shorter_of_the_address_and_the_soa() {
    for (address, soa, made) in [
        (30, Some(3600), 30),
        (30, Some(10), 10),
        (30, Some(0), 0),
        (30, None, 30),
        (3600, None, 600),
        (3600, Some(1800), 1800),
    ] {
        let mut ipv4 = reply(&[("web.example.", "192.0.2.33")]);
        ipv4.answers[0].ttl = address;
        let ipv6 = soa.map_or_else(Reply::default, empty);
        let case = case("dns64", question(), Some(ipv6), Some(ipv4)).await;
        assert_eq!(case.reply.unwrap().answers[0].ttl, made, "{address} {soa:?}");
    }
}

#[tokio::test]
async fn own_addresses_stay_unless_all_are_translated() {
    let ipv6 = reply(&[("web.example.", "2001:db8::1"), ("web.example.", "::ffff:192.0.2.1")]);
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    let own = case("dns64", question(), Some(ipv6.clone()), Some(ipv4.clone())).await;
    assert_eq!(own.answers(), ["web.example. 30 IN AAAA 2001:db8::1"], "without the mapped one");
    assert_eq!((own.asked.len(), own.translated), (1, 0));
    assert!(own.reply.unwrap().authentic_data);
    let all = "dns64 {\ntranslate_all\n}";
    let made = case(all, question(), Some(ipv6.clone()), Some(ipv4)).await;
    assert_eq!(made.answers(), ["web.example. 30 IN AAAA 64:ff9b::c000:221"]);
    assert_eq!(made.translated, 1);
    let neither = case(all, question(), Some(ipv6), Some(empty(1))).await;
    assert_eq!((neither.answers(), neither.translated), (vec![], 0));
}

#[tokio::test]
async fn mapped_addresses_count_as_none() {
    let ipv6 = reply(&[("web.example.", "::ffff:192.0.2.1")]);
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    let case = case("dns64", question(), Some(ipv6), Some(ipv4)).await;
    assert_eq!(case.answers(), ["web.example. 30 IN AAAA 64:ff9b::c000:221"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_asked_for_once() {
    let ipv6 = Some(Reply::new(ResponseCode::NXDomain));
    let case = case("dns64 {\ntranslate_all\n}", question(), ipv6, None).await;
    assert_eq!((case.reply.unwrap().rcode, case.asked.len()), (ResponseCode::NXDomain, 1));
}

#[tokio::test]
async fn other_errors_count_as_no_address() {
    let failure = || Some(Reply::new(ResponseCode::ServFail));
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    let made = case("dns64", question(), failure(), Some(ipv4)).await;
    assert_eq!(made.answers(), ["web.example. 30 IN AAAA 64:ff9b::c000:221"]);
    let both = case("dns64", question(), Some(empty(1)), failure()).await;
    assert_eq!((both.reply.unwrap().rcode, both.translated), (ResponseCode::ServFail, 0));
    assert_eq!(both.notes, ["the name has no IPv4 address either"]);
}

#[tokio::test]
async fn what_is_dropped_stays_dropped() {
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    assert_eq!(case("dns64", question(), None, Some(ipv4)).await.reply, None);
    assert_eq!(case("dns64", question(), Some(empty(1)), None).await.reply, None);
}

#[tokio::test]
async fn clients_over_ipv4_only_where_allowed() {
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    for client in ["10.240.0.1:40212", "[::ffff:10.240.0.1]:40212"] {
        let mut question = question();
        question.client = client.parse().unwrap();
        let none = case("dns64", question.clone(), Some(empty(1)), Some(ipv4.clone())).await;
        assert_eq!((none.answers(), none.asked.len()), (vec![], 1), "{client}");
        assert!(none.notes[0].contains("allow_ipv4 is not set"), "{:?}", none.notes);
        let allowed = "dns64 {\nallow_ipv4\n}";
        let made = case(allowed, question, Some(empty(1)), Some(ipv4.clone())).await;
        assert_eq!(made.answers(), ["web.example. 1 IN AAAA 64:ff9b::c000:221"], "{client}");
    }
}

#[tokio::test]
async fn who_validates_gets_the_truth() {
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    for (dnssec_ok, checking_disabled, made) in
        [(false, false, true), (true, false, true), (false, true, true), (true, true, false)]
    {
        let mut question = question();
        question.checking_disabled = checking_disabled;
        question.edns = Some(Edns::new());
        question.edns.as_mut().unwrap().set_dnssec_ok(dnssec_ok);
        let case = case("dns64", question, Some(empty(1)), Some(ipv4.clone())).await;
        assert_eq!(case.translated, u64::from(made), "DO {dnssec_ok} CD {checking_disabled}");
        assert_eq!(case.answers().len(), usize::from(made));
    }
}

#[tokio::test]
async fn other_questions_pass() {
    let ipv4 = reply(&[("web.example.", "192.0.2.33")]);
    let mut address = question();
    address.qtype = RecordType::A;
    let case = case("dns64", address, None, Some(ipv4)).await;
    assert_eq!(case.answers(), ["web.example. 30 IN A 192.0.2.33"]);
    assert_eq!(case.asked, ["Web.example. A"]);
    assert!(case.notes.is_empty());
}
