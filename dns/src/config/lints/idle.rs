//! What is done in vain: a server block that answers nothing, metadata that nobody reads.

use super::claim::claims;
use super::{Linted, listed, warning};
use crate::corefile::{Directive, Warning};

/// The plugins that answer without owning a zone, or may.
const OTHER_ANSWERS: [&str; 7] = ["acl", "any", "chaos", "local", "rewrite", "template", "view"];

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    mute(linted).into_iter().chain(unread(linted)).collect()
}

/// A server block without a plugin that answers.
fn mute(linted: Linted<'_>) -> Option<Warning> {
    let answers = |directive: &Directive| OTHER_ANSWERS.contains(&directive.name.text.as_str());
    if !claims(linted).is_empty() || linted.text.directives.iter().any(answers) {
        return None;
    }
    let text = format!(
        "no plugin of this server block answers queries: every name in {} is REFUSED; add 'forward' or \
         'kubernetes', or remove the block",
        listed(&linted.block.zones)
    );
    Some(warning(linted.text.keys.first()?, text))
}

/// `metadata` without anything that reads it.
fn unread(linted: Linted<'_>) -> Option<Warning> {
    let directive = linted.directives("metadata").into_iter().next()?;
    if linted.text.directives.iter().any(reads) {
        return None;
    }
    let text = "nobody reads the 'metadata' of this server block; name some in 'log', 'rewrite', 'template', \
                'dnstap' or 'view', such as {/kubernetes/client-namespace}, or remove this line";
    Some(warning(&directive.name, text.into()))
}

/// Says whether a line names metadata: `{/label}`, or a function of templates and expressions.
fn reads(line: &Directive) -> bool {
    let mut tokens = std::iter::once(&line.name).chain(&line.args);
    let is_metadata = line.name.text == "metadata" && line.block.is_none();
    !is_metadata
        && (tokens.any(|token| {
            ["{/", "metadata(", ".Meta", "label("].iter().any(|sign| token.text.contains(sign))
        }) || line.lines().iter().any(reads))
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    #[test]
    fn a_block_has_to_answer() {
        assert_hit("a {\nwhoami\n}\nb {\nerrors\ncache\n}\n", 4, &["every name in b. is REFUSED"]);
        assert_miss("b {\nerrors\ncache\nforward . 192.0.2.53\n}\n");
        assert_miss("hostname.bind {\nchaos\n}\n");
    }

    #[test]
    fn metadata_has_to_be_read() {
        assert_hit(". {\nmetadata\nwhoami\nlog\n}\n", 2, &["nobody reads"]);
        assert_miss(". {\nmetadata\nwhoami\nlog . \"{name} {/kubernetes/service}\"\n}\n");
        assert_miss(
            ". {\nmetadata\nwhoami\nview v {\nexpr metadata('kubernetes/kind') == 'svc'\n}\n}\n",
        );
    }
}
