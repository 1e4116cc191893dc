//! An explanation for people.

use std::fmt::Write;

use super::Explanation;

/// Returns the explanation as indented lines, the answer last.
pub(crate) fn text(explanation: &Explanation) -> String {
    let mut text = format!("{} {}\n", explanation.name, explanation.qtype);
    for step in &explanation.steps {
        let indent = "  ".repeat(usize::from(step.depth) + 1);
        let who = if step.plugin.is_empty() { "server" } else { &step.plugin };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{indent}{who}: {}", step.text);
    }
    let rcode = explanation.rcode.as_deref().unwrap_or("no reply");
    let by = if explanation.plugin.is_empty() { "the server" } else { &explanation.plugin };
    let reason = explanation.reason.as_ref().map(|reason| format!(": {reason}"));
    let _ = writeln!(text, "  => {rcode}, from {by}{}", reason.unwrap_or_default());
    if let Some(hint) = &explanation.hint {
        let _ = writeln!(text, "     {hint}");
    }
    let sections = [
        ("answer", &explanation.answer),
        ("authority", &explanation.authority),
        ("additional", &explanation.additional),
    ];
    for (name, records) in sections {
        for record in records {
            let _ = writeln!(text, "     {name}: {record}");
        }
    }
    text
}
