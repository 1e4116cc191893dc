//! The `acl` directives of a server block.

use hickory_proto::rr::{LowerName, RecordType};
use ipnet::IpNet;

use super::networks::Networks;
use crate::corefile::{CorefileError, Directive, Position, Token};
use crate::plugin::{arguments, mnemonic};

/// Every `acl` of a server block, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AclConfig {
    pub(super) lists: Vec<RuleList>,
}

/// One `acl`: rules for the names of some zones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RuleList {
    pub(super) zones: Vec<LowerName>,
    pub(super) rules: Vec<Rule>,
}

/// One line of an `acl`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    pub(super) action: Action,
    /// None for every type.
    pub(super) types: Option<Vec<RecordType>>,
    /// None for every address.
    pub(super) networks: Option<Networks>,
    /// Where the rule stands.
    pub(super) position: Position,
}

/// What happens to a query that a rule matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Allow,
    /// REFUSED.
    Block,
    /// NOERROR without records.
    Filter,
    /// No answer.
    Drop,
}

impl Action {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Filter => "filter",
            Self::Drop => "drop",
        }
    }
}

impl AclConfig {
    /// Reads the `acl` directives of a server block with these zones.
    ///
    /// # Errors
    /// A line is no rule.
    pub fn parse(directives: &[&Directive], block: &[LowerName]) -> Result<Self, CorefileError> {
        let mut lists = Vec::new();
        for directive in directives {
            let zones = match directive.args.as_slice() {
                [] => block.to_vec(),
                zones => arguments::zones(zones)?,
            };
            let rules = directive.lines().iter().map(rule).collect::<Result<_, _>>()?;
            lists.push(RuleList { zones, rules });
        }
        Ok(Self { lists })
    }
}

/// Reads `ACTION [type QTYPE...] [net SOURCE...]`; either section may be repeated.
fn rule(line: &Directive) -> Result<Rule, CorefileError> {
    arguments::no_block(line)?;
    let action = match line.name.text.to_ascii_lowercase().as_str() {
        "allow" => Action::Allow,
        "block" => Action::Block,
        "filter" => Action::Filter,
        "drop" => Action::Drop,
        other => {
            return Err(line.error(format!(
                "unknown property '{other}'; there is allow, block, filter and drop"
            )));
        }
    };
    let mut sections = Sections::default();
    let mut rest = line.args.as_slice();
    while let Some((section, after)) = rest.split_first() {
        let values = after.iter().take_while(|token| !is_section(token)).count();
        let (values, after) = after.split_at(values);
        sections.add(section, values)?;
        rest = after;
    }
    let networks = sections.networks.map(|networks| Networks::of(&networks));
    let types = sections.types.filter(|_| !sections.every_type);
    let networks = networks.filter(|_| !sections.every_address);
    Ok(Rule { action, types, networks, position: line.name.position.clone() })
}

fn is_section(token: &Token) -> bool {
    matches!(token.text.to_ascii_lowercase().as_str(), "type" | "net")
}

#[derive(Default)]
struct Sections {
    types: Option<Vec<RecordType>>,
    networks: Option<Vec<IpNet>>,
    every_type: bool,
    every_address: bool,
}

impl Sections {
    fn add(&mut self, section: &Token, values: &[Token]) -> Result<(), CorefileError> {
        let name = section.text.to_ascii_lowercase();
        if !is_section(section) {
            return Err(section.error(format!(
                "unexpected token '{name}'; after the action comes 'type' with types or 'net' with networks"
            )));
        }
        if values.is_empty() {
            return Err(
                section.error(format!("nothing follows '{name}'; add it or remove '{name}'"))
            );
        }
        for value in values {
            match (name.as_str(), value.text.as_str()) {
                ("type", "*") => self.every_type = true,
                ("type", _) => self.types.get_or_insert_default().push(qtype(value)?),
                (_, "*") => self.every_address = true,
                _ => self.networks.get_or_insert_default().push(network(value)?),
            }
        }
        Ok(())
    }
}

fn qtype(token: &Token) -> Result<RecordType, CorefileError> {
    mnemonic::parse_record_type(&token.text).ok_or_else(|| {
        token.error(format!(
            "'{}' is no type; write one such as A or ANY, its number as TYPE65, or * for all",
            token.text
        ))
    })
}

fn network(token: &Token) -> Result<IpNet, CorefileError> {
    let text = &token.text;
    let address = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse().ok().or_else(address).ok_or_else(|| {
        token.error(format!(
            "illegal CIDR notation '{text}'; write a network such as 10.0.0.0/8, an address, or * for all"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    fn parse(directives: &[&Directive]) -> Result<AclConfig, CorefileError> {
        AclConfig::parse(directives, &["block.example.".parse().unwrap()])
    }

    fn rules(lines: &str) -> Vec<Rule> {
        configure(&format!("acl {{\n{lines}\n}}"), parse).unwrap().lists.remove(0).rules
    }

    #[test]
    fn zones_are_those_of_the_block_or_its_own() {
        let config = configure("acl\nacl a.example 10.0.0.0/8 {\nblock\n}", parse).unwrap();
        let zones =
            |at: usize| config.lists[at].zones.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(zones(0), ["block.example."]);
        assert_eq!(zones(1), ["a.example.", "10.in-addr.arpa."]);
        assert!(config.lists[0].rules.is_empty());
    }

    #[test]
    fn sections_in_any_order_and_any_number() {
        let rules = rules(
            "ALLOW net 10.0.0.1 TYPE a Net 10.1.0.0/16 type AAAA\nblock type *\nfilter type A * net *\ndrop net fd00::/8",
        );
        assert_eq!(rules[0].types, Some(vec![RecordType::A, RecordType::AAAA]));
        let networks = ["10.0.0.1/32", "10.1.0.0/16"].map(|text| text.parse().unwrap());
        assert_eq!(rules[0].networks, Some(Networks::of(&networks)));
        let actions: Vec<_> = rules.iter().map(|rule| rule.action.name()).collect();
        assert_eq!(actions, ["allow", "block", "filter", "drop"]);
        for rule in &rules[1..3] {
            assert_eq!((&rule.types, &rule.networks), (&None, &None));
        }
        assert_eq!(rules[3].position.line, 6);
    }

    #[test]
    fn refused() {
        assert_refused(
            parse,
            &[
                ("acl {\npermit\n}", "unknown property 'permit'; there is allow, block"),
                ("acl {\nblock A\n}", "unexpected token 'a'; after the action comes 'type'"),
                ("acl {\nblock type\n}", "nothing follows 'type'"),
                ("acl {\nblock net type A\n}", "nothing follows 'net'"),
                ("acl {\nblock type FOO\n}", "'FOO' is no type; write one such as A"),
                ("acl {\nblock net 10.0.0.0/33\n}", "illegal CIDR notation '10.0.0.0/33'"),
                ("acl {\nblock net LOCAL\n}", "illegal CIDR notation 'LOCAL'"),
                ("acl {\nblock {\n}\n}", "remove the braces"),
                ("acl a..b {\nblock\n}", "a..b"),
            ],
        );
    }
}
