//! The `ratelimit` directive of a server block.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::acl::networks::Networks;
use crate::plugin::{arguments, directive};

/// Queries a second.
const RATE: u32 = 1000;

/// The most queries a second, and the most at once.
const MAX_RATE: u32 = 1_000_000;

/// How many clients are known.
const CLIENTS: u32 = 65_536;

/// The most, which take 17 MiB.
const MAX_CLIENTS: u32 = 1_000_000;

/// How many queries clients may ask, and what those that ask more get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RatelimitConfig {
    /// Queries a second.
    pub rate: u32,
    /// Queries at once.
    pub burst: u32,
    /// The length of the IPv4 prefix that is one client, in bits.
    pub ipv4_prefix: u8,
    /// The length of the IPv6 prefix that is one client, in bits.
    pub ipv6_prefix: u8,
    /// Who has no limit.
    pub(super) exempt: Networks,
    /// What happens to queries above it.
    pub action: Action,
    /// How many clients are known.
    pub clients: u32,
}

/// What happens to a query above the limit, when its client's address may be forged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// REFUSED.
    Refuse,
    /// An empty reply with TC, so that a real client asks again over TCP.
    Truncate,
    /// No answer, but to each n-th the one of [`Action::Truncate`]; 0 for none.
    Drop {
        /// The n.
        slip: u32,
    },
}

impl RatelimitConfig {
    /// Reads the `ratelimit` directive.
    ///
    /// # Errors
    /// It stands twice, or has something else in it.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let (mut config, mut burst, mut exempt) = (Self::default(), None, Vec::new());
        let Some(directive) = directive::only(directives)? else { return Ok(config) };
        arguments::none(directive)?;
        for line in directive.lines() {
            arguments::no_block(line)?;
            match line.name.text.as_str() {
                "rate" => config.rate = amount(line, 1..=MAX_RATE, "queries a second")?,
                "burst" => burst = Some(amount(line, 1..=MAX_RATE, "queries")?),
                "ipv4_prefix" => config.ipv4_prefix = prefix(line, 32)?,
                "ipv6_prefix" => config.ipv6_prefix = prefix(line, 128)?,
                "exempt" => {
                    for token in arguments::some(line)? {
                        exempt.push(network(token)?);
                    }
                }
                "action" => config.action = action(line)?,
                "clients" => config.clients = amount(line, 1..=MAX_CLIENTS, "clients")?,
                _ => {
                    let known = "rate, burst, ipv4_prefix, ipv6_prefix, exempt, action and clients";
                    return Err(directive::unknown_option(line, known));
                }
            }
        }
        config.burst = burst.unwrap_or(config.rate.saturating_mul(2));
        if !exempt.is_empty() {
            config.exempt = Networks::of(&exempt);
        }
        Ok(config)
    }
}

impl Default for RatelimitConfig {
    fn default() -> Self {
        let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        Self {
            rate: RATE,
            burst: 2 * RATE,
            ipv4_prefix: 32,
            ipv6_prefix: 56,
            exempt: Networks::of(&[IpNet::V4(v4), IpNet::V6(v6)]),
            action: Action::Refuse,
            clients: CLIENTS,
        }
    }
}

fn amount(
    line: &Directive,
    range: std::ops::RangeInclusive<u32>,
    unit: &str,
) -> Result<u32, CorefileError> {
    arguments::number_in(arguments::single(line)?, range, unit)
}

fn prefix(line: &Directive, most: u8) -> Result<u8, CorefileError> {
    let bits = amount(line, 1..=most.into(), "bits")?;
    // Within the range.
    Ok(u8::try_from(bits).unwrap_or(most))
}

fn network(token: &Token) -> Result<IpNet, CorefileError> {
    let text = &token.text;
    let address = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse().ok().or_else(address).ok_or_else(|| {
        token.error(format!("'{text}' is no network; write one such as 10.0.0.0/8, or an address"))
    })
}

/// Reads `refuse`, `truncate`, `drop` or `drop slip N`.
fn action(line: &Directive) -> Result<Action, CorefileError> {
    let words: Vec<&str> = line.args.iter().map(|token| token.text.as_str()).collect();
    match (words.as_slice(), line.args.get(2)) {
        (["refuse"], _) => Ok(Action::Refuse),
        (["truncate"], _) => Ok(Action::Truncate),
        (["drop"], _) => Ok(Action::Drop { slip: 0 }),
        (["drop", "slip", _], Some(number)) => {
            let slip = arguments::number_in(number, 1..=MAX_RATE, "dropped queries")?;
            Ok(Action::Drop { slip })
        }
        _ => Err(line.error(format!(
            "unknown action '{}'; there is refuse, truncate, drop and drop slip N",
            words.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn options() {
        let parse = |lines: &str| {
            configure(&format!("ratelimit {{\n{lines}\n}}"), RatelimitConfig::parse).unwrap()
        };
        let default = RatelimitConfig::default();
        assert_eq!(configure("ratelimit", RatelimitConfig::parse).unwrap(), default);
        assert_eq!((default.rate, default.burst, default.clients), (1000, 2000, 65_536));
        assert_eq!(parse("rate 7").burst, 14);
        let given = parse("burst 3\nrate 7\nipv4_prefix 24\nipv6_prefix 64\nclients 9");
        assert_eq!((given.rate, given.burst, given.clients), (7, 3, 9));
        assert_eq!((given.ipv4_prefix, given.ipv6_prefix), (24, 64));
        let is_exempt = |config: &RatelimitConfig, client: &str| {
            config.exempt.contains(client.parse().unwrap())
        };
        assert!(is_exempt(&default, "127.0.0.53") && is_exempt(&default, "::1"));
        assert!(!is_exempt(&default, "10.0.0.1"));
        let given = parse("exempt 10.0.0.0/8\nexempt fd00::1");
        assert!(is_exempt(&given, "10.1.0.1") && is_exempt(&given, "fd00::1"));
        assert!(!is_exempt(&given, "127.0.0.1"));
        assert_eq!(parse("action truncate").action, Action::Truncate);
        assert_eq!(parse("action drop").action, Action::Drop { slip: 0 });
        assert_eq!(parse("action drop slip 2").action, Action::Drop { slip: 2 });
    }

    #[test]
    fn mistakes() {
        let line = |line: &str| format!("ratelimit {{\n{line}\n}}");
        let cases = [
            ("rate 0", "out of range; write 1 to 1000000 queries a second"),
            ("rate", "needs an argument"),
            ("burst 0", "out of range"),
            ("burst x", "'x' is no whole number; write one from 1 to 1000000 queries"),
            ("ipv4_prefix 33", "out of range; write 1 to 32 bits"),
            ("ipv6_prefix 0", "out of range; write 1 to 128 bits"),
            ("exempt", "needs at least one argument"),
            ("exempt 10.0.0.0/33", "'10.0.0.0/33'"),
            ("clients 1000001", "out of range"),
            ("action", "there is refuse, truncate, drop and drop slip N"),
            ("action drop slip", "unknown action 'drop slip'"),
            ("action drop slip 0", "out of range"),
            ("limit 3", "unknown property 'limit'; there is rate, burst"),
        ];
        for (text, part) in cases {
            assert_refused(RatelimitConfig::parse, &[(&line(text), part)]);
        }
        let cases = [("ratelimit 100", "remove '100'"), ("ratelimit\nratelimit", "only be used")];
        assert_refused(RatelimitConfig::parse, &cases);
    }
}
