//! The same objects give the same snapshot from the API and from manifests, in every form of manifest.

use std::path::Path;
use std::sync::Arc;

use cluster::{Cluster, Event, Kind, KindSet, NetworkPolicy, Object, Selector, Store};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Interest;
use crate::api::resource::{api_version, kind_of};
use crate::api::translate::Translator;
use crate::decode::Decoder;
use crate::manifests::catalog::Catalog;
use crate::manifests::contents::{Contents, Format, Reading};
use crate::manifests::fields::Fields;

fn store(events: impl IntoIterator<Item = Event>) -> Cluster {
    let mut store = Store::new();
    for event in events {
        store.apply(event, 1);
    }
    Cluster::clone(&store.snapshot())
}

/// The way of the API: each kind listed on its own, objects without kind and version.
fn from_api(objects: &[Value], interest: &Interest) -> Cluster {
    let mut events = Vec::new();
    for kind in interest.kinds.iter() {
        let mut translator = Translator::new(kind, interest);
        events.push(Event::ListStart(kind));
        for object in objects.iter().filter(|object| object["kind"] == kind.name()) {
            let mut wire = object.clone();
            let fields = wire.as_object_mut().unwrap();
            fields.remove("kind");
            fields.remove("apiVersion");
            // Objects from the API say the namespace that manifests may leave out.
            if kind.is_namespaced() && fields["metadata"]["namespace"].is_null() {
                fields["metadata"]["namespace"] = json!("default");
            }
            events.extend(translator.upsert(&wire.to_string()).event);
        }
        events.push(Event::ListEnd(kind));
    }
    store(events)
}

fn from_manifests(text: &str, format: Format, interest: &Interest) -> Cluster {
    let mut decoder = Decoder::default();
    let contents = Contents::read(
        text,
        format,
        &mut Reading { interest, decoder: &mut decoder, fields: &Fields::new() },
    );
    assert!(!contents.is_broken, "{:?}\n{text}", contents.problems);
    let files = [(Path::new("a.yaml"), &contents)];
    store(Catalog::of(files.into_iter(), interest).0.list(interest))
}

/// Writes block YAML, strings quoted.
fn block_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                *out += &format!("\n{pad}{key}:");
                block_yaml(value, indent + 2, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                *out += &format!("\n{pad}-");
                block_yaml(item, indent + 2, out);
            }
        }
        scalar => *out += &format!(" {scalar}"),
    }
}

fn yaml_stream(objects: &[Value]) -> String {
    let mut text = String::new();
    for object in objects {
        text += "---";
        block_yaml(object, 0, &mut text);
        text += "\n";
    }
    text
}

/// Puts objects of one kind into a list of that kind, whose items do not repeat it, as `kubectl get --raw`
/// prints it.
fn typed_lists(objects: &[Value]) -> String {
    let of_kind = |kind: Kind| {
        let items = objects.iter().filter(|object| object["kind"] == kind.name());
        let items: Vec<Value> = items
            .map(|object| {
                let mut item = object.clone();
                item.as_object_mut().unwrap().remove("kind");
                item.as_object_mut().unwrap().remove("apiVersion");
                item
            })
            .collect();
        json!({"kind": format!("{kind}List"), "apiVersion": api_version(kind), "items": items})
    };
    Kind::ALL.map(|kind| of_kind(kind).to_string()).join("\n")
}

fn object(kind: Kind, body: Value) -> impl Strategy<Value = Value> {
    let labels = prop_oneof![
        Just(json!(null)),
        Just(json!({"app": "a"})),
        Just(json!({"app": "b", "kubernetes.io/service-name": "web"})),
    ];
    let namespace = prop::option::of(prop::sample::select(vec!["n1", "n2"]));
    let name = prop::sample::select(vec!["n1", "n2", "default", "web"]);
    (labels, namespace, name, prop::bool::weighted(0.1)).prop_map(
        move |(labels, namespace, name, ends)| {
            let mut object = body.clone();
            object["kind"] = json!(kind.name());
            object["apiVersion"] = json!(api_version(kind));
            object["metadata"] =
                json!({"name": name, "labels": labels, "managedFields": [{"x": 1}]});
            if kind.is_namespaced() {
                object["metadata"]["namespace"] = json!(namespace);
            }
            if ends && kind == Kind::Pod {
                object["status"]["phase"] = json!("Succeeded");
            }
            object
        },
    )
}

