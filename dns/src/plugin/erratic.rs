//! `erratic`: answers badly on purpose, for tests of clients.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Handling, Outcome, Plugin, Setup, SetupError, Site, arguments, directive};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{ExtendedErrorCode, Query, Reply};

/// What is meant by an option without an amount: every second query.
const DEFAULT_AMOUNT: u32 = 2;

const DEFAULT_DELAY: Duration = Duration::from_millis(100);

/// The number of records of an answer that is `large`: about 512 octets compressed, more otherwise.
const LARGE: usize = 30;

/// The `erratic` directive of a server block: what happens to each n-th query; 0 for never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErraticConfig {
    /// Not answered.
    pub drop: u32,
    /// Answered with the TC bit; of a zone transfer the end is missing.
    pub truncate: u32,
    /// Answered late.
    pub delay: u32,
    /// How late.
    pub duration: Duration,
    /// Whether answers for A have many records.
    pub large: bool,
}

/// Answers A, AAAA and AXFR with fixed records and other types with SERVFAIL.
#[derive(Debug)]
struct Erratic {
    config: ErraticConfig,
    queries: AtomicU64,
}

impl ErraticConfig {
    /// Reads the `erratic` directive. Without `drop`, nothing is dropped if there is `delay` or `truncate`.
    ///
    /// # Errors
    /// It stands twice, or has something else in it.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let (mut drop, mut truncate, mut delay, mut large) = (None, None, None, false);
        let mut duration = DEFAULT_DELAY;
        let lines = match directive::only(directives)? {
            Some(directive) => {
                arguments::none(directive)?;
                directive.lines()
            }
            None => &[],
        };
        for line in lines {
            arguments::no_block(line)?;
            match line.name.text.as_str() {
                "drop" => drop = Some(amount(line, 1)?),
                "truncate" => truncate = Some(amount(line, 1)?),
                "delay" => {
                    delay = Some(amount(line, 2)?);
                    let given = line.args.get(1).map(arguments::duration).transpose()?;
                    duration = given.unwrap_or(DEFAULT_DELAY);
                }
                "large" => {
                    arguments::none(line)?;
                    large = true;
                }
                _ => {
                    let known = "drop, truncate, delay and large";
                    return Err(directive::unknown_option(line, known));
                }
            }
        }
        let is_other = truncate.unwrap_or(0) > 0 || delay.unwrap_or(0) > 0;
        let drop = drop.unwrap_or(if is_other { 0 } else { DEFAULT_AMOUNT });
        let (truncate, delay) = (truncate.unwrap_or(0), delay.unwrap_or(0));
        Ok(Self { drop, truncate, delay, duration, large })
    }
}

/// Reads the first of at most so many arguments as an amount.
fn amount(line: &Directive, most: usize) -> Result<u32, CorefileError> {
    if let Some(extra) = line.args.get(most) {
        let text = format!("{} takes no more arguments; remove '{}'", line.name.text, extra.text);
        return Err(extra.error(text));
    }
    line.args.first().map_or(Ok(DEFAULT_AMOUNT), arguments::number)
}

impl Setup for ErraticConfig {
    fn name(&self) -> &'static str {
        "erratic"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Erratic { config: *self, queries: AtomicU64::new(0) }))
    }
}

impl Plugin for Erratic {
    fn name(&self) -> &'static str {
        "erratic"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        let number = self.queries.fetch_add(1, Ordering::Relaxed);
        let is_due = |amount: u32| amount > 0 && number.is_multiple_of(amount.into());
        let ErraticConfig { drop, truncate, delay, duration, .. } = self.config;
        if is_due(drop) {
            context.note(self.name(), || format!("dropped, as every {drop}th query"));
            return Handling::Now(Outcome::Drop);
        }
        let reply = self.reply_to(query, is_due(truncate));
        context.note(self.name(), || "answered with a fixed reply".to_owned());
        if !is_due(delay) {
            return Handling::reply(reply);
        }
        Handling::Later(Box::pin(async move {
            tokio::time::sleep(duration).await;
            Outcome::Reply(reply)
        }))
    }
}

impl Erratic {
    fn reply_to(&self, query: &Query, truncated: bool) -> Reply {
        let record = |data| Record::from_rdata(query.name.clone(), 0, data);
        let answers = match query.qtype {
            RecordType::A => {
                let count = if self.config.large { LARGE } else { 1 };
                vec![record(RData::A(A(Ipv4Addr::new(192, 0, 2, 53)))); count]
            }
            RecordType::AAAA => vec![record(RData::AAAA(AAAA(address(0xdb8))))],
            RecordType::AXFR => {
                return Reply {
                    authoritative: true,
                    answers: zone(&query.name, !truncated),
                    ..Reply::default()
                };
            }
            _ => {
                let why = "erratic answers A, AAAA and AXFR only";
                return Reply::server_failure(ExtendedErrorCode::Other, why);
            }
        };
        Reply { authoritative: true, truncated, answers, ..Reply::default() }
    }
}

/// Returns an address for documentation, `2001:db8::53` (RFC 3849), or one beside it.
fn address(second: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, second, 0, 0, 0, 0, 0, 0x53)
}

