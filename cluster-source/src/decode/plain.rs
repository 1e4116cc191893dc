//! What serde says of a value, in the words of a manifest.

/// Returns what is wrong with a value and what to write instead. serde's own text speaks of Rust's types and
/// counts lines in the JSON that a manifest was turned into, where nobody can look.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = &text[..text.find(" at line ").unwrap_or(text.len())];
    let shape =
        text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    if let Some((found, expected)) = shape.and_then(|shape| shape.rsplit_once(", expected ")) {
        return wrong_shape(found, expected);
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        return format!("{} stands twice; keep one of the two", field.replace('`', ""));
    }
    if text.starts_with("number out of range") {
        return "is too large a number; write a smaller one".to_owned();
    }
    format!("is not readable ({text}); write it as `kubectl get -o yaml` does")
}

fn wrong_shape(found: &str, expected: &str) -> String {
    let found = shown(found);
    let remedy = match expected {
        "a string" if found != "empty" && !found.starts_with("a ") => {
            return format!("is {found} where text belongs; put it in quotes");
        }
        "a string" => "text",
        "a sequence" => "a list, each entry behind a dash",
        "a boolean" => "true or false, without quotes",
        "a port number or a port name" => "a port number or a port name",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => {
            "a whole number, without quotes"
        }
        // Structs, maps, and the wire types' own words.
        _ => "a mapping of fields to values",
    };
    format!("is {found}; write {remedy}")
}

/// Returns a value as serde describes it in the manifest's words.
fn shown(found: &str) -> String {
    let value = |prefix: &str| found.strip_prefix(prefix).map(|value| value.replace('`', ""));
    if let Some(text) = value("string ") {
        return format!("the text {text}");
    }
    if let Some(number) = value("integer ").or_else(|| value("floating point ")) {
        return format!("the number {number}");
    }
    if let Some(word) = value("boolean ") {
        return word;
    }
    match found {
        "null" | "unit" | "unit value" => "empty".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a mapping".to_owned(),
        other => other.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only its parsing matters")]
    struct Wire {
        name: Option<String>,
        port: Option<u16>,
        list: Option<Vec<String>>,
        flag: Option<bool>,
        inner: Option<Box<Wire>>,
    }

    #[test]
    fn every_shape_is_told_without_serde() {
        let cases = [
            (r#"{"name":5}"#, "is the number 5 where text belongs; put it in quotes"),
            (r#"{"name":true}"#, "is true where text belongs; put it in quotes"),
            (r#"{"name":[]}"#, "is a list; write text"),
            (r#"{"name":{}}"#, "is a mapping; write text"),
            (r#"{"port":"80"}"#, "is the text \"80\"; write a whole number, without quotes"),
            (r#"{"port":70000}"#, "is the number 70000; write a whole number, without quotes"),
            (r#"{"port":1.5}"#, "is the number 1.5; write a whole number, without quotes"),
            (r#"{"list":{}}"#, "is a mapping; write a list, each entry behind a dash"),
            (r#"{"list":[null]}"#, "is empty; write text"),
            (
                r#"{"flag":"no, expected"}"#,
                "is the text \"no, expected\"; write true or false, without quotes",
            ),
            (r#"{"inner":"x"}"#, "is the text \"x\"; write a mapping of fields to values"),
            (r#"{"name":"a","name":"b"}"#, "name stands twice; keep one of the two"),
        ];
        for (json, expected) in cases {
            let error = serde_json::from_str::<Wire>(json).unwrap_err();
            assert_eq!(plain(&error), expected, "{json}");
        }
    }
}
