//! Which fields objects have in the Kubernetes API, to tell those that no object of a kind has. Decoding reads the few
//! that it needs and passes over all others, so that a mistyped one would be missed in silence.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

const TYPES: &str = include_str!("fields.txt");

/// How many characters of a name are shown; longer ones have no nearest.
const MOST_SHOWN: usize = 64;

/// The types of the API, by their places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fields {
    types: Vec<Type>,
    places: BTreeMap<&'static str, usize>,
}

/// The fields of a type by name, each with its own type if that has known fields.
type Type = BTreeMap<&'static str, Option<usize>>;

/// A field that no object of the kind has. `Display` says where it is, and what to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UnknownField {
    /// `spec.ports[0].targetport`.
    pub(crate) path: String,
    /// The field that was meant.
    pub(crate) nearest: Option<&'static str>,
}

impl Fields {
    /// Reads the table.
    pub(crate) fn new() -> Self {
        let mut lines: Vec<Vec<&'static str>> = Vec::new();
        for line in TYPES.lines().filter(|line| !line.starts_with('#')) {
            match lines.last_mut() {
                Some(last) if line.starts_with(' ') => last.extend(line.split_whitespace()),
                _ => lines.push(line.split_whitespace().collect()),
            }
        }
        lines.retain(|line| !line.is_empty());
        let places: BTreeMap<&'static str, usize> =
            lines.iter().enumerate().map(|(at, line)| (line[0], at)).collect();
        let field = |word: &&'static str| match word.split_once('=') {
            Some((name, of)) => (name, places.get(of).copied()),
            None => (*word, None),
        };
        let types = lines.iter().map(|line| line[1..].iter().map(field).collect()).collect();
        Self { types, places }
    }

    /// Returns the first so many fields of an object that its kind (`Service`) does not have, in the order of the text; none
    /// of a kind that the table has not. What is below one is not looked at. Costs a pass over the text.
    pub(crate) fn unknown(&self, kind: &str, json: &str, most: usize) -> Vec<UnknownField> {
        let Some(of) = self.places.get(kind) else { return Vec::new() };
        let mut walk = Walk { fields: self, path: Vec::new(), found: Vec::new(), most };
        // What is no JSON has been told of when it was decoded.
        let _ = Value { walk: &mut walk, of: *of }
            .deserialize(&mut serde_json::Deserializer::from_str(json));
        walk.found
    }
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: there is no such field, and it is ignored; ", self.path)?;
        match self.nearest {
            Some(nearest) => write!(f, "write `{nearest}`"),
            None => f.write_str("remove it"),
        }
    }
}

/// A way through an object.
struct Walk<'a> {
    fields: &'a Fields,
    path: Vec<Step>,
    found: Vec<UnknownField>,
    most: usize,
}

/// A step of a path.
enum Step {
    Field(&'static str),
    Item(usize),
}

impl Walk<'_> {
    /// Takes the name of a field; returns its type if there is more to look at.
    fn field(&mut self, of: usize, name: &str) -> Option<(&'static str, usize)> {
        match self.fields.types[of].get_key_value(name) {
            Some((name, of)) => of.map(|of| (*name, of)),
            None => {
                if self.found.len() < self.most {
                    let (path, nearest) = (self.path_of(name), self.nearest(of, name));
                    self.found.push(UnknownField { path, nearest });
                }
                None
            }
        }
    }

    fn path_of(&self, name: &str) -> String {
        let mut path = String::new();
        for step in &self.path {
            path += &match step {
                Step::Field(name) => format!("{name}."),
                Step::Item(at) => format!("[{at}]."),
            };
        }
        let cut = if name.chars().nth(MOST_SHOWN).is_some() { "…" } else { "" };
        path.extend(name.chars().take(MOST_SHOWN).flat_map(char::escape_debug));
        path.replace(".[", "[") + cut
    }

    /// Returns the field of a type that has nearly the name: in other case, or with a letter or two that are wrong, missing,
    /// too much or swapped.
    fn nearest(&self, of: usize, name: &str) -> Option<&'static str> {
        if name.len() > MOST_SHOWN {
            return None;
        }
        let lower = name.to_lowercase();
        let most = (name.len() / 3).min(2);
        let distance = |field: &str| strsim::osa_distance(&field.to_lowercase(), &lower);
        let near = self.fields.types[of].keys().map(|field| (distance(field), *field));
        near.filter(|(distance, _)| *distance <= most).min().map(|(_, field)| field)
    }
}

