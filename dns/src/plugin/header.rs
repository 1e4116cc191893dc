//! `header`: sets and clears flags of queries and replies.

use super::{Handling, Plugin, Setup, SetupError, Site, arguments};
use crate::corefile::{CorefileError, Directive, Token};
use crate::engine::Context;
use crate::{Query, Reply};

/// The `header` directives of a server block: flags and what they become, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderConfig {
    /// The RD bit of queries, if it is changed.
    query_recursion_desired: Option<bool>,
    response: Vec<(Flag, bool)>,
}

/// A flag of a message (RFC 1035 §4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flag {
    Authoritative,
    RecursionAvailable,
    RecursionDesired,
}

impl Flag {
    const fn name(self) -> &'static str {
        match self {
            Self::Authoritative => "AA",
            Self::RecursionAvailable => "RA",
            Self::RecursionDesired => "RD",
        }
    }
}

impl HeaderConfig {
    /// Reads the `header` directives of a server block: lines of `query|response set|clear FLAGS...`; without the
    /// first word a line is about responses.
    ///
    /// # Errors
    /// There is no line, or one is something else.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self { query_recursion_desired: None, response: Vec::new() };
        for directive in directives {
            arguments::none(directive)?;
            if directive.lines().is_empty() {
                return Err(directive
                    .error("header needs a block; add lines such as 'response set ra' in braces"));
            }
            for line in directive.lines() {
                arguments::no_block(line)?;
                config.add(line)?;
            }
        }
        Ok(config)
    }

    fn add(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let words: Vec<&Token> = std::iter::once(&line.name).chain(&line.args).collect();
        let (is_query, words) = match line.name.text.to_ascii_lowercase().as_str() {
            "query" => (true, &words[1..]),
            "response" => (false, &words[1..]),
            "set" | "clear" => (false, &words[..]),
            other => {
                return Err(line.error(format!(
                    "unknown property '{other}'; there is query, response, set and clear"
                )));
            }
        };
        let [action, flags @ ..] = words else {
            return Err(line.error("no flag action provided; add set or clear, and flags"));
        };
        let state = match action.text.to_ascii_lowercase().as_str() {
            "set" => true,
            "clear" => false,
            other => {
                return Err(
                    action.error(format!("unknown flag action '{other}'; there is set and clear"))
                );
            }
        };
        if flags.is_empty() {
            return Err(action.error("no flag follows; add aa, ra or rd"));
        }
        for token in flags {
            match (is_query, flag(token)?) {
                (false, flag) => self.response.push((flag, state)),
                (true, Flag::RecursionDesired) => self.query_recursion_desired = Some(state),
                (true, Flag::Authoritative | Flag::RecursionAvailable) => {
                    return Err(token.error(format!(
                        "'{}' has no meaning in a query (RFC 1035); remove it, only rd has one",
                        token.text
                    )));
                }
            }
        }
        Ok(())
    }
}

fn flag(token: &Token) -> Result<Flag, CorefileError> {
    match token.text.to_ascii_lowercase().as_str() {
        "aa" => Ok(Flag::Authoritative),
        "ra" => Ok(Flag::RecursionAvailable),
        "rd" => Ok(Flag::RecursionDesired),
        other => Err(token.error(format!("unknown flag '{other}'; there is aa, ra and rd"))),
    }
}

impl Setup for HeaderConfig {
    fn name(&self) -> &'static str {
        "header"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Header(self.clone())))
    }
}

/// Changes flags on the way in and on the way out; of several changes of a flag the last one counts.
#[derive(Debug)]
struct Header(HeaderConfig);

