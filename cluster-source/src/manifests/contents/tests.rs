//! What files hold, and what is said of what they should not.

use std::collections::BTreeMap;
use std::path::Path;

use cluster::{Event, KindSet};
use ipam_controller::services::{Ranges, assign};

use super::*;
use crate::manifests::catalog::Catalog;

fn read(text: &str, format: Format) -> Contents {
    let interest = Interest::everything(KindSet::of(&Kind::ALL));
    let mut decoder = Decoder::default();
    Contents::read(
        text,
        format,
        &mut Reading { interest: &interest, decoder: &mut decoder, fields: &Fields::new() },
    )
}

fn keys(contents: &Contents) -> Vec<String> {
    contents.objects.iter().map(|o| format!("{} {}", o.kind(), o.key())).collect()
}

#[test]
fn what_is_wrong_leaves_the_rest_alone_and_names_its_place() {
    let text = "\
# a comment
---
apiVersion: v1
kind: Service
metadata: {name: good, namespace: a}
---
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: b}
spec: {clusterIP: 10.0.0.300}
---
metadata: {name: nothing}
---
apiVersion: v1
kind: [
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: c}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web}
---
just text
---
apiVersion: v1
kind: Pod
metadata: {name: last}
";
    let contents = read(text, Format::Yaml);
    assert_eq!(keys(&contents), ["Service a/good", "Pod default/last"]);
    assert_eq!(contents.skipped, 2);
    let inhabited: Vec<_> = contents.inhabited.iter().map(String::as_str).collect();
    assert_eq!(inhabited, ["a", "b", "c", "default"]);
    let problems: Vec<_> = contents.problems.iter().map(|p| p.document).collect();
    assert_eq!(problems, [2, 3, 4, 7]);
    assert!(contents.is_broken && contents.bad == 4);
    assert_eq!(contents.problems[0].line, 6);
    assert!(contents.problems[0].text.starts_with("Service b/bad: spec.clusterIP: "));
    assert!(contents.problems[1].text.contains("`kind: Service`"), "{:?}", contents.problems[1]);
    assert!(contents.problems[2].line.abs_diff(15) <= 1, "{:?}", contents.problems[2]);
}

/// A kind that nobody reads is no mistake, one that is nearly read is.
#[test]
fn a_mistyped_kind_is_a_problem_with_its_remedy() {
    let text = "\
apiVersion: v1
kind: Servcie
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
";
    let contents = read(text, Format::Yaml);
    assert_eq!((contents.skipped, contents.bad), (1, 1));
    assert_eq!(
        contents.problems[0].text,
        "Servcie shop/web: no such kind is read from v1; write `apiVersion: v1` and `kind: Service`"
    );
    assert_eq!(contents.unusable.len(), 1, "what it was before stays");

    let interest = Interest::everything(KindSet::of(&[Kind::Pod]));
    let mut reading =
        Reading { interest: &interest, decoder: &mut Decoder::default(), fields: &Fields::new() };
    let contents = Contents::read(text, Format::Yaml, &mut reading);
    assert_eq!((contents.skipped, contents.bad), (2, 0), "nobody asks for Services");
}

#[test]
fn json_files_hold_documents_one_after_the_other() {
    let text = r#"
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}

{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"a"}}
{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}} {
"#;
    let contents = read(text, Format::Json);
    assert_eq!(keys(&contents), ["Namespace a", "Node n"]);
    assert!(contents.declared.contains("a") && contents.is_broken);
    assert_eq!((contents.problems[0].line, contents.problems[0].document), (4, 2));
}

#[test]
fn lists_in_lists_are_taken_up_to_a_depth() {
    let nested = |depth: usize| {
        let mut json = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#.to_owned();
        for _ in 0..depth {
            json = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{json}]}}"#);
        }
        read(&json, Format::Json)
    };
    assert_eq!(keys(&nested(2)), ["Node n"]);
    assert_eq!((nested(9).objects.len(), nested(9).problems.len()), (0, 1));
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(text in "(?s)[-a-c:{}\\[\\]&*!|>%#\"'\n .,]{0,120}") {
        read(&text, Format::Yaml);
        read(&text, Format::Json);
    }
}

#[test]
fn services_say_what_they_want_whoever_reads_them() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, ports: [{port: 80}, {port: 81, nodePort: 30001}]}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: back}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: wrong, namespace: shop}\n\
                spec: {ipFamilies: [IPv5]}\n";
    let interest = Interest {
        service_ranges: vec!["10.0.0.0/24".parse().unwrap(), "fd00::/120".parse().unwrap()],
        namespaces: Some(["shop".into()].into()),
        ..Interest::everything(KindSet::of(&[Kind::Service]))
    };
    let mut decoder = Decoder::default();
    let mut reading =
        Reading { interest: &interest, decoder: &mut decoder, fields: &Fields::new() };
    let contents = Contents::read(text, Format::Yaml, &mut reading);
    assert_eq!(contents.problems.len(), 1);
    assert!(contents.problems[0].text.contains("\"IPv5\" is no family; write IPv4 or IPv6"));

    let ranges = Ranges::new(&interest.service_ranges).unwrap();
    let assignment = assign(ranges, &contents.wishes.iter().cloned().collect(), &BTreeMap::new());
    assert_eq!(assignment.given.len(), 2, "also those that are not of interest");
    let (mut catalog, _) = Catalog::of([(Path::new("x"), &contents)].into_iter(), &interest);
    catalog.give(&assignment.given);
    let web = catalog.list(&interest).into_iter().find_map(|event| match event {
        Event::Upsert(Object::Service(service)) if &*service.key.name == "web" => Some(service),
        _ => None,
    });
    let web = web.unwrap();
    assert_eq!(web.cluster_ips(), assignment.given[&web.key].addresses);
    assert_eq!(web.cluster_ips().len(), 2);
    let node_ports: Vec<_> = web.ports.iter().map(|port| port.node_port).collect();
    assert!(node_ports[0].is_some_and(|port| port >= 30_086), "{node_ports:?}");
    assert_eq!(node_ports[1], Some(30_001));
}
