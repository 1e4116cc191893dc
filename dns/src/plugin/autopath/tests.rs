//! Searches, by what the rest of the server answers. The numbers are those of the recorded cases of CoreDNS.

use hickory_proto::rr::RecordType;
use prometheus::Registry;

use super::*;
use crate::ExtendedErrorCode;
use crate::plugin::scripted::Script;
use crate::plugin::testing::{query, record};

const ASKED: &str = "Web.shop.svc.cluster.local.";

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn list() -> Vec<Name> {
    names(&["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "corp.example."])
}

fn found(name: &str) -> Option<Reply> {
    let answers = vec![record(name, "10.0.0.1")];
    Some(Reply { answers, authentic_data: true, ..Reply::default() })
}

fn failing(rcode: ResponseCode) -> Option<Reply> {
    Some(Reply::new(rcode))
}

/// What happened to a question.
struct Case {
    reply: Option<Reply>,
    asked: Vec<String>,
    notes: Vec<String>,
    success: u64,
}

impl Case {
    fn answers(&self) -> Vec<String> {
        self.reply.as_ref().unwrap().answers.iter().map(ToString::to_string).collect()
    }
}

async fn case<const N: usize>(name: &str, replies: [(&str, Option<Reply>); N]) -> Case {
    let zones = vec!["cluster.local.".parse().unwrap()];
    run(
        Autopath::fixed(zones, list(), "dns://:53", &metrics()),
        query(name, RecordType::A),
        replies,
    )
    .await
}

fn metrics() -> PluginMetrics {
    PluginMetrics::register(&Registry::new()).unwrap()
}

async fn run<const N: usize>(
    plugin: Autopath,
    question: Query,
    replies: [(&str, Option<Reply>); N],
) -> Case {
    let (script, success) = (Script::new(replies), plugin.success.clone());
    let (reply, notes) = script.ask(vec![Box::new(plugin)], question).await;
    Case { reply, asked: script.asked(), notes, success: success.get() }
}

#[tokio::test]
async fn case_112_the_first_element_has_the_name() {
    let case = case(ASKED, [("web.shop.svc.cluster.local. A", found(ASKED))]).await;
    assert_eq!(case.answers(), [format!("{} 30 IN A 10.0.0.1", ASKED.to_lowercase())]);
    assert_eq!((case.asked.len(), case.success), (1, 1));
    assert!(case.reply.unwrap().authentic_data, "it is as it was");
}

#[tokio::test]
async fn case_113_a_later_element_has_it() {
    for (place, found_name) in
        ["Web.svc.cluster.local.", "Web.cluster.local.", "Web.corp.example.", "Web."]
            .into_iter()
            .enumerate()
    {
        let question = format!("{} A", found_name.to_lowercase());
        let case = case(ASKED, [(&question, found(found_name))]).await;
        let cname = format!("{ASKED} 30 IN CNAME {found_name}");
        let address = format!("{} 30 IN A 10.0.0.1", found_name.to_lowercase());
        assert_eq!(case.answers(), [cname, address]);
        assert_eq!((case.asked.len(), case.success), (place + 2, 1));
        let tried = [
            "Web.shop.svc.cluster.local.",
            "Web.svc.cluster.local.",
            "Web.cluster.local.",
            "Web.corp.example.",
            "Web.",
        ];
        let mut notes: Vec<String> =
            tried.iter().take(place + 2).map(|name| format!("tries {name}")).collect();
        notes.push(format!("{found_name} is the first name that exists"));
        assert_eq!(case.notes, notes);
        assert!(!case.reply.unwrap().authentic_data, "nobody has signed the CNAME");
    }
}

#[tokio::test]
async fn case_113_an_alias_outside_of_the_cluster() {
    let mut reply = found("real.example.").unwrap();
    reply.answers.insert(0, record("www.example.", "real.example."));
    reply.answers[0].ttl = 7;
    let name = "www.example.shop.svc.cluster.local.";
    let case = case(name, [("www.example. A", Some(reply))]).await;
    assert_eq!(
        case.answers(),
        [
            "www.example.shop.svc.cluster.local. 7 IN CNAME www.example.",
            "www.example. 7 IN CNAME real.example.",
            "real.example. 30 IN A 10.0.0.1"
        ]
    );
}

#[tokio::test]
async fn letter_case_does_not_matter_and_stays() {
    let name = "Web.SHOP.svc.Cluster.LOCAL.";
    let case = case(name, [("web.cluster.local. A", found("web.cluster.local."))]).await;
    assert_eq!(case.answers()[0], format!("{name} 30 IN CNAME Web.cluster.local."));
}

#[tokio::test]
async fn case_114_no_element_has_it() {
    let mut first = Reply::new(ResponseCode::NXDomain);
    first.authorities.push(record("cluster.local.", "10.0.0.9"));
    let case = case(ASKED, [("web.shop.svc.cluster.local. A", Some(first.clone()))]).await;
    assert_eq!(case.reply, Some(Reply { plugin: "script", ..first }));
    assert_eq!(
        case.asked,
        [
            "Web.shop.svc.cluster.local. A",
            "Web.svc.cluster.local. A",
            "Web.cluster.local. A",
            "Web.corp.example. A",
            "Web. A"
        ]
    );
    assert_eq!(case.success, 0);
}

#[tokio::test]
async fn case_115_a_failure_ends_the_search() {
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused] {
        let replies = [
            ("web.svc.cluster.local. A", failing(rcode)),
            ("web.cluster.local. A", found("web.cluster.local.")),
        ];
        let case = case(ASKED, replies).await;
        assert_eq!(case.reply.as_ref().unwrap().rcode, rcode);
        assert_eq!((case.answers(), case.asked.len(), case.success), (vec![], 2, 0));
    }
}

/// Refuses one name, as `acl` would.
#[derive(Debug)]
struct Acl(LowerName);

impl Plugin for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        if query.lower != self.0 {
            return Handling::NEXT;
        }
        Handling::reply(Reply::refused(ExtendedErrorCode::Prohibited, "blocked"))
    }
}

