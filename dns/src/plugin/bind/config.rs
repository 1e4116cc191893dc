//! The configuration of `bind`.

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;

/// The `bind` directives of a server block; their addresses add up.
///
/// ```text
/// bind ADDRESS|IFACE... {
///     except ADDRESS|IFACE...
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BindConfig {
    /// In textual order; empty when the server block listens on every address.
    pub groups: Vec<BindGroup>,
}

/// One `bind` directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindGroup {
    /// Addresses and names of interfaces to listen on.
    pub listen: Vec<Token>,
    /// Addresses and names of interfaces to leave out of this group.
    pub except: Vec<Token>,
}

impl BindConfig {
    /// Reads the `bind` directives of a server block. Which words are interfaces shows when they are resolved.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let groups = directives.iter().map(|directive| parse_group(directive));
        Ok(Self { groups: groups.collect::<Result<_, _>>()? })
    }
}

fn parse_group(directive: &Directive) -> Result<BindGroup, CorefileError> {
    let listen = arguments::some(directive)?.to_vec();
    let mut except = Vec::new();
    for line in directive.lines() {
        if line.name.text != "except" {
            return Err(unknown_option(line, "'except'"));
        }
        except.extend_from_slice(arguments::some(line)?);
    }
    Ok(BindGroup { listen, except })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::assert_refused;

    #[test]
    fn what_is_refused() {
        assert_refused(
            BindConfig::parse,
            &[
                ("bind", "bind needs at least one argument"),
                ("bind lo {\nexcept\n}", "except needs at least one argument"),
                ("bind lo {\nbut 127.0.0.1\n}", "unknown property 'but'; there is 'except'"),
            ],
        );
    }
}
