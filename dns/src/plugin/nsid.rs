//! `nsid`: names the server in replies to clients that ask for it (RFC 5001).

use hickory_proto::rr::rdata::opt::EdnsCode;

use super::{Handling, Plugin, Setup, SetupError, Site, arguments, directive};
use crate::corefile::{CorefileError, Directive};
use crate::edge::hostname::hostname;
use crate::engine::Context;
use crate::{Query, Reply};

/// The option code of NSID (RFC 5001 §4).
const OPTION: u16 = 3;

/// The longest name, in octets, so that a reply has room for more than that.
const LONGEST: usize = 128;

/// The `nsid` directive of a server block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NsidConfig {
    /// The name; none for that of the host.
    pub data: Option<String>,
}

/// Adds the option NSID to replies.
#[derive(Debug)]
struct Nsid(Vec<u8>);

impl NsidConfig {
    /// Reads the `nsid` directive: `nsid [DATA...]`, the words joined by single spaces.
    ///
    /// # Errors
    /// It stands twice, or the name is too long.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let Some(directive) = directive::only(directives)? else { return Ok(Self { data: None }) };
        arguments::no_block(directive)?;
        let words: Vec<&str> = directive.args.iter().map(|token| token.text.as_str()).collect();
        let data = words.join(" ");
        if data.len() > LONGEST {
            let octets = data.len();
            return Err(directive
                .error(format!("the name has {octets} octets; shorten it to at most {LONGEST}")));
        }
        Ok(Self { data: Some(data).filter(|data| !data.is_empty()) })
    }
}

impl Setup for NsidConfig {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let name = self.data.clone().unwrap_or_else(hostname);
        Ok(Box::new(Nsid(name.into_bytes())))
    }
}

impl Plugin for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn reply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        if !wants_name(query) {
            return;
        }
        context.note(self.name(), || "the client asks for the name of the server".to_owned());
        // What an upstream is called is not what this server is called (RFC 5001 §2.2).
        reply.options.retain(|(code, _)| *code != OPTION);
        reply.options.push((OPTION, self.0.clone()));
    }
}

fn wants_name(query: &Query) -> bool {
    let edns = query.edns.as_ref();
    edns.is_some_and(|edns| edns.options().options.iter().any(|(code, _)| *code == EdnsCode::NSID))
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message};
    use hickory_proto::rr::RecordType;
    use hickory_proto::rr::rdata::opt::EdnsOption;

    use super::*;
    use crate::plugin::testing::{answer, assert_refused, configure, query};
    use crate::{ExtendedErrorCode, wire};

    fn asking(options: &[u16]) -> Query {
        let mut edns = Edns::new();
        for code in options {
            edns.options_mut().insert(EdnsOption::Unknown(*code, Vec::new()));
        }
        Query { edns: Some(edns), ..query("a.example.", RecordType::A) }
    }

    /// Returns the options of a reply's message, by number.
    async fn options(query: Query, reply: Reply) -> Vec<(u16, Vec<u8>)> {
        let reply = answer(Nsid(b"node 1".to_vec()), query.clone(), reply).await;
        let message = Message::from_vec(&wire::encode(&query, &reply).message).unwrap();
        let edns = message.edns.unwrap_or_default();
        let octets = |option: &EdnsOption| option.try_into().unwrap();
        edns.options().options.iter().map(|(code, data)| ((*code).into(), octets(data))).collect()
    }

    #[test]
    fn names() {
        let data = |text| configure(text, NsidConfig::parse).unwrap().data;
        assert_eq!(data("nsid"), None);
        assert_eq!(data("nsid \"\""), None);
        assert_eq!(data("nsid gpdns-ams"), Some("gpdns-ams".to_owned()));
        assert_eq!(data("nsid Use The Force"), Some("Use The Force".to_owned()));
        let long = format!("nsid {}", "x".repeat(129));
        assert_refused(
            NsidConfig::parse,
            &[
                (&long, "the name has 129 octets; shorten it to at most 128"),
                ("nsid a\nnsid b", "only be used once"),
                ("nsid {\n}", "remove the braces"),
            ],
        );
    }

    #[tokio::test]
    async fn only_who_asks_is_told() {
        assert_eq!(options(asking(&[3]), Reply::default()).await, [(3, b"node 1".to_vec())]);
        assert!(options(asking(&[10]), Reply::default()).await.is_empty());
        assert!(options(query("a.", RecordType::A), Reply::default()).await.is_empty());
        let upstream = Reply { options: vec![(3, b"other".to_vec())], ..Reply::default() };
        assert_eq!(options(asking(&[3]), upstream).await, [(3, b"node 1".to_vec())]);
    }

    #[tokio::test]
    async fn an_error_is_told_beside_the_name() {
        let long = "x".repeat(300);
        let failure = Reply::server_failure(ExtendedErrorCode::Other, long);
        let told = options(asking(&[3]), failure).await;
        let lengths: Vec<_> = told.iter().map(|(code, data)| (*code, data.len())).collect();
        assert_eq!(lengths, [(3, 6), (15, 2 + 128)]);
    }
}
