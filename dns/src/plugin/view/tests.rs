//! Expressions and what they are for a query.

use hickory_proto::op::Edns;
use hickory_proto::rr::{DNSClass, RecordType};

use super::*;
use crate::Protocol;
use crate::engine::{Block, Context, Engine, ListenerId, Router, Trace};
use crate::plugin::testing::{assert_refused, configure, query};
use crate::plugin::{Handling, Plugin};

fn view(expression: &str) -> View {
    configure(&format!("view v {{\nexpr {expression}\n}}"), View::parse).unwrap()
}

/// Returns a question over UDP from 10.240.0.1:40212 to 10.96.0.10:53 with an EDNS size of 1232.
fn example() -> Query {
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    Query { edns: Some(edns), ..query("Www.Example.ORG.", RecordType::AAAA) }
}

fn takes(expression: &str, query: &Query) -> bool {
    view(expression).takes(query, &Metadata::default())
}

#[test]
fn every_function() {
    let query = example();
    for expression in [
        "bufsize() == 1232",
        "class() == 'IN'",
        "client_ip() == '10.240.0.1'",
        "do()",
        "id() == 29008",
        "name() == 'www.example.org.'",
        "opcode() == 0",
        "port() == '40212'",
        "proto() == 'udp'",
        "server_ip() == '10.96.0.10'",
        "server_port() == '53'",
        "size() == 41",
        "type() == 'AAAA'",
        "metadata('kubernetes/namespace') == ''",
        "incidr(client_ip(), '10.240.0.0/16')",
        "incidr(server_ip(), '10.96.0.0/' + '12')",
        "!incidr(client_ip(), '10.241.0.0/16')",
    ] {
        assert!(takes(expression, &query), "{expression}");
        assert!(!takes(&format!("not ({expression})"), &query), "not ({expression})");
    }
}

#[test]
fn what_cannot_be_worked_out_does_not_hold() {
    for expression in [
        "incidr(name(), '0.0.0.0/0')",
        "incidr(client_ip(), 'x' + 'y')",
        "int(name()) == 1",
        "1 % (size() - size()) == 0",
    ] {
        assert!(!takes(expression, &example()), "{expression}");
        assert!(!takes(&format!("not ({expression})"), &example()), "not ({expression})");
        assert!(takes(&format!("true or {expression}"), &example()), "{expression} is not needed");
    }
}

#[test]
fn functions_of_another_question() {
    let query = Query {
        edns: None,
        protocol: Protocol::Tcp,
        qclass: DNSClass::CH,
        qtype: RecordType::from(4711),
        client: "[2001:db8::1]:7".parse().unwrap(),
        local: "[::1]:53".parse().unwrap(),
        ..example()
    };
    for expression in [
        "bufsize() == 65535",
        "class() == 'CH'",
        "client_ip() == '[2001:db8::1]'",
        "!do()",
        "proto() == 'tcp'",
        "server_ip() == '[::1]'",
        "type() == 'TYPE4711'",
        "incidr(client_ip(), '2001:db8::/32')",
        "incidr('[2001:db8::7]', '2001:db8::/32')",
        "!incidr(client_ip(), '10.0.0.0/8')",
    ] {
        assert!(takes(expression, &query), "{expression}");
    }
    let mapped = Query { client: "[::ffff:10.0.0.1]:7".parse().unwrap(), ..example() };
    assert!(takes("client_ip() == '10.0.0.1' && incidr(client_ip(), '10.0.0.0/8')", &mapped));
    assert!(takes("bufsize() == 512", &Query { edns: None, ..example() }));
}

