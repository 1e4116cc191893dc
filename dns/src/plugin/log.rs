//! `log`: one line for each query and what became of it.
//!
//! ```text
//! 10.240.0.1:40212 - 29008 "A IN example.org. udp 41 false 4096" NOERROR qr,rd,ra 68 0.037990251s
//! ```

mod class;
mod config;
mod fields;
mod format;

pub use class::{Classes, ResponseClass};
pub use config::{LogConfig, LogRule};
pub use format::LogFormat;

use super::{Handling, Level, LineSink, Plugin, Sent};
use crate::Query;
use crate::engine::Context;

/// Writes queries to a sink as they are answered.
///
/// The first rule whose zone the qname is in decides, also when its classes leave the reply out. A dropped
/// query is logged as CoreDNS does: with `-` for rcode and flags, 0 octets, of the class error.
#[derive(Debug)]
pub struct Log {
    config: LogConfig,
    sink: LineSink,
}

impl Log {
    /// Returns the plugin.
    pub fn new(config: LogConfig, sink: LineSink) -> Self {
        Self { config, sink }
    }
}

impl Plugin for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn sent(&self, query: &Query, sent: &Sent<'_>) {
        let Some(rule) = self.config.rule_for(&query.lower) else { return };
        if rule.classes.contains(ResponseClass::of(sent.reply)) {
            if self.sink.takes_fields() {
                return fields::write(&self.sink, &rule.format, query, sent);
            }
            self.sink.line(Level::Info, &rule.format.render(query, sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use hickory_proto::op::{Edns, ResponseCode};
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::Reply;
    use crate::plugin::testing::{configure, lines, query, record};

    const ELAPSED: Duration = Duration::from_nanos(51_965);

    fn logged(config: &str, query: &Query, reply: Option<&Reply>, size: usize) -> Vec<String> {
        let (sink, written) = lines();
        let log = Log::new(configure(config, LogConfig::parse).unwrap(), sink);
        log.sent(query, &Sent { reply, size, elapsed: ELAPSED, ..Sent::default() });
        written.take()
    }

    #[test]
    fn the_common_format() {
        let mut answer = Reply { authoritative: true, ..Reply::default() };
        answer.answers.push(record("example.org.", "10.0.0.1"));
        assert_eq!(
            logged("log", &query("Example.ORG.", RecordType::A), Some(&answer), 68),
            [
                r#"[INFO] 10.240.0.1:40212 - 29008 "A IN example.org. udp 41 false 512" NOERROR qr,aa,rd 68 0.000051965s"#
            ]
        );
    }

    #[test]
    fn a_sink_of_fields_gets_no_line() {
        let (sink, written) = lines();
        let fields = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&fields);
        let sink = sink.with_fields(move |level, message, fields| {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            seen.lock().unwrap().push(format!("{level:?} {message} {}", fields.join(" ")));
        });
        let config = "log example.org\nlog . \"{name} \\n {/metadata}\"";
        let log = Log::new(configure(config, LogConfig::parse).unwrap(), sink);
        let answer = Reply { authoritative: true, ..Reply::default() };
        let sent = Sent { reply: Some(&answer), size: 68, elapsed: ELAPSED, ..Sent::default() };
        log.sent(&query("Example.ORG.", RecordType::A), &sent);
        let mut question = query("example.com.", RecordType::A);
        question.client = "[::1]:99".parse().unwrap();
        log.sent(&question, &Sent { elapsed: ELAPSED, ..Sent::default() });
        assert_eq!(
            *fields.lock().unwrap(),
            [
                "Info query remote=Text(\"10.240.0.1\") port=Number(40212) id=Number(29008) \
                 type=Text(\"A\") class=Text(\"IN\") name=Text(\"example.org.\") \
                 proto=Text(\"udp\") size=Number(41) do=Truth(false) bufsize=Number(512) \
                 rcode=Text(\"NOERROR\") flags=Words([\"qr\", \"aa\", \"rd\"]) rsize=Number(68) \
                 duration=Seconds(5.1965e-5)",
                "Info query remote=Text(\"::1\") port=Number(99) id=Number(29008) \
                 type=Text(\"A\") class=Text(\"IN\") name=Text(\"example.com.\") \
                 proto=Text(\"udp\") size=Number(41) do=Truth(false) bufsize=Number(512) \
                 rcode=Absent flags=Absent rsize=Number(0) duration=Seconds(5.1965e-5) \
                 text=Text(\"example.com. \\\\n -\")",
            ]
        );
        assert!(written.take().is_empty());
    }

    #[test]
    fn an_ipv6_client_with_edns() {
        let mut question = query("example.org.", RecordType::AAAA);
        question.client = "[::1]:50759".parse().unwrap();
        question.checking_disabled = true;
        let mut edns = Edns::new();
        edns.set_max_payload(4096).set_dnssec_ok(true);
        question.edns = Some(edns);
        let refused = Reply { recursion_available: true, ..Reply::new(ResponseCode::Refused) };
        assert_eq!(
            logged("log . {combined}", &question, Some(&refused), 34),
            [
                r#"[INFO] [::1]:50759 - 29008 "AAAA IN example.org. udp 41 true 4096" REFUSED qr,rd,ra,cd 34 0.000051965s "0""#
            ]
        );
    }

    #[test]
    fn bufsize_lowers_the_size_that_is_logged() {
        let mut question = query("example.org.", RecordType::A);
        let limited = Reply { size_limit: Some(1232), ..Reply::default() };
        let size = |question: &Query| logged("log . {>bufsize}", question, Some(&limited), 34);
        assert_eq!(size(&question), ["[INFO] 512"]);
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        question.edns = Some(edns.clone());
        assert_eq!(size(&question), ["[INFO] 1232"]);
        question.protocol = crate::Protocol::Tcp;
        assert_eq!(size(&question), ["[INFO] 65535"]);
        question.protocol = crate::Protocol::Udp;
        edns.set_max_payload(1000);
        question.edns = Some(edns);
        assert_eq!(size(&question), ["[INFO] 1000"]);
    }

    #[test]
    fn a_dropped_query_has_no_rcode() {
        let question = query("example.org.", RecordType::A);
        assert_eq!(
            logged("log", &question, None, 0),
            [
                r#"[INFO] 10.240.0.1:40212 - 29008 "A IN example.org. udp 41 false 512" - - 0 0.000051965s"#
            ]
        );
        assert!(logged("log {\nclass success denial\n}", &question, None, 0).is_empty());
    }

    #[test]
    fn the_first_rule_of_a_name_decides() {
        let config = "log example.org \"{name}\" {\nclass error\n}\nlog . \"other {name}\"";
        let success = Reply::default();
        let failure = Reply::new(ResponseCode::ServFail);
        let asked = |name, reply| logged(config, &query(name, RecordType::A), Some(reply), 1);
        assert_eq!(asked("a.example.org.", &failure), ["[INFO] a.example.org."]);
        assert!(asked("a.example.org.", &success).is_empty(), "the second rule is not asked");
        assert_eq!(asked("example.com.", &success), ["[INFO] other example.com."]);
    }
}
