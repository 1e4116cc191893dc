//! Regular expressions of Corefiles, which match in linear time whatever the name.

use regex::Regex;

use crate::corefile::{CorefileError, Token};

/// The longest pattern, in octets. CoreDNS has the same bound.
pub(crate) const MAX_PATTERN: usize = 10_000;

/// Reads a regular expression.
pub(crate) fn regular_expression(token: &Token) -> Result<Regex, CorefileError> {
    let text = &token.text;
    if text.len() > MAX_PATTERN {
        return Err(token.error(format!(
            "the regular expression has {} octets; shorten it to {MAX_PATTERN}",
            text.len()
        )));
    }
    Regex::new(text).map_err(|error| {
        token.error(format!("'{text}' is no regular expression; correct it: {error}"))
    })
}
