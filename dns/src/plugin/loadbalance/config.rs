//! The configuration of `loadbalance`.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;
use crate::plugin::root::Root;

/// How often the weight file is read again by default.
const RELOAD: Duration = Duration::from_secs(30);

/// The `loadbalance` directive of a server block; the last of several counts.
///
/// ```text
/// loadbalance [round_robin | weighted WEIGHTFILE] {
///     reload DURATION
///     prefer CIDR [CIDR...]
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadbalanceConfig {
    /// What orders addresses.
    pub balancing: Balancing,
    /// Networks whose addresses come first after that, in this order.
    pub prefer: Vec<IpNet>,
}

/// What orders the addresses of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Balancing {
    /// Every order has the same chance. The default.
    RoundRobin,
    /// The first address is drawn by weight.
    Weighted {
        /// The file with the weights.
        file: PathBuf,
        /// How often it is read again, 30 s by default; none if never.
        reload: Option<Duration>,
    },
}

impl LoadbalanceConfig {
    /// Reads the `loadbalance` directives of a server block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self { balancing: Balancing::RoundRobin, prefer: Vec::new() };
        for directive in directives {
            config = parse_directive(directive)?;
        }
        Ok(config)
    }

    /// Returns the same with a file that is relative to `root`.
    #[must_use]
    pub fn in_root(mut self, root: &Root) -> Self {
        if let Balancing::Weighted { file, .. } = &mut self.balancing {
            *file = root.join(&*file);
        }
        self
    }
}

fn parse_directive(directive: &Directive) -> Result<LoadbalanceConfig, CorefileError> {
    let mut config =
        LoadbalanceConfig { balancing: parse_balancing(directive)?, prefer: Vec::new() };
    for line in directive.lines() {
        match (line.name.text.as_str(), &mut config.balancing) {
            ("prefer", _) => {
                for network in arguments::some(line)? {
                    config.prefer.push(parse_network(network)?);
                }
            }
            ("reload", Balancing::Weighted { reload, .. }) => {
                let interval = arguments::duration(arguments::single(line)?)?;
                *reload = (!interval.is_zero()).then_some(interval);
            }
            ("reload", Balancing::RoundRobin) => {
                let text = "'reload' needs a weight file; remove it or write 'weighted WEIGHTFILE'";
                return Err(line.error(text));
            }
            _ => return Err(unknown_option(line, "'reload' and 'prefer'")),
        }
    }
    Ok(config)
}

fn parse_balancing(directive: &Directive) -> Result<Balancing, CorefileError> {
    let words: Vec<&str> = directive.args.iter().map(|token| token.text.as_str()).collect();
    match words.as_slice() {
        [] | ["round_robin"] => Ok(Balancing::RoundRobin),
        ["weighted", file] => {
            Ok(Balancing::Weighted { file: PathBuf::from(file), reload: Some(RELOAD) })
        }
        ["weighted", ..] => {
            Err(directive.error("wrong argument count: write 'weighted WEIGHTFILE'"))
        }
        ["round_robin", ..] => {
            Err(directive.error("unknown arguments for 'round_robin'; remove them"))
        }
        [policy, ..] => Err(directive
            .error(format!("unknown policy '{policy}'; use round_robin or weighted WEIGHTFILE"))),
    }
}

fn parse_network(token: &Token) -> Result<IpNet, CorefileError> {
    token
        .text
        .parse::<IpNet>()
        .map(|network| network.trunc())
        .map_err(|_| token.error(format!("invalid CIDR '{}'; write ADDRESS/LENGTH", token.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn policies_and_options() {
        let config = |text| configure(text, LoadbalanceConfig::parse).unwrap();
        let weighted = |file, seconds: u64| Balancing::Weighted {
            file: PathBuf::from(file),
            reload: (seconds > 0).then_some(Duration::from_secs(seconds)),
        };
        for (text, balancing) in [
            ("loadbalance", Balancing::RoundRobin),
            ("loadbalance round_robin", Balancing::RoundRobin),
            ("loadbalance weighted w", weighted("w", 30)),
            ("loadbalance weighted w {\nreload 10s\n}", weighted("w", 10)),
            ("loadbalance weighted w {\nreload 0s\n}", weighted("w", 0)),
            ("loadbalance round_robin\nloadbalance weighted w", weighted("w", 30)),
        ] {
            assert_eq!(config(text), LoadbalanceConfig { balancing, prefer: Vec::new() }, "{text}");
        }
        let text = "loadbalance {\nprefer 10.1.2.3/16 2001:db8::/32\nprefer 10.0.0.0/8\n}";
        let networks = ["10.1.0.0/16", "2001:db8::/32", "10.0.0.0/8"];
        assert_eq!(config(text).prefer, networks.map(|text| text.parse().unwrap()));
    }

    #[test]
    fn the_weight_file_is_relative_to_the_root() {
        let root = configure("root /srv", Root::parse).unwrap();
        let config = configure("loadbalance weighted w", LoadbalanceConfig::parse).unwrap();
        let Balancing::Weighted { file, .. } = config.in_root(&root).balancing else { panic!() };
        assert_eq!(file, PathBuf::from("/srv/w"));
    }

    #[test]
    fn what_is_refused() {
        assert_refused(
            LoadbalanceConfig::parse,
            &[
                ("loadbalance fleeb", "unknown policy 'fleeb'"),
                ("loadbalance round_robin a", "unknown arguments"),
                ("loadbalance weighted", "write 'weighted WEIGHTFILE'"),
                ("loadbalance weighted a b", "write 'weighted WEIGHTFILE'"),
                ("loadbalance weighted w {\nsusu\n}", "unknown property 'susu'"),
                ("loadbalance weighted w {\nreload a\n}", "'a' is no duration"),
                ("loadbalance weighted w {\nreload 30s a\n}", "takes one argument; remove 'a'"),
                ("loadbalance {\nreload 30s\n}", "'reload' needs a weight file"),
                ("loadbalance {\nprefer\n}", "prefer needs at least one argument"),
                ("loadbalance {\nprefer 10.0.0.1\n}", "invalid CIDR '10.0.0.1'"),
                ("loadbalance\nloadbalance fleeb", "unknown policy"),
            ],
        );
    }
}
