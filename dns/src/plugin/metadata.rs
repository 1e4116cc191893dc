//! `metadata`: lets `log`, `view`, `template` and others read what plugins know about a query.

use hickory_proto::rr::LowerName;

use super::arguments;
use crate::corefile::{CorefileError, Directive};

/// The zones in whose names queries have metadata.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataConfig {
    /// The zones.
    pub zones: Vec<LowerName>,
}

impl MetadataConfig {
    /// Reads the `metadata` directives of a server block with these zones.
    ///
    /// # Errors
    /// It stands twice, or names what is no zone.
    pub fn parse(directives: &[&Directive], block: &[LowerName]) -> Result<Self, CorefileError> {
        let mut zones = block.to_vec();
        if let Some(directive) = super::directive::only(directives)? {
            arguments::no_block(directive)?;
            if !directive.args.is_empty() {
                zones = arguments::zones(&directive.args)?;
            }
        }
        Ok(Self { zones })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn parse(directives: &[&Directive]) -> Result<MetadataConfig, CorefileError> {
        MetadataConfig::parse(directives, &["block.example.".parse().unwrap()])
    }

    #[test]
    fn zones_of_the_block_or_its_own() {
        let zones = |text| {
            let config = configure(text, parse).unwrap();
            config.zones.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(zones("metadata"), ["block.example."]);
        assert_eq!(zones("metadata Example.org example.net"), ["example.org.", "example.net."]);
        assert_refused(
            parse,
            &[
                ("metadata\nmetadata", "only be used once"),
                ("metadata a..b", "a..b"),
                ("metadata {\n}", "remove the braces"),
            ],
        );
    }
}