impl Plugin for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    fn changes_queries(&self) -> bool {
        true
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if let Some(state) = self.0.query_recursion_desired {
            query.recursion_desired = state;
            context.note(self.name(), || format!("RD of the query becomes {}", u8::from(state)));
        }
        Handling::NEXT
    }

    fn reply(&self, _: &Query, reply: &mut Reply, context: &Context<'_>) {
        for (flag, state) in &self.0.response {
            match flag {
                Flag::Authoritative => reply.authoritative = *state,
                Flag::RecursionAvailable => reply.recursion_available = *state,
                Flag::RecursionDesired => reply.recursion_desired = Some(*state),
            }
            context.note(self.name(), || {
                format!("{} of the reply becomes {}", flag.name(), u8::from(*state))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, passed_on, query};
    use crate::wire;

    fn header(lines: &str) -> Header {
        Header(configure(&format!("header {{\n{lines}\n}}"), HeaderConfig::parse).unwrap())
    }

    /// Returns AA, RA and RD as they are sent to a client that sets RD.
    async fn flags(lines: &str, reply: Reply) -> [bool; 3] {
        let question = query("a.example.", RecordType::A);
        let reply = answer(header(lines), question.clone(), reply).await;
        let message = Message::from_vec(&wire::encode(&question, &reply).message).unwrap();
        let flags = message.metadata;
        [flags.authoritative, flags.recursion_available, flags.recursion_desired]
    }

    #[tokio::test]
    async fn flags_of_replies() {
        let all = || Reply { authoritative: true, recursion_available: true, ..Reply::default() };
        for (lines, without, with) in [
            ("response set aa", [true, false, true], [true, true, true]),
            ("response set ra", [false, true, true], [true, true, true]),
            ("response clear aa", [false, false, true], [false, true, true]),
            ("response clear ra rd", [false, false, false], [true, false, false]),
            ("Response SET RA AA\nresponse Clear RD", [true, true, false], [true, true, false]),
            ("set ra\nclear aa", [false, true, true], [false, true, true]),
            ("set aa\nclear aa", [false, false, true], [false, true, true]),
            ("clear aa\nset aa", [true, false, true], [true, true, true]),
        ] {
            assert_eq!(flags(lines, Reply::default()).await, without, "{lines}");
            assert_eq!(flags(lines, all()).await, with, "{lines}");
        }
    }

    #[tokio::test]
    async fn the_flag_of_queries_and_what_the_client_sees() {
        for (lines, asked, expected) in
            [("query set rd", false, true), ("query clear rd", true, false), ("set aa", true, true)]
        {
            let mut question = query("a.example.", RecordType::A);
            question.recursion_desired = asked;
            let passed = passed_on(header(lines), question).await.unwrap();
            assert_eq!(passed.recursion_desired, expected, "{lines}");
        }
        assert_eq!(flags("query clear rd", Reply::default()).await, [false, false, true]);
    }

    #[test]
    fn several_directives_add_up() {
        let config = configure(
            "header {\nset aa\n}\nheader {\nresponse clear ra\nquery set rd\n}",
            HeaderConfig::parse,
        )
        .unwrap();
        let response = [(Flag::Authoritative, true), (Flag::RecursionAvailable, false)];
        assert_eq!(config.response, response);
        assert_eq!(config.query_recursion_desired, Some(true));
    }

    #[test]
    fn refused() {
        assert_refused(
            HeaderConfig::parse,
            &[
                ("header", "header needs a block; add lines such as 'response set ra'"),
                ("header {\n}", "header needs a block"),
                ("header x {\nset aa\n}", "takes no argument; remove 'x'"),
                ("header {\nreply set aa\n}", "there is query, response, set and clear"),
                ("header {\nresponse\n}", "no flag action provided; add set or clear"),
                ("header {\nresponse unset aa\n}", "unknown flag action 'unset'"),
                ("header {\nset\n}", "no flag follows; add aa, ra or rd"),
                ("header {\nset ad\n}", "unknown flag 'ad'; there is aa, ra and rd"),
                ("header {\nquery set aa\n}", "'aa' has no meaning in a query"),
                ("header {\nset aa {\n}\n}", "remove the braces"),
            ],
        );
    }
}
