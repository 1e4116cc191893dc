//! Log lines as JSON: one object on each line.
//!
//! ```text
//! {"time":"2026-11-21T15:24:27.123456Z","level":"info","message":"shutting down","signal":"SIGTERM"}
//! ```
//!
//! `docs/logs.md` describes the fields.

use std::fmt;

use dns::plugin::{Field, FieldValue, Level};
use serde::Serialize;
use serde_json::Value;
use tracing::Event;
use tracing::field::{Field as EventField, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    /// Begins an object. What plugins put before their lines, `plugin/NAME: `, becomes a field.
    pub(super) fn new(level: Level, message: &str) -> Self {
        let mut object = Self(String::with_capacity(256));
        object.0.push('{');
        object.field("time", &now());
        object.field("level", &level.as_str().to_ascii_lowercase());
        let by_plugin = message.strip_prefix("plugin/").and_then(|rest| rest.split_once(": "));
        if let Some((plugin, message)) = by_plugin {
            object.field("plugin", plugin);
            object.field("message", message);
        } else {
            object.field("message", message);
        }
        object
    }

    /// Adds a field.
    pub(super) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Strings, numbers and lists of them can be written.
        let (Ok(name), Ok(value)) = (serde_json::to_string(name), serde_json::to_string(value))
        else {
            return;
        };
        self.0.push_str(&name);
        self.0.push(':');
        self.0.push_str(&value);
    }

    /// Ends the object and returns it as a line.
    pub(super) fn into_line(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

/// Returns the line of fields that a plugin made.
pub(super) fn of_fields(level: Level, message: &str, fields: &[Field<'_>]) -> String {
    let mut object = Object::new(level, message);
    object.field("plugin", "log");
    for (name, value) in fields {
        match value {
            FieldValue::Absent => object.field(name, &Value::Null),
            FieldValue::Text(text) => object.field(name, text),
            FieldValue::Words(words) => object.field(name, words),
            FieldValue::Number(number) => object.field(name, number),
            FieldValue::Seconds(seconds) => object.field(name, seconds),
            FieldValue::Truth(truth) => object.field(name, truth),
        }
    }
    object.into_line()
}

/// Returns the line of an event.
pub(super) fn of_event(event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let level = match *event.metadata().level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    };
    let mut object = Object::new(level, &fields.message);
    for (name, value) in &fields.others {
        object.field(name, value);
    }
    object.into_line()
}

/// The time in UTC (RFC 3339).
fn now() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &EventField, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &EventField, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &EventField, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &EventField, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &EventField, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &EventField, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &EventField, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Value {
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn fields_keep_their_kinds_and_text_cannot_forge_any() {
        let forged = "a\",\"level\":\"error\n{}";
        let line = of_fields(
            Level::Info,
            "query",
            &[
                ("name", FieldValue::Text(forged)),
                ("port", FieldValue::Number(53)),
                ("do", FieldValue::Truth(true)),
                ("flags", FieldValue::Words(&["qr", "rd"])),
                ("duration", FieldValue::Seconds(0.000_051_965)),
                ("rcode", FieldValue::Absent),
            ],
        );
        let object = read(&line);
        assert_eq!((&object["level"], &object["plugin"]), (&"info".into(), &"log".into()));
        assert_eq!(object["name"], forged);
        assert_eq!((&object["port"], &object["do"]), (&53.into(), &true.into()));
        assert_eq!(object["flags"], serde_json::json!(["qr", "rd"]));
        assert_eq!(object["duration"].as_f64(), Some(0.000_051_965));
        assert!(object["rcode"].is_null() && object.get("rcode").is_some());
        let time = object["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }

    #[test]
    fn the_plugin_before_a_line_is_a_field() {
        let line = Object::new(Level::Error, "plugin/errors: 2 a. A: down").into_line();
        let object = read(&line);
        assert_eq!((&object["plugin"], &object["level"]), (&"errors".into(), &"error".into()));
        assert_eq!(object["message"], "2 a. A: down");
        assert!(read(&Object::new(Level::Info, "plugin/none").into_line()).get("plugin").is_none());
    }
}
