//! Placeholders in the formats of `log` that stand for nothing.

use super::{Linted, warning};
use crate::corefile::Warning;
use crate::plugin::log::LogFormat;

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let formats = linted.directives("log").into_iter().filter_map(|log| log.args.last());
    let told = formats.flat_map(|format| {
        LogFormat::unknown(&format.text).into_iter().map(move |(word, is_written)| {
            let what = if is_written { "is written as it stands" } else { "is always '-'" };
            let text = format!(
                "'{word}' is no placeholder of 'log' and {what}; there is {}, and {{/LABEL}} for metadata",
                LogFormat::PLACEHOLDERS
            );
            warning(format, text)
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn placeholders_have_to_be_known() {
        let log = |format: &str| format!(". {{\nlog . \"{format}\"\nwhoami\n}}\n");
        assert_hit(
            &log("{type} {nme}"),
            2,
            &["'{nme}' is no placeholder", "as it stands", "{name}"],
        );
        assert_hit(&log("{>nothere}"), 2, &["'{>nothere}' is no placeholder", "always '-'"]);
        assert_miss(&log("{common} {combined} {>id} {>Do} {duration}"));
        // JSON, and braces around text.
        assert_miss(&log("{\\\"name\\\": \\\"{name}\\\"} {} { {size bytes} {"));
        assert_miss(". {\nlog example.org\nwhoami\n}\n");
    }
}
