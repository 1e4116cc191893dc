//! What templates answer.

use crate::plugin::cache::Stores;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use prometheus::Registry;

use super::TemplateConfig;
use crate::corefile::{CorefileError, Directive};
use crate::plugin::testing::recorder::{Course, course};
use crate::plugin::testing::{assert_refused, configure, query, record};
use crate::plugin::{Plugin, PluginMetrics, Setup, Site};
use crate::{Query, Reply};

fn parse(directives: &[&Directive]) -> Result<TemplateConfig, CorefileError> {
    let block: Vec<LowerName> = [".", "example."].map(|zone| zone.parse().unwrap()).into();
    TemplateConfig::parse(directives, &block)
}

/// Asks; the next plugin answers with an address.
async fn ask_with(text: &str, query: Query) -> Course {
    let template = configure(text, parse).unwrap().uncounted();
    let next = |query: &Query| {
        let answers = vec![record(&query.name.to_string(), "198.51.100.9")];
        Reply { answers, ..Reply::default() }
    };
    course(Box::new(template), query, next).await
}

async fn ask(text: &str, name: &str, qtype: RecordType) -> Course {
    ask_with(text, query(name, qtype)).await
}

const NEXT: &str = "198.51.100.9";

fn is_next(course: &Course) -> bool {
    course.reply.plugin == "recorder"
}

#[tokio::test]
async fn every_section() {
    let text = "template IN MX example {
        match ^ip-10-(?P<b>[0-9]*)-(?P<c>[0-9]*)[.]example[.]$
        answer \"{{ .Name }} 60 IN MX 10 {{ .Name }}\" \"{{ .Name }} 60 IN MX 20 b.\"
        additional \"{{ .Name }} 60 IN A 10.{{ .Group.b }}.{{ .Group.c }}.1\"
        authority \"example. 60 IN NS ns0.example.\"
        authority \"example. 60 IN NS ns1.{{ .Zone }}\"
    }";
    let course = ask(text, "IP-10-2-3.example.", RecordType::MX).await;
    assert_eq!(
        course.answers(),
        ["ip-10-2-3.example. 60 IN MX 10 ip-10-2-3.example.", "ip-10-2-3.example. 60 IN MX 20 b."]
    );
    let reply = &course.reply;
    assert_eq!(reply.additionals[0].to_string(), "ip-10-2-3.example. 60 IN A 10.2.3.1");
    let authorities: Vec<_> = reply.authorities.iter().map(ToString::to_string).collect();
    assert_eq!(authorities, ["example. 60 IN NS ns0.example.", "example. 60 IN NS ns1.example."]);
    assert!(reply.authoritative && !reply.recursion_available);
    assert_eq!((reply.rcode, reply.plugin), (ResponseCode::NoError, "template"));
}

#[tokio::test]
async fn classes_types_and_zones() {
    let answer = "{\n answer \"{{ .Name }} 60 {{ .Class }} {{ .Type }} 10.0.0.1\"\n}";
    for (rule, name, qtype, qclass, is_taken) in [
        ("IN A", "a.example.", RecordType::A, DNSClass::IN, true),
        ("IN A", "a.example.", RecordType::ANY, DNSClass::IN, true),
        ("IN A", "a.example.", RecordType::AAAA, DNSClass::IN, false),
        ("IN A", "a.example.", RecordType::A, DNSClass::CH, false),
        ("any any", "a.example.", RecordType::A, DNSClass::CH, true),
        ("CH A", "a.example.", RecordType::A, DNSClass::CH, true),
        ("IN A a.example b.example", "x.B.example.", RecordType::A, DNSClass::IN, true),
        ("IN A a.example b.example", "ab.example.", RecordType::A, DNSClass::IN, false),
        ("IN A 10.0.0.0/24", "1.0.0.10.in-addr.arpa.", RecordType::A, DNSClass::IN, true),
    ] {
        let mut asked = query(name, qtype);
        asked.qclass = qclass;
        let course = ask_with(&format!("template {rule} {answer}"), asked).await;
        assert_eq!(!is_next(&course), is_taken, "{rule} {name} {qtype} {qclass}");
    }
    // The longest zone counts, and the zones of the block are the default.
    let zone = "{\n answer \"z 0 IN TXT {{ .Zone }}\"\n}";
    for (rule, name, expected) in [
        ("IN TXT", "a.example.", "example."),
        ("IN TXT", "a.net.", "."),
        ("IN TXT a.example example", "b.a.example.", "a.example."),
    ] {
        let answers =
            ask(&format!("template {rule} {zone}"), name, RecordType::TXT).await.answers();
        assert_eq!(answers, [format!("z. 0 IN TXT {expected}")], "{rule}");
    }
}