/// Returns a small zone as a transfer, with the second SOA record that ends it (RFC 5936 §2.2) or without.
fn zone(apex: &Name, is_complete: bool) -> Vec<Record> {
    let record = |owner: &Name, data| Record::from_rdata(owner.clone(), 0, data);
    let below = |label: &str| apex.prepend_label(label).ok();
    let fixed =
        |labels: [&str; 4]| Name::from_labels(labels.map(str::as_bytes)).unwrap_or_default();
    let mname = fixed(["sns", "dns", "icann", "org"]);
    let rname = fixed(["noc", "dns", "icann", "org"]);
    let soa = SOA::new(mname, rname, 2_018_050_825, 7200, 3600, 1_209_600, 3600);
    let soa = record(apex, RData::SOA(soa));
    let servers: Vec<Name> = ["a", "b"].into_iter().filter_map(below).collect();
    let mut records = vec![soa.clone()];
    records.extend(servers.iter().map(|server| record(apex, RData::NS(NS(server.clone())))));
    records.extend(servers.iter().map(|server| record(server, RData::AAAA(AAAA(address(0xdb8))))));
    records.extend(is_complete.then_some(soa));
    records
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::ResponseCode;

    use super::*;
    use crate::engine::{Block, Engine, ListenerId, Router};
    use crate::plugin::testing::{assert_refused, configure, query};
    use crate::wire;

    fn config(lines: &str) -> ErraticConfig {
        configure(&format!("erratic {{\n{lines}\n}}"), ErraticConfig::parse).unwrap()
    }

    /// Asks so often, and returns the replies.
    async fn ask(lines: &str, qtype: RecordType, times: usize) -> Vec<Option<Reply>> {
        let plugin = Erratic { config: config(lines), queries: AtomicU64::new(0) };
        let mut router = Router::default();
        router.add(Name::root().into(), 0);
        let engine =
            Engine::new(vec![Block::new("Corefile:1", vec![Box::new(plugin)])], vec![router]);
        let mut replies = Vec::new();
        for _ in 0..times {
            let mut query = query("A.example.", qtype);
            replies.push(engine.answer(ListenerId(0), &mut query, None).await.reply);
        }
        replies
    }

    #[test]
    fn amounts() {
        let amounts = |lines| {
            let config = config(lines);
            [config.drop, config.truncate, config.delay]
        };
        assert_eq!(configure("erratic", ErraticConfig::parse).unwrap().drop, 2);
        assert_eq!(amounts("drop"), [2, 0, 0]);
        assert_eq!(amounts("drop 3"), [3, 0, 0]);
        assert_eq!(amounts("truncate"), [0, 2, 0]);
        assert_eq!(amounts("delay"), [0, 0, 2]);
        assert_eq!(amounts("drop\ntruncate 5\ndelay 3 50ms"), [2, 5, 3]);
        assert_eq!(amounts("truncate 0"), [2, 0, 0]);
        assert_eq!(config("delay").duration, Duration::from_millis(100));
        assert_eq!(config("delay 3 50ms").duration, Duration::from_millis(50));
        assert_refused(
            ErraticConfig::parse,
            &[
                ("erratic x", "takes no argument"),
                ("erratic\nerratic", "only be used once"),
                ("erratic {\ndrop -1\n}", "'-1' is no whole number"),
                ("erratic {\ndrop 1 2\n}", "drop takes no more arguments; remove '2'"),
                ("erratic {\ntruncate x\n}", "'x' is no whole number"),
                ("erratic {\ndelay 1 x\n}", "'x' is no duration"),
                ("erratic {\ndelay 1 1s 2\n}", "remove '2'"),
                ("erratic {\nlarge 1\n}", "takes no argument"),
                ("erratic {\nsmall\n}", "there is drop, truncate, delay and large"),
            ],
        );
    }

    #[tokio::test]
    async fn every_nth_is_dropped_or_truncated() {
        let dropped: Vec<_> =
            ask("drop 3", RecordType::A, 6).await.iter().map(Option::is_none).collect();
        assert_eq!(dropped, [true, false, false, true, false, false]);
        let replies = ask("truncate 2", RecordType::AAAA, 3).await;
        let truncated: Vec<_> = replies.iter().flatten().map(|reply| reply.truncated).collect();
        assert_eq!(truncated, [true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_nth_is_late() {
        let start = tokio::time::Instant::now();
        ask("delay 2 50ms", RecordType::A, 4).await;
        let elapsed = start.elapsed();
        assert!(
            elapsed >= Duration::from_millis(100) && elapsed < Duration::from_millis(110),
            "{elapsed:?}"
        );
    }

    #[tokio::test]
    async fn what_is_answered() {
        for (lines, qtype, expected) in [
            ("drop 0", RecordType::A, &["A.example. 0 IN A 192.0.2.53"][..]),
            ("drop 0", RecordType::AAAA, &["A.example. 0 IN AAAA 2001:db8::53"]),
            ("drop 0", RecordType::MX, &[]),
        ] {
            let reply = ask(lines, qtype, 1).await.remove(0).unwrap();
            let answers: Vec<_> = reply.answers.iter().map(ToString::to_string).collect();
            assert_eq!(answers, expected);
            assert_eq!(reply.authoritative, !expected.is_empty());
            assert_eq!(reply.rcode == ResponseCode::ServFail, expected.is_empty());
        }
        let large = ask("drop 0\nlarge", RecordType::A, 1).await.remove(0).unwrap();
        let encoded = wire::encode(&query("A.example.", RecordType::A), &large);
        assert!(large.answers.len() == 30 && encoded.message.len() > 500);
    }

    #[tokio::test]
    async fn a_truncated_transfer_has_no_end() {
        for (lines, count) in [("drop 0", 6), ("truncate 1", 5)] {
            let reply = ask(lines, RecordType::AXFR, 1).await.remove(0).unwrap();
            assert_eq!(reply.answers.len(), count, "{lines}");
            let first = &reply.answers[0];
            assert!(first.record_type() == RecordType::SOA && !reply.truncated);
            assert_eq!(reply.answers.last() == Some(first), count == 6, "{lines}");
        }
    }
}
