//! Replaces `{$NAME}` and `{%NAME%}` in a token.

use std::ops::Range;

/// Looks up an environment variable; `None` when it is unset.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every reference, from left to right. An unset variable is empty. A reference without a name (`{$}`)
/// or without an end is plain text, and so is what looks like a reference inside a value: looking again would
/// let a variable that contains its own reference run for ever.
pub(super) fn substitute(text: &str, lookup: Environment<'_>) -> String {
    let mut output = String::with_capacity(text.len());
    let mut copied = 0;
    for reference in References::new(text) {
        output.push_str(&text[copied..reference.whole.start]);
        output.push_str(&lookup(reference.name).unwrap_or_default());
        copied = reference.whole.end;
    }
    output.push_str(&text[copied..]);
    output
}

struct Reference<'t> {
    whole: Range<usize>,
    name: &'t str,
}

/// The two notations: opening and closing mark.
const NOTATIONS: [(&str, &str); 2] = [("{$", "}"), ("{%", "%}")];

struct References<'t> {
    text: &'t str,
    at: usize,
    /// Whether a notation's closing mark may still follow. Without this memory `{${${$…` costs quadratic time.
    may_close: [bool; 2],
}

impl<'t> References<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, may_close: [true; 2] }
    }

    /// The reference that opens exactly at the current place.
    fn here(&mut self) -> Option<Reference<'t>> {
        let rest = &self.text[self.at..];
        for (index, (open, close)) in NOTATIONS.into_iter().enumerate() {
            let Some(body) = rest.strip_prefix(open) else {
                continue;
            };
            if !self.may_close[index] {
                return None;
            }
            let Some(length) = body.find(close) else {
                self.may_close[index] = false;
                return None;
            };
            let end = self.at + open.len() + length + close.len();
            return (length > 0).then(|| Reference { whole: self.at..end, name: &body[..length] });
        }
        None
    }
}

impl<'t> Iterator for References<'t> {
    type Item = Reference<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(brace) = self.text[self.at..].find('{') {
            self.at += brace;
            if let Some(reference) = self.here() {
                self.at = reference.whole.end;
                return Some(reference);
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "ZONE" => Some("example.org".to_owned()),
            "LOOP" => Some("{$LOOP}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn replaces_both_notations() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{$ZONE}", "example.org"),
            ("{%ZONE%}", "example.org"),
            ("a.{$ZONE}:{%ZONE%}.", "a.example.org:example.org."),
            ("{$UNSET}", ""),
            ("x{%UNSET%}y", "xy"),
            ("{$}", "{$}"),
            ("{$}{$ZONE}", "{$}example.org"),
            ("{%%}", "{%%}"),
            ("{$ZONE", "{$ZONE"),
            ("{%ZONE}", "{%ZONE}"),
            ("{{$x}}", "{}"),
            ("{{", "{{"),
            ("{$LOOP}", "{$LOOP}"),
            ("ü{$ZONE}ü", "üexample.orgü"),
        ] {
            assert_eq!(substitute(text, &lookup), expected, "{text}");
        }
    }

    #[test]
    fn unclosed_references_cost_linear_time() {
        let text = "{${%".repeat(1_000_000);
        assert_eq!(substitute(&text, &lookup), text);
    }
}
