//! Events (events.k8s.io/v1): what is told to operators.
//!
//! Source: Kubernetes API reference, "Event v1 events.k8s.io", and its validation, which bounds every text.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stamp::micro_time;

/// The longest note, in octets.
const MOST_NOTE: usize = 1024;

/// The longest name of an object, in octets, of which the last 35 are for what makes it unique.
const MOST_NAME: usize = 253 - 35;

/// Who tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reporter {
    /// `reportingController`: `DOMAIN/NAME`.
    pub controller: &'static str,
    /// `reportingInstance`: which process; at most 128 octets count.
    pub instance: String,
}

/// Something to be told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Event {
    /// The object that it is about.
    pub regarding: Regarding,
    /// Whether somebody has to do something.
    pub severity: Severity,
    /// Why, in one word in `UpperCamelCase`, of a fixed set.
    pub reason: &'static str,
    /// What was being done, in one word in `UpperCamelCase`, of a fixed set.
    pub action: &'static str,
    /// What and the remedy, for people; at most 1,024 octets count.
    pub note: String,
}

/// The object that an Event is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Regarding {
    /// `apiVersion`.
    pub api_version: &'static str,
    /// `kind`.
    pub kind: &'static str,
    /// `metadata.namespace`; empty for kinds that have none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; empty when it is not known, and then `kubectl describe` does not show the Event.
    pub uid: String,
}

/// Whether somebody has to do something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Nobody has.
    Normal,
    /// Somebody has.
    Warning,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl Regarding {
    /// Returns the namespace of Events about it: its own, `default` for kinds that have none.
    pub(crate) fn namespace_of_events(&self) -> &str {
        if self.namespace.is_empty() { "default" } else { &self.namespace }
    }
}

impl Event {
    /// Returns the name of a new Event, made unique by the time and a random number.
    pub(crate) fn name_at(&self, unix: Duration, random: u64) -> String {
        // Names of Events are DNS subdomains; those of other kinds may have more.
        let plain =
            |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' };
        let name: String =
            self.regarding.name.chars().take(MOST_NAME).map(plain).collect::<String>();
        let name = name.to_ascii_lowercase();
        let name = name.trim_matches(['-', '.']);
        let name = if name.is_empty() { "event" } else { name };
        format!("{name}.{:x}{random:016x}", unix.as_micros())
    }

    /// Returns the object.
    pub(crate) fn object(&self, name: &str, reporter: &Reporter, unix: Duration) -> Value {
        let of = &self.regarding;
        let mut regarding = json!({"apiVersion": of.api_version, "kind": of.kind, "name": of.name});
        for (field, value) in [("namespace", &of.namespace), ("uid", &of.uid)] {
            if !value.is_empty() {
                regarding[field] = json!(value);
            }
        }
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": of.namespace_of_events()},
            "eventTime": micro_time(unix),
            "reportingController": reporter.controller,
            "reportingInstance": cut(&reporter.instance, 128),
            "action": self.action,
            "reason": self.reason,
            "regarding": regarding,
            "note": cut(&self.note, MOST_NOTE),
            "type": self.severity.as_str(),
        })
    }
}

/// Returns what says that something has happened so often, the last time then.
pub(crate) fn series(count: u32, last: Duration) -> Value {
    json!({"series": {"count": count, "lastObservedTime": micro_time(last)}})
}

/// Returns as much of a text as fits into so many octets.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_what_the_api_asks_for() {
        let regarding = Regarding {
            api_version: "v1",
            kind: "Node",
            name: "Node_1.".to_owned(),
            uid: "u".to_owned(),
            ..Regarding::default()
        };
        let note = "é".repeat(600);
        let (severity, reason, action) = (Severity::Warning, "Reason", "Action");
        let event = Event { regarding, severity, reason, action, note };
        let unix = Duration::from_secs(1);
        let name = event.name_at(unix, 0xab);
        assert_eq!(name, "node-1.f424000000000000000ab");
        let reporter = Reporter { controller: "portolan.dev/x", instance: "i".repeat(200) };
        let object = event.object(&name, &reporter, unix);
        assert_eq!(object["metadata"]["namespace"], "default");
        assert_eq!(object["note"].as_str().unwrap().len(), 1024);
        assert_eq!(object["reportingInstance"].as_str().unwrap().len(), 128);
        assert_eq!(
            object["regarding"],
            json!({"apiVersion": "v1", "kind": "Node", "name": "Node_1.", "uid": "u"})
        );
        assert_eq!((cut("aé", 2), cut("aé", 3), cut("", 0)), ("a", "aé", ""));
    }
}
