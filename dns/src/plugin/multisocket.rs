//! `multisocket`: several sockets for each listen address.

use crate::corefile::{CorefileError, Directive};
use crate::plugin::arguments;
use crate::plugin::directive::{only, optional_argument};

/// The most sockets of one address.
const MAX_SOCKETS: u32 = 1024;

/// The `multisocket` directive of a server block.
///
/// ```text
/// multisocket [N]
/// ```
///
/// The kernel spreads clients over the sockets (`SO_REUSEPORT`), UDP and TCP alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MultisocketConfig {
    /// How many, 1 to 1024; none for as many as there are processors.
    pub sockets: Option<usize>,
}

impl MultisocketConfig {
    /// Reads the `multisocket` directive of a server block.
    ///
    /// # Errors
    /// It stands twice, or its argument is no number of 1 to 1024.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let Some(directive) = only(directives)? else { return Ok(Self { sockets: None }) };
        arguments::no_block(directive)?;
        let Some(token) = optional_argument(directive)? else { return Ok(Self { sockets: None }) };
        let number = arguments::number_in(token, 1..=MAX_SOCKETS, "sockets")?;
        Ok(Self { sockets: usize::try_from(number).ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn numbers_of_sockets() {
        let sockets = |text| configure(text, MultisocketConfig::parse).unwrap().sockets;
        assert_eq!(sockets("multisocket"), None);
        assert_eq!(sockets("multisocket 1"), Some(1));
        assert_eq!(sockets("multisocket 1024"), Some(1024));
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            MultisocketConfig::parse,
            &[
                ("multisocket 0", "0 is out of range; write 1 to 1024 sockets"),
                ("multisocket 1025", "out of range"),
                ("multisocket -1", "is no whole number"),
                ("multisocket two", "'two' is no whole number"),
                ("multisocket 2 3", "takes at most one argument; remove '3'"),
                ("multisocket {\n}", "takes no block"),
                ("multisocket\nmultisocket", "can only be used once per Server Block"),
            ],
        );
    }
}
