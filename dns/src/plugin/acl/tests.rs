//! What happens to queries.

use hickory_proto::rr::{LowerName, Name};
use prometheus::Registry;

use super::*;
use crate::engine::{Block, Engine, ListenerId, Router, Trace};
use crate::plugin::PluginMetrics;
use crate::plugin::cache::Stores;
use crate::plugin::testing::{configure, query, record};

/// Answers with the address that it is named after, as a cache or a zone would.
#[derive(Debug)]
struct Answers;

impl Plugin for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        let answers = vec![record(&query.name.to_ascii(), "192.0.2.1")];
        Handling::reply(Reply { answers, ..Reply::default() })
    }
}

/// Asks another question instead: in a copy through `rest`, as `rewrite` and `autopath` do, or in place.
#[derive(Debug)]
enum Rewrite {
    Rest(&'static str, RecordType),
    InPlace(&'static str),
}

impl Plugin for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        match self {
            Self::Rest(name, qtype) => {
                let changed = query.for_question(Name::from_ascii(name).unwrap(), *qtype);
                Handling::Later(Box::pin(async move {
                    context.rest(changed).await.map_or(Outcome::Drop, Outcome::Reply)
                }))
            }
            Self::InPlace(name) => {
                query.name = Name::from_ascii(name).unwrap();
                query.lower = LowerName::new(&query.name);
                Handling::NEXT
            }
        }
    }
}

struct Server {
    engine: Engine,
    registry: Registry,
}

fn server(corefile: &str, before: Option<Box<dyn Plugin>>) -> Server {
    let zones = ["example.".parse().unwrap()];
    let config = configure(corefile, |directives| AclConfig::parse(directives, &zones)).unwrap();
    let registry = Registry::new();
    let metrics = PluginMetrics::register(&registry).unwrap();
    let stores = Stores::default();
    let site = Site {
        server: "dns://:53",
        view: "",
        block: "",
        zones: &zones,
        metrics: &metrics,
        stores: &stores,
    };
    let mut plugins: Vec<Box<dyn Plugin>> = Vec::new();
    plugins.extend(before);
    plugins.push(config.set_up(&site).unwrap());
    plugins.push(Box::new(Answers));
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    Server { engine: Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]), registry }
}

impl Server {
    async fn ask(&self, name: &str, qtype: RecordType, client: &str) -> Option<Reply> {
        let mut query = query(name, qtype);
        query.client.set_ip(client.parse().unwrap());
        self.engine.answer(ListenerId(0), &mut query, None).await.reply
    }

    /// Returns what becomes of a question in a word.
    async fn outcome(&self, name: &str, qtype: RecordType, client: &str) -> &'static str {
        let Some(reply) = self.ask(name, qtype, client).await else { return "drop" };
        let code = reply.extended_error.map(|error| error.code);
        match (reply.rcode, reply.answers.len(), code) {
            (ResponseCode::NoError, 1, None) => "allow",
            (ResponseCode::NoError, 0, Some(ExtendedErrorCode::Filtered)) => "filter",
            (ResponseCode::Refused, 0, Some(ExtendedErrorCode::Blocked)) => "block",
            other => panic!("{other:?}"),
        }
    }

    fn counts(&self) -> Vec<String> {
        let families = self.registry.gather();
        let of_acl = families.iter().filter(|family| family.name().contains("_acl_"));
        let counts = of_acl.flat_map(|family| {
            family.get_metric().iter().map(move |metric| {
                let labels: Vec<_> = metric.get_label().iter().map(|pair| pair.value()).collect();
                let action = family.name().split('_').nth(2).unwrap_or_default();
                format!("{action} {} {}", labels.join(","), metric.get_counter().get_value())
            })
        });
        counts.collect()
    }
}

#[tokio::test]
async fn the_first_rule_that_matches_decides() {
    let server = server(
        "acl {
            allow net 10.0.1.0/24
            block type A AAAA net 10.0.0.0/16
            filter type TXT
            drop net fd00::/8
        }",
        None,
    );
    let cases = [
        ("10.0.1.9", RecordType::A, "allow"),
        ("10.0.1.9", RecordType::TXT, "allow"),
        ("10.0.2.9", RecordType::A, "block"),
        ("10.0.2.9", RecordType::AAAA, "block"),
        ("10.0.2.9", RecordType::MX, "allow"),
        ("10.0.2.9", RecordType::TXT, "filter"),
        ("10.1.0.1", RecordType::A, "allow"),
        ("fd00::1", RecordType::A, "drop"),
        ("fd00::1", RecordType::TXT, "filter"),
        ("2001:db8::1", RecordType::A, "allow"),
        ("::ffff:10.0.2.9", RecordType::A, "block"),
    ];
    for (client, qtype, expected) in cases {
        let outcome = server.outcome("a.example.", qtype, client).await;
        assert_eq!(outcome, expected, "{client} {qtype}");
    }
    assert_eq!(server.outcome("other.test.", RecordType::A, "10.0.2.9").await, "allow");
    assert_eq!(
        server.counts(),
        [
            "allowed dns://:53, 6",
            "blocked dns://:53,,example. 3",
            "dropped dns://:53,,example. 1",
            "filtered dns://:53,,example. 2",
        ]
    );
}

