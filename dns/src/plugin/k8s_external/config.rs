//! The `k8s_external` block of a Corefile.

use hickory_proto::rr::{LowerName, Name};

use crate::corefile::{CorefileError, Directive};
use crate::kubernetes::ExternalZone;
use crate::plugin::Fallthrough;
use crate::plugin::arguments::{none, number_in, single, zones};
use crate::plugin::directive::{only, unknown_option};

/// The largest `ttl` in seconds.
const MAX_TTL: u32 = 3600;

/// A `k8s_external` block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct K8sExternalConfig {
    /// The zones and the options that answers depend on.
    pub external: ExternalZone,
    /// `fallthrough`.
    pub fallthrough: Fallthrough,
}

impl K8sExternalConfig {
    /// Reads the directives of one server block whose zones are `block_zones`.
    ///
    /// # Errors
    /// The first word that is wrong, with its position and the remedy.
    pub fn parse(
        directives: &[&Directive],
        block_zones: &[LowerName],
    ) -> Result<Self, CorefileError> {
        let mut config = Self {
            external: ExternalZone {
                zones: block_zones.to_vec(),
                apex: "dns".to_owned(),
                ttl: 5,
                headless: false,
            },
            fallthrough: Fallthrough::Never,
        };
        let Some(directive) = only(directives)? else { return Ok(config) };
        if !directive.args.is_empty() {
            config.external.zones = zones(&directive.args)?;
        }
        for line in directive.lines() {
            config.read(line)?;
        }
        Ok(config)
    }

    fn read(&mut self, line: &Directive) -> Result<(), CorefileError> {
        match line.name.text.as_str() {
            "apex" => self.external.apex = label(line)?,
            "ttl" => self.external.ttl = number_in(single(line)?, 0..=MAX_TTL, "seconds")?,
            "headless" => {
                none(line)?;
                self.external.headless = true;
            }
            "fallthrough" => {
                let all = || vec![LowerName::new(&Name::root())];
                let zones = if line.args.is_empty() { all() } else { zones(&line.args)? };
                self.fallthrough = Fallthrough::Zones(zones);
            }
            _ => return Err(unknown_option(line, "apex, ttl, headless and fallthrough")),
        }
        Ok(())
    }
}

fn label(line: &Directive) -> Result<String, CorefileError> {
    let token = single(line)?;
    let is_label = Name::from_ascii(&token.text).is_ok_and(|name| name.iter().count() == 1);
    if is_label && !token.text.contains('.') {
        return Ok(token.text.to_ascii_lowercase());
    }
    Err(token.error(format!("'{}' is no label; write one such as dns, without a dot", token.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn each_option_is_read() {
        let block = ["a.test.".parse().unwrap()];
        let parse = |text| configure(text, |all| K8sExternalConfig::parse(all, &block)).unwrap();
        let plain = parse("k8s_external");
        assert_eq!(plain.external.zones, block);
        assert_eq!((&*plain.external.apex, plain.external.ttl), ("dns", 5));
        assert!(!plain.external.headless && plain.fallthrough == Fallthrough::Never);
        let full = parse(
            "k8s_external Example.org 192.0.2.0/24 {\napex Own\nttl 0\nheadless\nfallthrough\n}",
        );
        let zones: Vec<_> = full.external.zones.iter().map(ToString::to_string).collect();
        assert_eq!(zones, ["example.org.", "2.0.192.in-addr.arpa."]);
        assert_eq!((&*full.external.apex, full.external.ttl), ("own", 0));
        assert!(full.external.headless && full.fallthrough.lets_through(&block[0]));
    }

    #[test]
    fn mistakes_are_named() {
        assert_refused(
            |all| K8sExternalConfig::parse(all, &[]),
            &[
                ("k8s_external a\nk8s_external b", "once per Server Block"),
                ("k8s_external a..b", "a..b"),
                ("k8s_external {\napex a.b\n}", "no label"),
                ("k8s_external {\napex\n}", "needs an argument"),
                ("k8s_external {\nttl 3601\n}", "out of range"),
                ("k8s_external {\nheadless yes\n}", "takes no argument"),
                ("k8s_external {\nnonsense\n}", "unknown property 'nonsense'; there is apex, ttl"),
            ],
        );
    }
}