#[tokio::test]
async fn the_first_match_counts() {
    let text = "template IN A example {
        match ^ip-(?P<a>10)-(?P<b>[0-9]*)[.]dc[.]example[.]$ ^(?P<b>[0-9]*)[.](?P<a>[0-9]*)[.]ext[.]example[.]$
        match ^odd(?P<a>[0-9])
        answer \"{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ index .Match 1 }}\"
    }";
    for (name, address) in [
        ("ip-10-7.dc.example.", "10.0.10.10"),
        ("8.9.ext.example.", "10.0.9.8"),
        ("ODD5.example.", "10.0.5.5"),
    ] {
        let answers = ask(text, name, RecordType::A).await.answers();
        assert!(answers[0].ends_with(address), "{name}: {answers:?}");
    }
    let course = ask(text, "other.example.", RecordType::A).await;
    assert_eq!(course.reply.rcode, ResponseCode::ServFail);
    let error = course.reply.error.unwrap();
    assert_eq!(
        error,
        "no regular expression of the template matches, and it has no fallthrough, at Corefile:2"
    );
}

#[tokio::test]
async fn templates_in_a_row_and_fallthrough() {
    let text = "template IN A example {
        match ^a[.]
        answer \"{{ .Name }} 1 IN A 10.0.0.1\"
        fallthrough
    }
    template IN A example {
        match ^b[.]
        answer \"{{ .Name }} 1 IN A 10.0.0.2\"
        fallthrough b.example c.example
    }
    template IN A sub.example {
        answer \"{{ .Name }} 1 IN A 10.0.0.3\"
    }";
    for (name, address) in [
        ("a.example.", "10.0.0.1"),
        ("b.example.", "10.0.0.2"),
        ("x.c.example.", NEXT),
        ("a.other.", NEXT),
    ] {
        let answers = ask(text, name, RecordType::A).await.answers();
        assert!(answers[0].ends_with(address), "{name}: {answers:?}");
    }
    let course = ask(text, "x.sub.example.", RecordType::A).await;
    assert_eq!(course.reply.rcode, ResponseCode::ServFail, "the second does not fall through");
    assert_eq!(course.notes.len(), 2);
    assert!(course.notes[0].contains("Corefile:2 falls through"), "{:?}", course.notes);
    let of_type = ask(text, "a.example.", RecordType::MX).await;
    assert!(of_type.notes[0].contains("Corefile:2 is for the type A"), "{:?}", of_type.notes);
    let of_zone = ask(text, "a.other.", RecordType::A).await;
    assert!(of_zone.notes[2].contains("is for names in sub.example."), "{:?}", of_zone.notes);
    let of_class = ask("template CH ANY example", "a.example.", RecordType::A).await;
    assert!(of_class.notes[0].contains("is for the class CH"), "{:?}", of_class.notes);
}

#[tokio::test]
async fn rcodes_and_extended_errors() {
    let text = "template ANY ANY invalid {
        rcode NXDOMAIN
        authority \"invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)\"
        ederror 21 \"Blocked according to RFC2606\"
    }";
    let course = ask(text, "a.invalid.", RecordType::AAAA).await;
    assert_eq!(course.reply.rcode, ResponseCode::NXDomain);
    assert_eq!(course.reply.authorities.len(), 1);
    let mut option = vec![0, 21];
    option.extend_from_slice(b"Blocked according to RFC2606");
    assert_eq!(course.reply.options, [(15, option)]);
    let text = "template IN A {\n rcode servfail\n ederror 0\n answer \"a 0 A 10.0.0.1\"\n}";
    let reply = ask(text, "a.", RecordType::A).await.reply;
    assert_eq!((reply.rcode, reply.authoritative), (ResponseCode::ServFail, false));
    assert_eq!((reply.answers.len(), reply.options), (0, vec![(15, vec![0, 0])]));
    let reply = ask("template IN A", "a.", RecordType::A).await.reply;
    assert_eq!(
        (reply.rcode, reply.answers.len(), reply.authoritative),
        (ResponseCode::NoError, 0, true)
    );
}