#[test]
fn operators_and_their_precedence() {
    for expression in [
        "true || false && false",
        "(true or false) and true",
        "not false && true",
        "!(true && false)",
        "1 + 2 == 3 and 'a' + 'b' + 'c' == 'abc'",
        "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && 1 != 2",
        "'a' < 'b' && 'b' >= 'a'",
        "true == true != false",
        "type() in ['A', 'AAAA']",
        "type() not in ['A', 'MX']",
        "size() in [40 + 1]",
        "not (size() in [])",
        "name() matches '^www\\\\..*\\\\.org\\\\.$'",
        "name() matches `^www\\..*\\.org\\.$`",
        "name() not matches 'net'",
        "name() contains 'example'",
        "name() startsWith 'www.' and name() endsWith '.org.'",
        "name() not startsWith 'x' and name() not endsWith 'x' and name() not contains 'x.y'",
        "type() in [\"A\", \"AAAA\"]",
        "type() == \"AAAA\"",
        "\"type() == 'AAAA'\"",
        "(((((((((true)))))))))",
    ] {
        assert!(takes(expression, &example()), "{expression}");
    }
    for expression in ["false || false", "1 > 2", "'a' in ['b']", "name() matches '^example'"] {
        assert!(!takes(expression, &example()), "{expression}");
    }
    let many = vec!["false"; 5_000].join(" || ") + " || true";
    assert!(takes(&many, &example()), "as long as it is not deep");
}

#[test]
fn every_expression_has_to_hold() {
    let several = |text: &str| configure(text, View::parse).unwrap();
    let both = several("view v {\nexpr type() == 'AAAA'\nexpr proto() == 'tcp'\n}");
    assert!(!both.takes(&example(), &Metadata::default()));
    assert!(both.takes(&Query { protocol: Protocol::Tcp, ..example() }, &Metadata::default()));
    let two = several("view a {\nexpr type() == 'A'\n}\nview b {\nexpr true\n}");
    assert_eq!(two.name(), "b");
    assert!(!two.takes(&example(), &Metadata::default()));
    assert!(several("view v").takes(&example(), &Metadata::default()));
}

#[test]
fn refused_with_the_column_and_the_remedy() {
    let deep = format!("view v {{\nexpr {}true{}\n}}", "(".repeat(65), ")".repeat(65));
    let nots = format!("view v {{\nexpr {} true\n}}", "! ".repeat(100));
    let equals = format!("view v {{\nexpr {}\n}}", vec!["true"; 100].join(" == "));
    let pattern = format!("view v {{\nexpr name() matches '{}'\n}}", "a".repeat(10_001));
    let long = format!("view v {{\nexpr '{}' == ''\n}}", "a".repeat(65_536));
    assert_refused(
        View::parse,
        &[
            ("view {\nexpr true\n}", "view needs an argument"),
            ("view a b", "remove 'b'"),
            ("view v {\nexpression true\n}", "unknown property 'expression'; there is expr"),
            ("view v {\nexpr\n}", "expr needs at least one argument"),
            (
                "view v {\nexpr type() = 'A'\n}",
                "column 8: '=' is no operator here; operators are ==",
            ),
            (
                "view v {\nexpr typ() == 'A'\n}",
                "column 1: 'typ' is no function; there is bufsize()",
            ),
            ("view v {\nexpr type() == A\n}", "column 11: 'A' is no function"),
            ("view v {\nexpr type() == 1\n}", "column 8: '==' compares a string with a number"),
            ("view v {\nexpr do() < true\n}", "column 6: '<' orders numbers or strings"),
            (
                "view v {\nexpr name()\n}",
                "column 1: an expression has to be true or false, and this is a string",
            ),
            (
                "view v {\nexpr do() && size()\n}",
                "column 9: each side of an `and` or `or` has to be true or false",
            ),
            (
                "view v {\nexpr !name()\n}",
                "column 2: what `not` turns around has to be true or false",
            ),
            ("view v {\nexpr not type() == 'A'\n}", "column 5: what `not` turns around"),
            (
                "view v {\nexpr name() in [1]\n}",
                "column 12: each item of the list has to be a string",
            ),
            ("view v {\nexpr name() in 'a'\n}", "column 11: expected '[' and found the string 'a'"),
            ("view v {\nexpr name() in ['a' 'b']\n}", "column 16: expected ','"),
            (
                "view v {\nexpr name() matches name()\n}",
                "column 16: a string with a regular expression",
            ),
            ("view v {\nexpr name() matches '('\n}", "'(' is no regular expression"),
            ("view v {\nexpr size() contains 'a'\n}", "column 1: each side of `contains`"),
            (
                "view v {\nexpr incidr(client_ip(), '10.0.0.0')\n}",
                "column 21: '10.0.0.0' is no network",
            ),
            ("view v {\nexpr incidr(client_ip())\n}", "column 19: expected ',' and found ')'"),
            (
                "view v {\nexpr incidr(1, '10.0.0.0/8')\n}",
                "column 8: the address of incidr() has to be a string",
            ),
            ("view v {\nexpr name('x') == 'a'\n}", "column 6: expected ')'"),
            ("view v {\nexpr (true\n}", "column 6: expected ')' and found the end"),
            ("view v {\nexpr true true\n}", "column 6: unexpected 'true'; an operator is missing"),
            ("view v {\nexpr true &&\n}", "column 8: expected a value and found the end"),
            (
                "view v {\nexpr 1 + 'a' == 2\n}",
                "column 5: each side of this '+' has to be a number",
            ),
            ("view v {\nexpr do() + 1 == 2\n}", "column 1: '+' adds numbers or strings"),
            (&deep, "nested more than 64 deep"),
            (&nots, "nested more than 64 deep"),
            (&equals, "nested more than 64 deep"),
            (&pattern, "more than 10000 characters"),
            (&long, "more than 65536 octets"),
        ],
    );
    let error = configure("\n\nview v {\nexpr true\nexpr nope\n}", View::parse).map(|_| ());
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("Corefile:6 - Error during parsing: expression, column 1: "),
        "{error}"
    );
}