/// An object of a type, or a list of such.
struct Value<'a, 'b> {
    walk: &'a mut Walk<'b>,
    of: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { walk, of } = self;
        while let Some(known) = entries.next_key_seed(Key { walk, of })? {
            let Some((name, of)) = known else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            walk.path.push(Step::Field(name));
            entries.next_value_seed(Value { walk, of })?;
            walk.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { walk, of } = self;
        for at in 0.. {
            walk.path.push(Step::Item(at));
            let item = items.next_element_seed(Value { walk, of })?;
            walk.path.pop();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// The name of a field of a type.
struct Key<'a, 'b> {
    walk: &'a mut Walk<'b>,
    of: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<(&'static str, usize)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<(&'static str, usize)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.walk.field(self.of, name))
    }
}

#[cfg(test)]
mod tests {
    use cluster::Kind;

    use super::*;

    fn told(kind: Kind, json: &str) -> Vec<String> {
        let unknown = Fields::new().unknown(kind.name(), json, 10);
        unknown.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_has_every_kind_and_every_type_that_it_names() {
        let fields = Fields::new();
        let known: usize = fields.types.iter().flat_map(BTreeMap::values).flatten().count();
        assert_eq!(known, TYPES.matches('=').count());
        for kind in Kind::ALL.map(Kind::name).into_iter().chain(["IPPool", "NodeBlock"]) {
            assert!(fields.types[fields.places[kind]].contains_key("metadata"), "{kind}");
        }
    }

    #[test]
    fn what_a_kind_does_not_have_is_found_with_its_path() {
        let service = r#"{"apiVersion": "v1", "kind": "Service", "Metadata": {"x": 1},
            "spec": {"clusterIp": "10.0.0.1", "selector": {"any": "thing"}, "foo\nbar": {"deep": {}},
                     "ports": [{"port": 1}, {"port": 2, "target_port": null, "zzz": []}]}}"#;
        assert_eq!(
            told(Kind::Service, service),
            [
                "Metadata: there is no such field, and it is ignored; write `metadata`",
                "spec.clusterIp: there is no such field, and it is ignored; write `clusterIP`",
                "spec.foo\\nbar: there is no such field, and it is ignored; remove it",
                "spec.ports[1].target_port: there is no such field, and it is ignored; write `targetPort`",
                "spec.ports[1].zzz: there is no such field, and it is ignored; remove it",
            ]
        );
        let policy = r#"{"spec": {"podSelector": {"matchLabel": {}}, "ingress": [
            {"form": [{"namespaceSelectors": {}}], "from": [{"ipBlock": {"excpet": []}}]}]}}"#;
        let words = told(Kind::NetworkPolicy, policy);
        for (said, meant) in words.iter().zip(["matchLabels", "from", "except"]) {
            assert!(said.ends_with(&format!("write `{meant}`")), "{words:?}");
        }
        assert!(words[2].starts_with("spec.ingress[0].from[0].ipBlock.excpet: "), "{words:?}");
    }

    #[test]
    fn what_is_known_or_no_object_is_passed_over() {
        for json in [
            r#"{"spec": null, "metadata": {"labels": {"a/b": "c"}, "managedFields": [{"fieldsV1": {"f:x": {}}}]}}"#,
            r#"{"spec": "text", "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}"#,
            r#"[1, 2.5, true, -1, "x", null]"#,
            r#"{"spec": {"ports": [["#,
        ] {
            assert_eq!(told(Kind::Service, json), [""; 0], "{json}");
        }
    }

    #[test]
    fn few_are_told_and_long_names_are_cut() {
        let many: Vec<String> = (0..100).map(|n| format!("\"x{n}\": {n}")).collect();
        assert_eq!(told(Kind::Node, &format!("{{{}}}", many.join(","))).len(), 10);
        let words = told(Kind::Node, &format!("{{\"{}\": 1}}", "é".repeat(1000)));
        assert!(words[0].starts_with(&("é".repeat(MOST_SHOWN) + "…: ")), "{words:?}");
    }
}