fn any_object() -> impl Strategy<Value = Value> {
    let ip = || prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "fd00::1", "None", "", "bad"]);
    prop_oneof![
        object(Kind::Namespace, json!({})),
        object(Kind::Node, json!({"spec": {"podCIDR": "10.1.0.1/24"}})),
        ip().prop_flat_map(|ip| object(
            Kind::Service,
            json!({"spec": {"clusterIP": ip, "ports": [{"port": 80}]}})
        )),
        ip().prop_flat_map(|ip| object(
            Kind::EndpointSlice,
            json!({"endpoints": [{"addresses": [ip]}], "ports": null})
        )),
        ip().prop_flat_map(|ip| object(
            Kind::ServiceImport,
            json!({"spec": {"type": "ClusterSetIP", "ips": [ip], "ports": [{"port": 80}]}})
        )),
        ip().prop_flat_map(|ip| object(
            Kind::Pod,
            json!({"status": {"podIP": ip, "phase": "Running"}})
        )),
        object(
            Kind::NetworkPolicy,
            json!({"spec": {"podSelector": {}, "egress": [{"to": [{"podSelector": {"matchLabels": {"a": "b"}}}]}]}})
        ),
    ]
}

fn interest() -> impl Strategy<Value = Interest> {
    let selector = || {
        prop::sample::select(vec!["", "app=a", "app!=a", "app"])
            .prop_map(|text| Selector::parse(text).unwrap())
    };
    let namespaces = prop::option::of(Just(["n1".into(), "default".into()].into()));
    (selector(), selector(), namespaces, any::<bool>()).prop_map(
        |(labels, namespace_labels, namespaces, keep_labels)| Interest {
            kinds: KindSet::of(&Kind::ALL),
            keep_labels,
            keep_pod_labels: false,
            labels,
            namespace_labels,
            namespaces,
            node: None,
            service_ranges: Vec::new(),
        },
    )
}

proptest! {
    #[test]
    fn both_sources_agree_whatever_the_form(
        objects in prop::collection::vec(any_object(), 0..12),
        interest in interest(),
    ) {
        // A cluster has each object once, and every Namespace that objects are in.
        let mut unique = std::collections::BTreeMap::new();
        for name in ["default", "n1", "n2"] {
            let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
            unique.insert(format!("Namespace//{name}"), namespace);
        }
        for object in objects {
            let kind = object["kind"].as_str().unwrap();
            let scoped = kind_of(object["apiVersion"].as_str().unwrap(), kind).unwrap().is_namespaced();
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or(if scoped { "default" } else { "" });
            unique.insert(format!("{kind}/{namespace}/{}", object["metadata"]["name"]).replace('"', ""), object);
        }
        let objects: Vec<Value> = unique.into_values().collect();
        let expected = from_api(&objects, &interest);
        let list = json!({"kind": "List", "apiVersion": "v1", "items": objects});
        let mut block_list = String::new();
        block_yaml(&list, 0, &mut block_list);
        let forms = [
            (yaml_stream(&objects), Format::Yaml),
            (block_list, Format::Yaml),
            (list.to_string(), Format::Yaml),
            (serde_json::to_string_pretty(&list).unwrap(), Format::Json),
            (typed_lists(&objects), Format::Json),
        ];
        for (text, format) in forms {
            let found = from_manifests(&text, format, &interest);
            prop_assert_eq!(found.objects(), expected.objects(), "{}", text);
            prop_assert_eq!(found.synced(), expected.synced());
        }
    }
}

/// Returns the objects of a cluster without how they were written.
fn meant(cluster: &Cluster) -> Vec<Object> {
    let objects = cluster.objects().into_iter();
    let meant = objects.map(|object| match object {
        Object::NetworkPolicy(policy) => {
            let policy = NetworkPolicy { oddities: Box::default(), ..(*policy).clone() };
            Object::NetworkPolicy(Arc::new(policy))
        }
        other => other,
    });
    meant.collect()
}

proptest! {
    /// What `/debug/cluster` shows of a cluster is a fixture of it, though it may be written otherwise.
    #[test]
    fn a_dump_reads_back_as_it_was(
        objects in prop::collection::vec(any_object(), 0..12),
        keep_labels in any::<bool>(),
    ) {
        let interest = Interest { keep_labels, ..Interest::everything(KindSet::of(&Kind::ALL)) };
        let list = json!({"kind": "List", "apiVersion": "v1", "items": objects}).to_string();
        let cluster = from_manifests(&list, Format::Json, &interest);
        let again = from_manifests(&serde_json::to_string(&crate::dump(&cluster)).unwrap(), Format::Json, &interest);
        prop_assert_eq!(meant(&again), meant(&cluster));
    }
}

#[test]
fn a_dump_keeps_every_field() {
    let interest = Interest::everything(KindSet::of(&Kind::ALL));
    let cluster = from_manifests(include_str!("parity/everything.yaml"), Format::Yaml, &interest);
    assert_eq!(cluster.len(), 16);
    let again = from_manifests(
        &serde_json::to_string(&crate::dump(&cluster)).unwrap(),
        Format::Json,
        &interest,
    );
    assert_eq!(meant(&again), meant(&cluster));
}
