//! `debug`: logs what is done to each query.
//!
//! CoreDNS's plugin of this name also makes a panic end the process. Here a panic never does: one question must not
//! be able to end the server for everyone.

use super::arguments;
use crate::corefile::{CorefileError, Directive};

/// Reads the `debug` directives of a server block, which have no options; a repetition changes nothing.
///
/// # Errors
/// It has an argument or a block.
pub(crate) fn parse(directives: &[&Directive]) -> Result<bool, CorefileError> {
    for directive in directives {
        arguments::none(directive)?;
        arguments::no_block(directive)?;
    }
    Ok(!directives.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn no_options() {
        assert!(configure("debug\ndebug", parse).unwrap());
        let cases =
            [("debug all", "takes no argument; remove 'all'"), ("debug {\n}", "remove the braces")];
        assert_refused(parse, &cases);
    }
}
