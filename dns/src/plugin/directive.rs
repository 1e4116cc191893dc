//! Checks how often a directive stands and what is in its block.

use crate::corefile::{CorefileError, Directive, Token};

/// Returns the directive of a plugin that a server block may have once; none of an empty list.
pub(super) fn only<'a>(
    directives: &[&'a Directive],
) -> Result<Option<&'a Directive>, CorefileError> {
    match directives {
        [] => Ok(None),
        [directive] => Ok(Some(directive)),
        [_, second, ..] => Err(second.error(format!(
            "plugin/{}: this plugin can only be used once per Server Block; remove this one",
            second.name.text
        ))),
    }
}

/// Returns the argument of a directive that takes one or none.
pub(super) fn optional_argument(directive: &Directive) -> Result<Option<&Token>, CorefileError> {
    match directive.args.as_slice() {
        [] => Ok(None),
        [argument] => Ok(Some(argument)),
        [_, extra, ..] => Err(extra.error(format!(
            "{} takes at most one argument; remove '{}'",
            directive.name.text, extra.text
        ))),
    }
}

/// Reports a line of a block that names no option; `known` lists the options.
pub(super) fn unknown_option(line: &Directive, known: &str) -> CorefileError {
    line.error(format!("unknown property '{}'; there is {known}", line.name.text))
}
