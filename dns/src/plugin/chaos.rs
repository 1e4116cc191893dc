//! `chaos`: tells the server's version, authors and name in the class CH (RFC 4892 for `id.server`).

use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, LowerName, RData, Record, RecordType};

use super::{Handling, Plugin, Setup, SetupError, Site, arguments, directive};
use crate::corefile::{CorefileError, Directive, Token};
use crate::edge::hostname::hostname;
use crate::engine::Context;
use crate::{Query, Reply};

/// Who answers for `authors.bind` unless the Corefile says otherwise.
const AUTHORS: &str = "The Portolan authors";

/// The longest character-string, in octets (RFC 1035 §3.3).
const LONGEST: usize = 255;

/// The `chaos` directive of a server block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChaosConfig {
    /// The version.
    pub version: String,
    /// The authors, sorted, each once.
    pub authors: Vec<String>,
}

/// Answers TXT questions of the class CH for the names that servers are known by.
#[derive(Debug)]
struct Chaos {
    version: String,
    authors: Vec<String>,
    hostname: String,
}

impl ChaosConfig {
    /// Reads the `chaos` directive: `chaos [VERSION] [AUTHORS...]`.
    ///
    /// # Errors
    /// It stands twice, or an argument is too long for a record.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut config = Self {
            version: format!("Portolan-{}", env!("CARGO_PKG_VERSION")),
            authors: vec![AUTHORS.to_owned()],
        };
        let Some(directive) = directive::only(directives)? else { return Ok(config) };
        arguments::no_block(directive)?;
        if let Some((version, authors)) = directive.args.split_first() {
            config.version = text(version)?;
            if !authors.is_empty() {
                config.authors = authors.iter().map(text).collect::<Result<_, _>>()?;
                config.authors.sort_unstable();
                config.authors.dedup();
            }
        }
        Ok(config)
    }
}

fn text(token: &Token) -> Result<String, CorefileError> {
    let octets = token.text.len();
    if octets > LONGEST {
        return Err(token.error(format!(
            "a text of {octets} octets does not fit a record; shorten it to at most {LONGEST}"
        )));
    }
    Ok(token.text.clone())
}

impl Setup for ChaosConfig {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let Self { version, authors } = self.clone();
        // The kernel allows 64 octets.
        Ok(Box::new(Chaos { version, authors, hostname: hostname() }))
    }
}

impl Plugin for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        if query.qclass != DNSClass::CH || query.qtype != RecordType::TXT {
            return Handling::NEXT;
        }
        let Some(texts) = self.texts(&query.lower) else { return Handling::NEXT };
        context.note(self.name(), || format!("tells about the server: {}", texts.join(", ")));
        let answers = texts.iter().map(|text| record(query, text)).collect();
        Handling::reply(Reply { answers, ..Reply::default() })
    }

    fn takes_any_class(&self) -> bool {
        true
    }
}

impl Chaos {
    /// Returns what is told under a name; none under any other.
    fn texts(&self, name: &LowerName) -> Option<&[String]> {
        match name.to_string().as_str() {
            "authors.bind." => Some(&self.authors),
            "version.bind." | "version.server." => Some(std::slice::from_ref(&self.version)),
            "hostname.bind." | "id.server." => Some(std::slice::from_ref(&self.hostname)),
            _ => None,
        }
    }
}

fn record(query: &Query, text: &str) -> Record {
    let data = RData::TXT(TXT::new(vec![text.to_owned()]));
    let mut record = Record::from_rdata(query.name.clone(), 0, data);
    record.dns_class = DNSClass::CH;
    record
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::ResponseCode;

    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, query};

    fn chaos() -> Chaos {
        Chaos {
            version: "Portolan-1".to_owned(),
            authors: vec!["Ada".to_owned(), "Bob".to_owned()],
            hostname: "node-1".to_owned(),
        }
    }

    async fn told(name: &str, qtype: RecordType, qclass: DNSClass) -> Vec<String> {
        let question = Query { qclass, ..query(name, qtype) };
        let other = Reply::new(ResponseCode::NXDomain);
        let reply = answer(chaos(), question, other).await;
        match reply.rcode {
            ResponseCode::NoError => reply.answers.iter().map(ToString::to_string).collect(),
            _ => vec!["passed on".to_owned()],
        }
    }

    #[test]
    fn versions_and_authors() {
        let config = |text| configure(text, ChaosConfig::parse).unwrap();
        let default = config("chaos");
        assert_eq!(default.version, format!("Portolan-{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(default.authors, [AUTHORS]);
        assert_eq!(config("chaos v2").version, "v2");
        assert_eq!(config("chaos v2").authors, [AUTHORS]);
        assert_eq!(config("chaos v2 Bob \"Ada L\" Bob").authors, ["Ada L", "Bob"]);
        let long = format!("chaos {}", "x".repeat(256));
        assert_refused(
            ChaosConfig::parse,
            &[
                (&long, "a text of 256 octets does not fit a record"),
                ("chaos\nchaos", "only be used once"),
                ("chaos {\n}", "remove the braces"),
            ],
        );
    }

    #[tokio::test]
    async fn names_of_the_class_ch() {
        let cases: [(&str, &[&str]); 6] = [
            ("VERSION.bind.", &["VERSION.bind. 0 CH TXT Portolan-1"]),
            ("version.server.", &["version.server. 0 CH TXT Portolan-1"]),
            ("authors.bind.", &["authors.bind. 0 CH TXT Ada", "authors.bind. 0 CH TXT Bob"]),
            ("hostname.bind.", &["hostname.bind. 0 CH TXT node-1"]),
            ("id.server.", &["id.server. 0 CH TXT node-1"]),
            ("other.bind.", &["passed on"]),
        ];
        for (name, expected) in cases {
            assert_eq!(told(name, RecordType::TXT, DNSClass::CH).await, expected, "{name}");
        }
        assert_eq!(told("version.bind.", RecordType::A, DNSClass::CH).await, ["passed on"]);
        assert_eq!(told("version.bind.", RecordType::TXT, DNSClass::IN).await, ["passed on"]);
    }
}
