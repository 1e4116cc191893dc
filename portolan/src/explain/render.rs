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
    let _ = writeln!(text, "     time: {}", times(explanation));
    text
}

/// Returns how long each plugin took, as far as it said what it did, and the whole. What passes before a step is
/// the time of the one who takes it.
fn times(explanation: &Explanation) -> String {
    let mut by_plugin: Vec<(&str, u64)> = Vec::new();
    let mut before = 0;
    for step in explanation.steps.iter().filter(|step| !step.plugin.is_empty()) {
        let took = step.after_us.saturating_sub(before);
        before = step.after_us;
        match by_plugin.iter_mut().find(|(plugin, _)| *plugin == step.plugin) {
            Some((_, sum)) => *sum += took,
            None => by_plugin.push((&step.plugin, took)),
        }
    }
    let mut text = String::new();
    for (plugin, took) in by_plugin {
        // Writing to a String cannot fail.
        let _ = write!(text, "{plugin} {} ms, ", milliseconds(took));
    }
    text + &format!("{} ms in all", milliseconds(explanation.took_us))
}

fn milliseconds(microseconds: u64) -> String {
    format!("{}.{:03}", microseconds / 1000, microseconds % 1000)
}
