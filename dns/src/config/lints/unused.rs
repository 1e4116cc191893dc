//! Words in the entries of `hosts` that are no host names.

use super::{Linted, warning};
use crate::corefile::Warning;
use crate::plugin::hosts;

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let lines = linted.directives("hosts").into_iter().flat_map(|hosts| hosts.lines());
    let entries = lines.filter(|line| hosts::is_address(&line.name.text));
    let words = entries.flat_map(|entry| &entry.args);
    let unused = words.filter(|word| !hosts::is_host_name(&word.text));
    let told = unused.map(|word| {
        let text = format!("'{}' is no host name and not used; correct it", word.text);
        warning(word, text)
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn entries_have_host_names() {
        let text = ". {\nhosts {\n192.0.2.1 good a..b\nfallthrough\n}\nwhoami\n}\n";
        assert_hit(text, 3, &["'a..b' is no host name and not used"]);
        assert_miss(&text.replace("a..b", "a.b"));
    }
}