#[tokio::test]
async fn the_templates_of_aks() {
    let text = "template ANY ANY internal.cloudapp.net {
      match \"^(?:[^.]+\\.){4,}internal\\.cloudapp\\.net\\.$\"
      rcode NXDOMAIN
      fallthrough
    }
    template ANY ANY reddog.microsoft.com {
      rcode NXDOMAIN
    }";
    for (name, rcode, is_own) in [
        ("a.b.c.d.internal.cloudapp.net.", ResponseCode::NXDomain, true),
        ("a.b.c.internal.cloudapp.net.", ResponseCode::NoError, false),
        ("x.reddog.microsoft.com.", ResponseCode::NXDomain, true),
        ("microsoft.com.", ResponseCode::NoError, false),
    ] {
        let course = ask(text, name, RecordType::A).await;
        assert_eq!((course.reply.rcode, !is_next(&course)), (rcode, is_own), "{name}");
    }
}

#[tokio::test]
async fn cname_records_are_followed_for_addresses() {
    let text = "template IN ANY foogle.com {
        answer \"foogle.com 60 IN CNAME google.com\"
    }
    template IN ANY round.example {
        answer \"{{ .Name }} 60 IN CNAME {{ .Name }}\"
        upstream
    }";
    let course = ask(text, "foogle.com.", RecordType::A).await;
    assert_eq!(
        course.answers(),
        ["foogle.com. 60 IN CNAME google.com.", "google.com. 30 IN A 198.51.100.9"]
    );
    for qtype in [RecordType::CNAME, RecordType::TXT] {
        let course = ask(text, "foogle.com.", qtype).await;
        assert_eq!(course.answers(), ["foogle.com. 60 IN CNAME google.com."]);
        assert!(course.seen.is_empty());
    }
    let course = ask(text, "round.example.", RecordType::AAAA).await;
    assert_eq!(course.reply.answers.len(), 11, "as deep as the server asks itself");
}

#[tokio::test]
async fn a_template_reads_metadata_and_may_make_nothing() {
    let text = "template IN TXT {
        answer \"{{ .Name }} 0 IN TXT {{ .Meta `kubernetes/client-namespace` }}\"
        answer \"{{ if eq .Remote `192.0.2.1` }}never 0 IN TXT x{{ end }}\"
    }";
    let answers = ask(text, "a.", RecordType::TXT).await.answers();
    assert_eq!(answers, ["a. 0 IN TXT shop-40212"]);
}

