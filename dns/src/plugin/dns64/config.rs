//! The configuration of `dns64`.

use super::Prefix;
use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::{optional_argument, unknown_option};

/// The `dns64` directives of a server block; where they contradict each other the last counts.
///
/// ```text
/// dns64 [PREFIX] {
///     prefix PREFIX
///     translate_all
///     allow_ipv4
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dns64Config {
    /// What IPv4 addresses are put into; `64:ff9b::/96` by default.
    pub prefix: Prefix,
    /// Whether names that have IPv6 addresses get made ones instead.
    pub translate_all: bool,
    /// Whether clients that ask over IPv4 get translations, too.
    pub allow_ipv4: bool,
}

impl Dns64Config {
    /// Reads the `dns64` directives of a server block.
    ///
    /// # Errors
    /// A prefix that is none, or an unknown option.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self::default();
        for directive in directives {
            if let Some(argument) = optional_argument(directive)? {
                config.prefix = prefix(argument)?;
            }
            for line in directive.lines() {
                config.read(line)?;
            }
        }
        Ok(config)
    }

    fn read(&mut self, line: &Directive) -> Result<(), CorefileError> {
        match line.name.text.as_str() {
            "prefix" => self.prefix = prefix(arguments::single(line)?)?,
            "translate_all" => {
                arguments::none(line)?;
                self.translate_all = true;
            }
            "allow_ipv4" => {
                arguments::none(line)?;
                self.allow_ipv4 = true;
            }
            _ => return Err(unknown_option(line, "'prefix', 'translate_all' and 'allow_ipv4'")),
        }
        Ok(())
    }
}

fn prefix(token: &Token) -> Result<Prefix, CorefileError> {
    token.text.parse().map_err(|error| token.error(format!("'{}' {error}", token.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn parse(text: &str) -> Dns64Config {
        configure(text, Dns64Config::parse).unwrap()
    }

    #[test]
    fn every_form() {
        let default = Dns64Config::default();
        assert_eq!(default.prefix.to_string(), "64:ff9b::/96");
        assert_eq!(parse("dns64"), default);
        let prefix: Prefix = "64:1337::/64".parse().unwrap();
        assert_eq!(parse("dns64 64:1337::/64"), Dns64Config { prefix, ..default });
        assert_eq!(parse("dns64 {\nprefix 64:1337::1/64\n}"), Dns64Config { prefix, ..default });
        let all = Dns64Config { prefix, translate_all: true, allow_ipv4: true };
        assert_eq!(parse("dns64 64:1337::/64 {\ntranslate_all\nallow_ipv4\n}"), all);
        assert_eq!(parse("dns64 {\ntranslate_all\n}\ndns64 64:1337::/64 {\nallow_ipv4\n}"), all);
    }

    #[test]
    fn mistakes() {
        assert_refused(
            Dns64Config::parse,
            &[
                ("dns64 10.0.0.0/8", "is no IPv6 prefix"),
                ("dns64 64:ff9b::", "is no IPv6 prefix"),
                ("dns64 64:ff9b::/97", "the length 97; use 32, 40, 48, 56, 64 or 96"),
                ("dns64 64:ff9b::/72", "the length 72"),
                ("dns64 64:ff9b::/96 extra", "remove 'extra'"),
                ("dns64 {\nprefix\n}", "needs an argument"),
                ("dns64 {\ntranslate_all yes\n}", "remove 'yes'"),
                ("dns64 {\nallow_ipv4 yes\n}", "remove 'yes'"),
                ("dns64 {\nexclude\n}", "there is 'prefix', 'translate_all' and 'allow_ipv4'"),
            ],
        );
    }
}
