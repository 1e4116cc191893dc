//! Label and field selectors (Kubernetes "Labels and Selectors", "Field Selectors").

use serde_json::Value;

use super::status::Refusal;
use crate::query::Query;
use crate::resource::Resource;

/// What a list, a watch or a deletion of a collection is restricted to.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: Vec<LabelRequirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug)]
struct LabelRequirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    pointer: String,
    value: String,
    is_equal: bool,
}

impl Selection {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// 400 for a selector that cannot be parsed or a field the resource does not select by.
    pub fn parse(query: &Query, resource: &Resource) -> Result<Self, Refusal> {
        let labels = split_outside_parentheses(query.get("labelSelector").unwrap_or_default());
        let fields = query.get("fieldSelector").unwrap_or_default().split(',');
        let fields = fields.filter(|field| !field.is_empty());
        Ok(Self {
            labels: labels.into_iter().map(label).collect::<Result<_, _>>()?,
            fields: fields.map(|text| field(text, resource)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|requirement| requirement.matches(object))
    }
}

impl LabelRequirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        match &self.operator {
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::In(values) => value.is_some_and(|v| values.iter().any(|one| one == v)),
            Operator::NotIn(values) => value.is_none_or(|v| values.iter().all(|one| one != v)),
        }
    }
}

impl FieldRequirement {
    fn matches(&self, object: &Value) -> bool {
        let found = match object.pointer(&self.pointer) {
            Some(Value::String(text)) => text.clone(),
            // An absent field selects as its zero value.
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        (found == self.value) == self.is_equal
    }
}

fn label(text: &str) -> Result<LabelRequirement, Refusal> {
    let text = text.trim();
    let (key, operator) = if let Some((key, value)) = text.split_once("!=") {
        (key, Operator::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Operator::In(vec![value.trim().to_owned()]))
    } else if let Some((key, values)) = set(text, " notin") {
        (key, Operator::NotIn(values))
    } else if let Some((key, values)) = set(text, " in") {
        (key, Operator::In(values))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Operator::Absent)
    } else {
        (text, Operator::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains([' ', '(', ')', '=', '!']) {
        let message = format!("unable to parse requirement: {text:?}");
        return Err(Refusal::bad_request(message));
    }
    Ok(LabelRequirement { key: key.to_owned(), operator })
}

fn set<'a>(text: &'a str, word: &str) -> Option<(&'a str, Vec<String>)> {
    let (head, list) = text.strip_suffix(')')?.split_once('(')?;
    let key = head.trim_end().strip_suffix(word)?;
    let values = list.split(',').map(|value| value.trim().to_owned());
    Some((key, values.collect()))
}

fn field(text: &str, resource: &Resource) -> Result<FieldRequirement, Refusal> {
    let parsed = text
        .split_once("!=")
        .map(|(path, value)| (path, value, false))
        .or_else(|| text.split_once("==").map(|(path, value)| (path, value, true)))
        .or_else(|| text.split_once('=').map(|(path, value)| (path, value, true)));
    let Some((path, value, is_equal)) = parsed else {
        let message = format!("invalid selector: {text:?}; can't understand {text:?}");
        return Err(Refusal::bad_request(message));
    };
    let is_metadata =
        path == "metadata.name" || (path == "metadata.namespace" && resource.is_namespaced());
    if !is_metadata && !resource.fields.iter().any(|known| known == path) {
        let message = format!("field label not supported: {path}");
        return Err(Refusal::bad_request(message));
    }
    Ok(FieldRequirement {
        pointer: format!("/{}", path.replace('.', "/")),
        value: value.to_owned(),
        is_equal,
    })
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = text.split(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        character == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Resources;

    fn matches(labels: &str, fields: &str) -> bool {
        let pods = Resources::built_in().by_path("", "v1", "pods").unwrap();
        let query = format!("labelSelector={labels}&fieldSelector={fields}");
        let selection = Selection::parse(&Query::parse(&query), &pods).unwrap();
        selection.matches(&json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"app": "web", "tier": "x"}},
            "status": {"phase": "Running"},
        }))
    }

    #[test]
    fn labels_select_by_equality_and_by_set() {
        for yes in
            ["app=web", "app==web,tier", "app in (a, web),tier notin (y,z)", "!gone", "gone!=x"]
        {
            assert!(matches(yes, ""), "{yes}");
        }
        for no in ["app!=web", "!app", "gone", "app in (a,b)", "app notin (web)", "app=web,tier=y"]
        {
            assert!(!matches(no, ""), "{no}");
        }
    }

    #[test]
    fn fields_select_by_equality() {
        assert!(matches("", "metadata.name=p,status.phase!=Pending,spec.nodeName="));
        assert!(!matches("", "metadata.namespace==other"));
    }
}