#[tokio::test]
async fn failures_are_answered_and_counted() {
    let text = "template IN A example {
        answer \"{{ .Name }} 0 IN A {{ parseInt .Name 10 8 }}\"
    }
    template IN TYPE4711 example {
        authority \"{{ .Name }} 0 IN A {{ .Name }}\"
    }
    template IN AAAA example {
        rcode NXDOMAIN
    }";
    let registry = Registry::new();
    let metrics = PluginMetrics::register(&registry).unwrap();
    let zones = ["example.".parse().unwrap()];
    let stores = Stores::default();
    let site = Site {
        server: "dns://:53",
        view: "v",
        block: "",
        zones: &zones,
        metrics: &metrics,
        stores: &stores,
    };
    let config = configure(text, parse).unwrap();
    for (qtype, why) in [
        (
            RecordType::A,
            "the answer of the template at Corefile:2: parseInt cannot read 'a.example.'",
        ),
        (
            RecordType::from(4711),
            "the authority of the template at Corefile:5: 'a.example.' is no data of A",
        ),
    ] {
        let plugin = config.set_up(&site).unwrap();
        let course = course(plugin, query("a.example.", qtype), |_| Reply::default()).await;
        assert_eq!(course.reply.rcode, ResponseCode::ServFail);
        let error = course.reply.error.unwrap();
        assert!(error.starts_with(why), "{error}");
        assert_eq!(course.reply.extended_error.unwrap().text, super::FAILED);
    }
    for _ in 0..2 {
        let plugin = config.set_up(&site).unwrap();
        course(plugin, query("a.example.", RecordType::AAAA), |_| Reply::default()).await;
    }
    let families = registry.gather();
    let mut series = Vec::new();
    for family in families.iter().filter(|family| family.name().contains("_template_")) {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter().map(|label| label.value().to_owned());
            let labels: Vec<String> = labels.collect();
            let value = metric.get_counter().get_value();
            series.push(format!("{} {} {value}", family.name(), labels.join(" ")));
        }
    }
    series.sort();
    assert_eq!(
        series,
        [
            "coredns_template_matches_total IN dns://:53 A v example. 1",
            "coredns_template_matches_total IN dns://:53 AAAA v example. 2",
            "coredns_template_matches_total IN dns://:53 other v example. 1",
            "coredns_template_rr_failures_total IN authority dns://:53 {{ .Name }} 0 IN A {{ .Name }} other v example. 1",
            "coredns_template_template_failures_total IN answer dns://:53 {{ .Name }} 0 IN A {{ parseInt .Name 10 8 }} A v example. 1",
        ]
    );
}

#[test]
fn refused() {
    let many: String = (0..65).map(|at| format!(" var x{at} 1\n")).collect();
    let many = format!("template IN A {{\n{many}}}");
    let long = format!("template IN A {{\n match {}\n}}", "a".repeat(10_001));
    assert_refused(
        parse,
        &[
            ("template", "template needs a class and a type"),
            ("template IN", "template needs a class and a type"),
            ("template XY A", "'XY' is no class"),
            ("template IN XY", "'XY' is no type"),
            ("template IN A a..b", "a..b"),
            ("template IN A {\n match\n}", "match needs at least one argument"),
            ("template IN A {\n match (a\n}", "is no regular expression"),
            (&long, "has 10001 octets; shorten it to 10000"),
            ("template IN A {\n answer\n}", "answer needs at least one argument"),
            (
                "template IN A {\n answer \"{{ .Nme }}\"\n}",
                "is no template: .Nme is not available; there is .Zone",
            ),
            (
                "template IN A {\n additional \"{{ html 1 }}\"\n}",
                "the function html is not available",
            ),
            ("template IN A {\n authority \"a IN A 10.0.0\"\n}", "is no resource record"),
            ("template IN A {\n rcode OOPS\n}", "'OOPS' is no rcode"),
            ("template IN A {\n rcode\n}", "rcode needs an argument"),
            ("template IN A {\n ederror\n}", "ederror takes a code and at most one text"),
            ("template IN A {\n ederror 1 a b\n}", "ederror takes a code and at most one text"),
            ("template IN A {\n ederror 65536\n}", "65536 is out of range"),
            ("template IN A {\n fallthrough a..b\n}", "a..b"),
            ("template IN A {\n var\n}", "var needs a name and an expression"),
            ("template IN A {\n var x\n}", "var x needs an expression, such as group('x')"),
            ("template IN A {\n var 1x 1\n}", "'1x' cannot be the name of a variable"),
            ("template IN A {\n var name 1\n}", "'name' cannot be the name of a variable"),
            ("template IN A {\n var in 1\n}", "'in' cannot be the name of a variable"),
            ("template IN A {\n var x 1\n var x 2\n}", "there is a variable 'x' already"),
            ("template IN A {\n var x y + 1\n var y 1\n}", "'y' is no variable or function"),
            (&many, "a template has at most 64 variables"),
            ("template IN A {\n expr\n}", "expr needs at least one argument"),
            ("template IN A {\n expr x == 1\n var x 1\n}", "column 1: 'x' is no variable"),
            ("template IN A {\n expr 1 + 1\n}", "an expression has to be true or false"),
            (
                "template IN A {\n answers x\n}",
                "unknown property 'answers'; there is match, var, expr, answer",
            ),
            ("template IN A {\n match {\n a\n}\n}", "remove the braces"),
        ],
    );
}

