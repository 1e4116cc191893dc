//! Templates against what Go's `text/template` makes of them.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;

use super::{Data, GoTemplate};
use crate::Query;
use crate::engine::Metadata;
use crate::plugin::expression;
use crate::plugin::testing::query;

fn data(query: &Query) -> Data<'_> {
    let matches: Vec<String> =
        ["ip-10-1.example.", "10", "1"].into_iter().map(str::to_owned).collect();
    let groups = [("a", "10"), ("b", "1"), ("0", "ip-10-1.example."), ("1", "10"), ("2", "1")];
    let own = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    Data {
        zone: "example.".into(),
        name: "ip-10-1.example.".into(),
        class: "IN".into(),
        record_type: "A".into(),
        regex: "ip-(.)-(.)",
        matches,
        groups: groups.into_iter().map(own).collect::<BTreeMap<_, _>>(),
        variables: BTreeMap::from([
            ("ip".to_owned(), expression::Value::Text("10.0.0.1".into())),
            ("ttl".to_owned(), expression::Value::Number(60)),
            ("local".to_owned(), expression::Value::Bool(true)),
        ]),
        query,
        metadata: Metadata::default(),
    }
}

fn evaluate(template: &str) -> Result<String, String> {
    let query = query("IP-10-1.example.", RecordType::A);
    let template = GoTemplate::parse(template).map_err(|error| format!("parse: {error}"))?;
    template.evaluate(&data(&query)).map_err(|error| error.to_string())
}

fn assert_makes(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(evaluate(template).as_deref(), Ok(*expected), "{template}");
    }
}

#[test]
fn fields_of_the_query() {
    assert_makes(&[
        ("{{ .Name }} 60 {{.Class}} {{ .Type }} x", "ip-10-1.example. 60 IN A x"),
        ("{{ .Zone }}{{ .Remote }}{{ .Regex }}", "example.10.240.0.1ip-(.)-(.)"),
        ("{{ index .Match 1 }}.{{ index .Match 2 }}", "10.1"),
        ("{{ .Group.a }}{{ .Group.b }}{{ index .Group \"1\" }}", "10110"),
        ("{{ .Group.none }}{{ index .Group \"none\" }}", "<no value>"),
        (
            "{{ .Question.Name }} {{ .Question.Qtype }} {{ .Question.Qclass }}",
            "IP-10-1.example. 1 1",
        ),
        ("{{ .Message.Id }}{{ .Message.RecursionDesired }}", "29008true"),
        ("{{ (index .Message.Question 0).Qtype }}{{ $.Name }}", "1ip-10-1.example."),
        (
            "{{ .Match }}{{ .Group }}",
            "[ip-10-1.example. 10 1]map[0:ip-10-1.example. 1:10 2:1 a:10 b:1]",
        ),
        ("{{ .Meta \"kubernetes/service\" }}", ""),
    ]);
}

#[test]
fn white_space_and_comments() {
    assert_makes(&[
        ("a {{- .Type -}} b", "aAb"),
        ("a {{- /* nothing */ -}} b{{/* at all */}}", "ab"),
        ("a\n\t{{- 1 }} {{ 2 -}} \n", "a1 2"),
        ("{{-1}}", "-1"),
        ("plain } }} {", "plain } }} {"),
        ("{{ \"}}\" }}", "}}"),
    ]);
}