#[tokio::test]
async fn case_116_the_expanded_name_has_to_be_allowed() {
    let zones = vec![Name::root().into()];
    let plugin = Autopath::fixed(zones, list(), "dns://:53", &metrics());
    let script = Script::new([("web.corp.example. A", found("web.corp.example."))]);
    let acl = Acl("web.corp.example.".parse().unwrap());
    let plugins: Vec<Box<dyn Plugin>> = vec![Box::new(plugin), Box::new(acl)];
    let (reply, _) = script.ask(plugins, query(ASKED, RecordType::A)).await;
    let reply = reply.unwrap();
    assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::Refused, 0));
    assert!(!script.asked().iter().any(|asked| asked.contains("corp")));
}

#[tokio::test]
async fn an_empty_answer_ends_the_search_without_an_alias() {
    let replies = [("web.svc.cluster.local. A", Some(Reply::default()))];
    let case = case(ASKED, replies).await;
    assert_eq!((case.answers(), case.asked.len(), case.success), (vec![], 2, 1));
}

#[tokio::test]
async fn what_is_dropped_stays_dropped() {
    let case = case(ASKED, [("web.svc.cluster.local. A", None)]).await;
    assert_eq!(case.reply, None);
}

#[tokio::test]
async fn a_leading_asterisk_is_a_label_as_any_other() {
    let replies = [
        ("*.example.co. A", found("*.example.co.")),
        ("*.example.co.uk. A", found("*.example.co.uk.")),
    ];
    let case = case("*.example.co.uk.shop.svc.cluster.local.", replies).await;
    assert_eq!(
        case.answers(),
        [
            "*.example.co.uk.shop.svc.cluster.local. 30 IN CNAME *.example.co.uk.",
            "*.example.co.uk. 30 IN A 10.0.0.1"
        ]
    );
}

#[tokio::test]
async fn other_questions_are_no_searches() {
    for name in [
        "shop.svc.cluster.local.",
        "web.other.svc.cluster.local.",
        "webshop.svc.cluster.local.",
        "cluster.local.",
        "web.corp.example.",
    ] {
        let case = case(name, []).await;
        assert_eq!((case.asked.len(), case.notes.len()), (1, 0), "{name}");
    }
    let plugin = Autopath::fixed(vec![Name::root().into()], vec![], "s", &metrics());
    let empty = run(plugin, query(ASKED, RecordType::A), []).await;
    assert_eq!(empty.asked.len(), 1, "an empty list");
    let mut chaos = query(ASKED, RecordType::TXT);
    chaos.qclass = DNSClass::CH;
    let plugin = Autopath::fixed(vec![Name::root().into()], list(), "s", &metrics());
    assert_eq!(run(plugin, chaos, []).await.asked.len(), 0, "refused by the server");
}

#[tokio::test]
async fn only_names_of_the_zones() {
    for (zone, asked) in [("svc.cluster.local.", 5), ("other.example.", 1)] {
        let zones = vec![zone.parse().unwrap()];
        let plugin = Autopath::fixed(zones, list(), "s", &metrics());
        let case = run(plugin, query(ASKED, RecordType::AAAA), []).await;
        assert_eq!(case.asked.len(), asked, "{zone}");
    }
}

#[tokio::test]
async fn names_that_would_be_too_long_are_left_out() {
    let label = "a".repeat(63);
    let long = format!("{label}.{label}.{label}.short.example.");
    let list = names(&["short.example.", &format!("{label}.long.example."), "b.example."]);
    let plugin = Autopath::fixed(vec![Name::root().into()], list, "s", &metrics());
    let case = run(plugin, query(&long, RecordType::A), []).await;
    let asked = ["short.example. A", "b.example. A", &format!("{label}. A")];
    assert_eq!(case.asked.len(), asked.len());
    for (asked, end) in case.asked.iter().zip(asked) {
        assert!(asked.ends_with(end), "{asked}");
    }
}

/// Knows one pod.
struct Pods;

impl SearchPaths for Pods {
    fn search_path(&self, client: IpAddr, _: &LowerName) -> SearchPath {
        let class = self.class(client);
        SearchPath { list: (class == 1).then(list), class }
    }

    fn class(&self, client: IpAddr) -> u64 {
        u64::from(client == IpAddr::from([10, 240, 0, 1]))
    }
}

#[tokio::test]
async fn the_list_of_the_pod_that_asks() {
    for (client, asked) in [("10.240.0.1:1", 5), ("[::ffff:10.240.0.1]:1", 5), ("10.240.0.2:1", 1)]
    {
        let zones = vec!["cluster.local.".parse().unwrap()];
        let plugin = Autopath::by_client(zones, Arc::new(Pods), "s", &metrics());
        let mut question = query(ASKED, RecordType::A);
        question.client = client.parse().unwrap();
        let case = run(plugin, question, []).await;
        assert_eq!(case.asked.len(), asked, "{client}");
        let unknown = "10.240.0.2 is no known pod: nothing is searched";
        assert_eq!(case.notes.iter().any(|note| note == unknown), asked == 1, "{:?}", case.notes);
    }
}