#[test]
fn other_classes_only_where_a_template_wants_them() {
    let takes = |text| configure(text, parse).unwrap().uncounted().takes_any_class();
    assert!(takes("template ANY ANY"));
    assert!(takes("template CH TXT"));
    assert!(!takes("template IN ANY"));
}

/// The example of CoreDNS's documentation: names that are private addresses.
const PRIVATE: &str = "template IN A example {
    match ^(?P<ip>[0-9]{1,3}(-[0-9]{1,3}){3})[.](?P<id>[a-z2-7]{4})[.]example[.]$
    var ip replace(group('ip'), '-', '.')
    expr \"any(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'], incidr(ip, #))\"
    answer \"{{ .Name }} 60 IN A {{ .Var.ip }}\"
";

#[tokio::test]
async fn an_expression_decides_whether_the_template_answers() {
    let through = format!("{PRIVATE} fallthrough\n}}");
    let answers = ask(&through, "192-168-7-8.abcd.example.", RecordType::A).await.answers();
    assert_eq!(answers, ["192-168-7-8.abcd.example. 60 IN A 192.168.7.8"]);
    assert!(is_next(&ask(&through, "203-0-113-8.abcd.example.", RecordType::A).await));
    let course = ask(&format!("{PRIVATE}}}"), "203-0-113-8.abcd.example.", RecordType::A).await;
    assert_eq!(course.reply.rcode, ResponseCode::ServFail);
    let error = course.reply.error.unwrap();
    let expected =
        "an expression of the template is not true, and it has no fallthrough, at Corefile:2";
    assert_eq!(error, expected);
    // Several have to be true, all of them.
    let two = "template IN A example {
        expr type() == 'A'
        expr name() startsWith 'a'
        answer \"{{ .Name }} 1 IN A 10.0.0.1\"
        fallthrough
    }";
    assert!(!is_next(&ask(two, "a.example.", RecordType::A).await));
    assert!(is_next(&ask(two, "b.example.", RecordType::A).await));
}

#[tokio::test]
async fn variables_in_every_section() {
    let text = "template IN A example {
        match ^(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]
        var b int(group(2))
        var c b * 10 + 1
        var whole group('a') + group('none')
        var small b < 5
        var target 'ns0.example.'
        answer \"{{ .Name }} {{ .Var.c }} IN A 10.0.{{ .Var.whole }}.{{ if .Var.small }}1{{ else }}2{{ end }}\"
        additional \"{{ .Var.target }} 60 IN A 10.0.0.2\"
        authority \"example. 60 IN NS {{ .Var.target }}\"
    }";
    for (name, answer) in [
        ("12-3.example.", "12-3.example. 31 IN A 10.0.12.1"),
        ("12-9.example.", "12-9.example. 91 IN A 10.0.12.2"),
    ] {
        let course = ask(text, name, RecordType::A).await;
        assert_eq!(course.answers(), [answer]);
        assert_eq!(course.reply.additionals[0].to_string(), "ns0.example. 60 IN A 10.0.0.2");
        assert_eq!(course.reply.authorities[0].to_string(), "example. 60 IN NS ns0.example.");
    }
}

#[tokio::test]
async fn an_expression_without_value_fails_even_with_fallthrough() {
    let text = "template IN A example {
        match ^a[.]
        var bad incidr('notanip', '10.0.0.0/8')
        answer \"{{ .Name }} 60 IN A 10.0.0.1\"
        fallthrough
    }";
    let course = ask(text, "a.example.", RecordType::A).await;
    assert_eq!(course.reply.rcode, ResponseCode::ServFail);
    assert_eq!(
        course.reply.error.unwrap(),
        "an expression of the template at Corefile:2 fails: incidr: 'notanip' is no address"
    );
    assert!(is_next(&ask(text, "b.example.", RecordType::A).await), "it is not evaluated");
}