#[test]
fn conditions_loops_and_variables() {
    assert_makes(&[
        ("{{ if eq .Type \"A\" }}a{{ else }}b{{ end }}", "a"),
        ("{{ if false }}a{{ else if .Group.none }}b{{ else }}c{{ end }}", "c"),
        ("{{ if .Group.a }}a{{ end }}{{ if 0 }}b{{ end }}{{ if not \"\" }}c{{ end }}", "ac"),
        ("{{ with .Group.a }}[{{ . }}]{{ end }}{{ with .Group.no }}{{ else }}x{{ end }}", "[10]x"),
        ("{{ with .Group.no }}a{{ else with .Type }}{{ . }}{{ end }}", "A"),
        ("{{ range .Match }}<{{ . }}>{{ end }}", "<ip-10-1.example.><10><1>"),
        ("{{ range $i, $m := .Match }}{{ if $i }}{{ $m }},{{ end }}{{ end }}", "10,1,"),
        (
            "{{ range $k, $v := .Group }}{{ if eq $k \"a\" }}{{ continue }}{{ end }}{{ $k }}{{ if eq $k \"b\" }}{{ break }}{{ end }}{{ end }}",
            "012b",
        ),
        ("{{ range slice .Match 3 }}a{{ else }}none{{ end }}", "none"),
        ("{{ range $n := 3 }}{{ $n }}{{ end }}", "012"),
        ("{{ $x := .Type }}{{ $x }}{{ $x = \"b\" }}{{ $x }}", "Ab"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
        ("{{ $x := 1 }}{{ range .Match }}{{ $x = 5 }}{{ end }}{{ $x }}", "5"),
        ("{{ range .Match }}{{ $.Type }}{{ end }}", "AAA"),
    ]);
}

#[test]
fn functions() {
    assert_makes(&[
        (
            "{{ parseInt .Group.a 16 8 }} {{ parseInt \"0x1F\" 0 0 }} {{ parseInt \"017\" 0 64 }}",
            "16 31 15",
        ),
        ("{{ len .Match }}{{ len .Name }}{{ .Match | len }}", "3163"),
        ("{{ and 1 \"\" 2 }}|{{ or 0 \"x\" }}|{{ or 0 \"\" }}|{{ .Type | or 0 }}", "|x||A"),
        (
            "{{ eq 1 2 1 }}{{ ne \"a\" \"b\" }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1 2 }}{{ ge \"b\" \"a\" }}",
            "truetruetruetruefalsetrue",
        ),
        (
            "{{ eq (parseInt \"3\" 10 8) 3 }}{{ eq true true }}{{ eq .Group.no nil }}",
            "truetruetrue",
        ),
        ("{{ print 1 2 \"a\" 3 }}|{{ println \"a\" 1 }}", "1 2a3|a 1\n"),
        ("{{ slice .Name 3 5 }}{{ index .Name 0 }}", "10105"),
        ("{{ printf \"%s-%v-%d\" .Type .Match 7 }}", "A-[ip-10-1.example. 10 1]-7"),
        (
            "{{ printf \"%03d|%-4s|%4s|%x|%X|%o|%b|%c|%q|%t|%%\" 7 \"a\" \"b\" 255 255 8 5 65 \"a\\\"\" true }}",
            "007|a   |   b|ff|FF|10|101|A|\"a\\\"\"|true|%",
        ),
        (
            "{{ printf \"%+d % d %#x %.2s %04d %.3d %x\" 1 2 255 \"abc\" -5 7 \"hi\" }}",
            "+1  2 0xff ab -005 007 6869",
        ),
        (
            "{{ printf \"%d\" \"a\" }}{{ printf \"%d\" }}{{ printf \"x\" 1 }}",
            "%!d(string=a)%!d(MISSING)x%!(EXTRA int=1)",
        ),
        ("{{ \"a\" | printf \"%s%s\" \"b\" }}{{ (printf \"%d\" 3) }}", "ba3"),
        ("{{ parseInt \"ff\" 16 8 | printf \"%d.%s\" 1 | len }}", "17"),
        (
            "{{ `raw\\n` }}{{ \"\\u00e9\\x41\\t\" }}{{ 'a' }}{{ 0x10 }}{{ 1_000 }}{{ 0b11 }}{{ 010 }}",
            "raw\\néA\t9716100038",
        ),
    ]);
}

#[test]
fn what_fails_for_a_query() {
    for (template, part) in [
        ("{{ index .Match 3 }}", "the index 3 is out of range"),
        ("{{ index .Match -1 }}", "the index -1 is out of range"),
        ("{{ index 1 0 }}", "a int has no element there"),
        ("{{ parseInt \"xyz\" 10 8 }}", "parseInt cannot read 'xyz'"),
        ("{{ parseInt \"256\" 10 8 }}", "parseInt cannot read '256'"),
        ("{{ parseInt \"1\" 99 8 }}", "parseInt cannot read '1'"),
        ("{{ parseInt \"1\" 10 }}", "wrong number of arguments for parseInt: 2"),
        ("{{ lt \"a\" 1 }}", "a string and a int cannot be compared"),
        ("{{ len 3 }}", "a int has no length"),
        ("{{ .Message }}", "a dns.Msg cannot be printed; print a field of it"),
        ("{{ .Meta }}", ".Meta takes one label"),
        ("{{ range .Match }}{{ .Name }}{{ end }}", "a string has no field Name"),
        ("{{ range .Type }}{{ end }}", "range cannot go through a string"),
        ("{{ slice .Name 5 3 }}", "out of range"),
        ("{{ printf 1 }}", "a string is wanted, not a int"),
        ("{{ printf \"%2000d\" 1 }}", "widths up to 1000"),
        ("{{ printf \"%*d\" 1 2 }}", "from the format only"),
        ("{{ range 10001 }}{{ end }}", "range cannot go through"),
        ("{{ range 5000 }}{{ range 5000 }}{{ end }}{{ end }}", "more than 10000 steps"),
        (
            "{{ $x := .Name }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",
            "longer than 65536 octets",
        ),
    ] {
        let error = evaluate(template).unwrap_err();
        assert!(error.contains(part), "{template}: {error}");
    }
}

#[test]
fn what_is_refused_when_it_is_read() {
    let deep = format!("{}{}", "{{ if 1 }}".repeat(33), "{{ end }}".repeat(33));
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(33), ")".repeat(33));
    let fields = format!("{{{{ $x := 1 }}}}{{{{ $x{} }}}}", ".A".repeat(33));
    let long = "a".repeat(10_001);
    for (template, part) in [
        ("{{ .Name", "an action has no end; add }}"),
        ("{{ }}", "a value is missing in an action"),
        ("{{ .Foo }}", ".Foo is not available; there is .Zone, .Name, .Class"),
        ("{{ .Message.Answer }}", ".Message.Answer is not available; there is .Message.Id"),
        ("{{ .Question.Foo }}", ".Question.Foo is not available; there is .Question.Name"),
        ("{{ $.Foo }}", ".Foo is not available"),
        ("{{ .Name.Foo }}", ".Name has no fields; remove .Foo"),
        ("{{ html .Name }}", "the function html is not available; there is and, or, not, len"),
        ("{{ define \"x\" }}{{ end }}", "define is not available; write the text"),
        ("{{ template \"x\" }}", "template is not available"),
        ("{{ block \"x\" . }}{{ end }}", "block is not available"),
        ("{{ if }}{{ end }}", "a value is missing"),
        ("{{ if 1 }}", "if, range or with has no end; add {{ end }}"),
        ("{{ end }}", "end without if, range or with"),
        ("{{ else }}", "else without if, range or with"),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "a second else; remove it"),
        ("{{ if 1 }}{{ else with 1 }}{{ end }}", "behind else nothing, if or with may stand"),
        ("{{ break }}", "break outside of range"),
        ("{{ $x }}", "the variable $x is not known here; set it with :="),
        ("{{ $x = 1 }}", "the variable $x is not known here"),
        ("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", "the variable $x is not known here"),
        ("{{ range $x = .Match }}{{ end }}", "range with = is not available; write :="),
        ("{{ range $x, .Match }}{{ end }}", "range sets variables as in"),
        ("{{ .Name .Type }}", "only functions take arguments"),
        ("{{ .Name | 3 }}", "behind | a function has to stand"),
        ("{{ nil }}", "nil is no value to print"),
        ("{{ (1 }}", "a parenthesis is not closed"),
        ("{{ 1) }}", "an action goes on where it should end"),
        ("{{ 1.5 }}", "numbers with a fraction are not available"),
        ("{{ .5 }}", "numbers with a fraction are not available"),
        ("{{ 12x }}", "'12x' is no whole number"),
        ("{{ 99999999999999999999 }}", "is no whole number"),
        ("{{ \"a }}", "a text has no end; add \""),
        ("{{ `a }}", "a text in backquotes has no end"),
        ("{{ 'ab' }}", "between ' there has to be one character"),
        ("{{ \"\\z\" }}", "unknown escape in a text"),
        ("{{ /* a }}", "a comment has no end; add */"),
        ("{{ /* a */ 1 }}", "a comment has to fill its braces"),
        ("{{ ! }}", "'!' has no meaning in an action"),
        (&deep, "nests deeper than 32"),
        (&parentheses, "nests deeper than 32"),
        (&fields, "too many fields"),
        (&long, "has 10001 octets; shorten it to 10000"),
    ] {
        let error = evaluate(template).unwrap_err();
        assert!(error.starts_with("parse: ") && error.contains(part), "{template}: {error}");
    }
}

#[test]
fn text_without_actions_is_fixed() {
    let fixed = |text| GoTemplate::parse(text).unwrap().fixed_text();
    assert_eq!(fixed("a 60 IN A 10.0.0.1{{/* x */}}").as_deref(), Some("a 60 IN A 10.0.0.1"));
    assert_eq!(fixed("{{ .Name }} A 10.0.0.1"), None);
}

#[test]
fn variables_of_var_lines() {
    assert_makes(&[
        ("{{ .Var.ip }} {{ .Var.ttl }} {{ .Var.local }}", "10.0.0.1 60 true"),
        ("{{ if .Var.local }}a{{ end }}{{ if not .Var.other }}b{{ end }}", "ab"),
        ("{{ len .Var }} {{ index .Var \"ip\" }} {{ eq .Var.ttl 60 }}", "3 10.0.0.1 true"),
        (
            "{{ range $name, $value := .Var }}{{ $name }}={{ $value }};{{ end }}",
            "ip=10.0.0.1;local=true;ttl=60;",
        ),
        ("{{ .Var }}", "map[ip:10.0.0.1 local:true ttl:60]"),
    ]);
}