/// Names the view that a query came by, and knows one label.
#[derive(Debug)]
struct Named(&'static str);

impl Plugin for Named {
    fn name(&self) -> &'static str {
        self.0
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::reply(crate::Reply::default())
    }

    fn metadata(&self, label: &str, query: &Query) -> Option<String> {
        (label == "test/client").then(|| query.client.ip().to_string())
    }
}

#[tokio::test]
async fn the_first_block_that_takes_the_query_answers() {
    let block = |name, expression: Option<&str>| {
        let mut block = Block::new(name, vec![Box::new(Named(name)) as Box<dyn Plugin>]);
        block.view = expression.map(|text| std::sync::Arc::new(view(text)) as _);
        block.metadata = vec![hickory_proto::rr::Name::root().into()];
        block
    };
    let blocks = vec![
        block(
            "inside",
            Some("metadata('test/client') startsWith '10.' && metadata('view/name') == 'v'"),
        ),
        block("types", Some("type() == 'MX'")),
        block("others", None),
    ];
    let mut router = Router::default();
    for at in 0..blocks.len() {
        router.add(hickory_proto::rr::Name::root().into(), at);
    }
    let engine = Engine::new(blocks, vec![router]);
    for (client, qtype, expected) in [
        ("10.0.0.1:1", RecordType::MX, "inside"),
        ("192.0.2.1:1", RecordType::MX, "types"),
        ("192.0.2.1:1", RecordType::A, "others"),
    ] {
        let mut query = Query { client: client.parse().unwrap(), ..query("a.", qtype) };
        let reply = engine.answer(ListenerId(0), &mut query, None).await.reply.unwrap();
        assert_eq!(reply.plugin, expected);
    }
    let trace = Trace::default();
    let mut query = Query { client: "192.0.2.1:1".parse().unwrap(), ..query("a.", RecordType::MX) };
    engine.answer(ListenerId(0), &mut query, Some(&trace)).await;
    let texts: Vec<_> = trace.into_steps().into_iter().take(2).map(|step| step.text).collect();
    assert_eq!(
        texts,
        ["the view v of inside does not take the query", "the view v of types takes the query"]
    );
}
