//! The patch formats: JSON patch, JSON merge patch, strategic merge patch and apply.
//!
//! Strategic merge knows the merge keys of the fields the project's objects have
//! ([`MERGE_KEYS`]); any other list is replaced, as the API does for atomic lists. Server-side
//! apply is a strategic merge without field ownership: it never removes what it once set.

use serde_json::{Map, Value};

use super::status::Refusal;

/// How a patch body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchFormat {
    /// `application/json-patch+json`, RFC 6902.
    Json,
    /// `application/merge-patch+json`, RFC 7396.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`, server-side apply.
    Apply,
}

/// Kind (or `*`), list field and the keys that identify an element of the list.
///
/// From `x-kubernetes-patch-merge-key` of the API's `OpenAPI` document; ports of a Service go by
/// port and protocol as its `x-kubernetes-list-map-keys` have it.
const MERGE_KEYS: &[(&str, &str, &[&str])] = &[
    ("Service", "ports", &["port", "protocol"]),
    ("Pod", "ports", &["containerPort", "protocol"]),
    ("Pod", "containers", &["name"]),
    ("Pod", "initContainers", &["name"]),
    ("Pod", "env", &["name"]),
    ("Pod", "volumes", &["name"]),
    ("Pod", "volumeMounts", &["mountPath"]),
    ("Pod", "podIPs", &["ip"]),
    ("Pod", "hostAliases", &["ip"]),
    ("Node", "addresses", &["type"]),
    ("*", "conditions", &["type"]),
    ("*", "ownerReferences", &["uid"]),
];

/// Kinds whose objects hold a template of pods.
const PODS_OF: [&str; 2] = ["DaemonSet", "Deployment"];

/// Lists of plain values that strategic merge unites.
const UNITED: &[&str] = &["finalizers"];

impl PatchFormat {
    /// Reads a Content-Type header.
    pub fn parse(content_type: &str) -> Option<Self> {
        match content_type.split(';').next()?.trim() {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::Strategic),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }

    /// Applies a patch to an object of a kind.
    ///
    /// # Errors
    /// 400 for a body that is no patch, 422 for a JSON patch that does not apply.
    pub fn apply(self, kind: &str, object: &mut Value, patch: &Value) -> Result<(), Refusal> {
        match self {
            Self::Json => json_patch(object, patch),
            Self::Merge => {
                json_patch::merge(object, patch);
                Ok(())
            }
            Self::Strategic | Self::Apply => {
                // Their lists are those of their pods.
                let kind = if PODS_OF.contains(&kind) { "Pod" } else { kind };
                strategic(kind, object, patch);
                Ok(())
            }
        }
    }
}

fn json_patch(object: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    json_patch::patch(object, &operations).map_err(|error| {
        let message =
            format!("the server rejected our request due to an error in our request: {error}");
        Refusal::new(422, "Invalid", message)
    })
}

fn strategic(kind: &str, target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if fields.get("$patch").is_some_and(|directive| directive == "replace") {
        *target = without_directives(fields);
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (field, value) in fields {
        if let Some(list) = field.strip_prefix("$deleteFromPrimitiveList/") {
            remove_values(&mut target[list], value);
        } else if !field.starts_with('$') {
            strategic_field(kind, target, field, value);
        }
    }
}

fn strategic_field(kind: &str, target: &mut Value, field: &str, value: &Value) {
    if value.is_null() || value["$patch"] == "delete" {
        if let Some(target) = target.as_object_mut() {
            target.remove(field);
        }
        return;
    }
    let target = &mut target[field];
    match value {
        Value::Object(_) => strategic(kind, target, value),
        Value::Array(elements) => strategic_list(kind, field, target, elements),
        plain => *target = plain.clone(),
    }
}

fn strategic_list(kind: &str, field: &str, target: &mut Value, elements: &[Value]) {
    let Some(present) = target.as_array_mut() else {
        *target = fresh_list(kind, elements);
        return;
    };
    if UNITED.contains(&field) {
        let new: Vec<Value> = elements.iter().filter(|e| !present.contains(e)).cloned().collect();
        present.extend(new);
        return;
    }
    let keys = MERGE_KEYS.iter().find(|(of, name, _)| [kind, "*"].contains(of) && *name == field);
    let is_replaced = elements.iter().any(|element| element["$patch"] == "replace");
    let Some((_, _, keys)) = keys.filter(|_| !is_replaced) else {
        *target = fresh_list(kind, elements);
        return;
    };
    for element in elements {
        merge_element(kind, keys, present, element);
    }
}

fn merge_element(kind: &str, keys: &[&str], present: &mut Vec<Value>, element: &Value) {
    // An absent protocol means TCP, and may be absent in the patch only.
    let of = |value: &Value, key: &str| match (&value[key], key) {
        (Value::Null, "protocol") => Value::from("TCP"),
        (found, _) => found.clone(),
    };
    let is_same = |other: &Value| keys.iter().all(|key| of(other, key) == of(element, key));
    let position = present.iter().position(is_same);
    match (element["$patch"] == "delete", position) {
        (true, Some(index)) => drop(present.remove(index)),
        (true, None) => {}
        (false, Some(index)) => strategic(kind, &mut present[index], element),
        (false, None) => {
            let mut fresh = Value::Null;
            strategic(kind, &mut fresh, element);
            present.push(fresh);
        }
    }
}

fn fresh_list(kind: &str, elements: &[Value]) -> Value {
    let kept = elements.iter().filter(|element| element.get("$patch").is_none());
    let fresh = kept.map(|element| {
        let mut fresh = Value::Null;
        strategic(kind, &mut fresh, element);
        fresh
    });
    Value::Array(fresh.collect())
}

fn without_directives(fields: &Map<String, Value>) -> Value {
    let kept = fields.iter().filter(|(field, _)| !field.starts_with('$'));
    Value::Object(kept.map(|(field, value)| (field.clone(), value.clone())).collect())
}

fn remove_values(list: &mut Value, values: &Value) {
    if let (Some(list), Some(values)) = (list.as_array_mut(), values.as_array()) {
        list.retain(|value| !values.contains(value));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(kind: &str, mut object: Value, patch: Value) -> Value {
        PatchFormat::Strategic.apply(kind, &mut object, &patch).unwrap();
        object
    }

    #[test]
    fn strategic_merge_goes_by_key() {
        let service = json!({"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 80, "protocol": "TCP"}]}});
        let patch = json!({"spec": {
            "$setElementOrder/ports": [{"port": 53}, {"port": 80}],
            "ports": [{"port": 80, "name": "web"}, {"port": 53, "protocol": "UDP", "$patch": "delete"}],
        }});
        let expected = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "web"}]}});
        assert_eq!(patched("Service", service, patch), expected);
    }

    #[test]
    fn strategic_merge_replaces_atomic_lists_and_removes_nulls() {
        let slice =
            json!({"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}], "x": 1});
        let patch = json!({"endpoints": [{"addresses": ["10.0.0.2"]}], "x": null});
        let expected = json!({"endpoints": [{"addresses": ["10.0.0.2"]}], "ports": [{"port": 80}]});
        assert_eq!(patched("EndpointSlice", slice, patch), expected);
    }

    #[test]
    fn directives_replace_and_unite() {
        let object = json!({"metadata": {"finalizers": ["a"], "labels": {"a": "b"}}});
        let patch =
            json!({"metadata": {"finalizers": ["b"], "labels": {"$patch": "replace", "c": "d"}}});
        let expected = json!({"metadata": {"finalizers": ["a", "b"], "labels": {"c": "d"}}});
        assert_eq!(patched("Pod", object, patch), expected);
    }
}