#[tokio::test]
async fn several_lists_are_asked_in_their_order() {
    let corefile = "acl a.example {
            allow net 10.0.0.1
        }
        acl example. b.example {
            block
        }";
    let server = server(corefile, None);
    let cases = [
        ("x.a.example.", "10.0.0.1", "allow"),
        ("x.a.example.", "10.0.0.2", "block"),
        ("c.example.", "10.0.0.1", "block"),
        ("other.", "10.0.0.1", "allow"),
    ];
    for (name, client, expected) in cases {
        assert_eq!(server.outcome(name, RecordType::A, client).await, expected, "{name} {client}");
    }
    server.outcome("x.b.example.", RecordType::A, "10.0.0.1").await;
    let counts = server.counts().join("\n");
    assert!(counts.contains("blocked dns://:53,,b.example. 1"), "the longest zone: {counts}");
}

#[tokio::test]
async fn a_name_that_another_plugin_made_is_checked_as_well() {
    let corefile = "acl secret.example {\nblock\n}";
    for rewrite in
        [Rewrite::Rest("a.secret.example.", RecordType::A), Rewrite::InPlace("a.secret.example.")]
    {
        let server = server(corefile, Some(Box::new(rewrite)));
        assert_eq!(server.outcome("open.example.", RecordType::A, "10.0.0.1").await, "block");
    }
}

#[tokio::test]
async fn the_name_and_the_type_as_asked_are_checked_as_well() {
    let corefile = "acl secret.example {\nblock\n}\nacl {\nfilter type ANY\n}";
    for rewrite in
        [Rewrite::Rest("open.example.", RecordType::A), Rewrite::InPlace("open.example.")]
    {
        let server = server(corefile, Some(Box::new(rewrite)));
        assert_eq!(server.outcome("a.secret.example.", RecordType::A, "10.0.0.1").await, "block");
        assert_eq!(server.outcome("x.example.", RecordType::A, "10.0.0.1").await, "allow");
        assert_eq!(server.outcome("x.example.", RecordType::ANY, "10.0.0.1").await, "filter");
    }
}

/// Follows an alias through the server, as `kubernetes` does for ExternalName.
#[derive(Debug)]
struct Alias;

impl Plugin for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.lower != "alias.example.".parse().unwrap() {
            return Handling::NEXT;
        }
        let target = query.for_question("a.secret.example.".parse().unwrap(), query.qtype);
        let found = context.lookup(target);
        Handling::Later(Box::pin(async move { found.await.map_or(Outcome::Drop, Outcome::Reply) }))
    }
}

#[tokio::test]
async fn the_target_of_an_alias_is_checked_as_a_question_of_its_own() {
    let server = server("acl secret.example {\nblock type A\n}", Some(Box::new(Alias)));
    assert_eq!(server.outcome("alias.example.", RecordType::A, "10.0.0.1").await, "block");
    assert_eq!(server.outcome("alias.example.", RecordType::MX, "10.0.0.1").await, "allow");
}

#[tokio::test]
async fn ten_thousand_networks() {
    let networks: Vec<String> =
        (0..10_000).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect();
    let server = server(&format!("acl {{\nblock net {}\n}}", networks.join(" ")), None);
    assert_eq!(server.outcome("a.example.", RecordType::A, "10.39.249.1").await, "block");
    assert_eq!(server.outcome("a.example.", RecordType::A, "10.39.250.1").await, "allow");
}

#[tokio::test]
async fn explained() {
    let server = server("acl {\nblock type A\n}", None);
    for (qtype, expected) in [
        (RecordType::A, "`block` at Corefile:3 for the zone example.: REFUSED"),
        (RecordType::MX, "allowed"),
    ] {
        let trace = Trace::default();
        let mut query = query("a.example.", qtype);
        server.engine.answer(ListenerId(0), &mut query, Some(&trace)).await;
        let steps = trace.into_steps();
        let texts: Vec<_> = steps.iter().filter(|step| step.plugin == "acl").collect();
        assert_eq!(texts[0].text, expected);
    }
}
