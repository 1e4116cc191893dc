//! `cancel`: gives up on queries that take too long.

use std::time::Duration;

use super::{Handling, Outcome, Plugin, Setup, SetupError, Site, arguments, directive};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::{ExtendedErrorCode, Query, Reply};

/// A moment longer than the 5 s after which clients give up.
const DEFAULT: Duration = Duration::from_millis(5001);

/// The `cancel` directive of a server block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelConfig {
    /// How long a query may take.
    pub timeout: Duration,
}

/// Answers with SERVFAIL when the plugins after it have not answered in time, and ends their work.
#[derive(Clone, Copy, Debug)]
struct Cancel(Duration);

impl CancelConfig {
    /// Reads the `cancel` directive: `cancel [TIMEOUT]`.
    ///
    /// # Errors
    /// It stands twice, or has no such time.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let Some(directive) = directive::only(directives)? else {
            return Ok(Self { timeout: DEFAULT });
        };
        arguments::no_block(directive)?;
        let Some(argument) = directive::optional_argument(directive)? else {
            return Ok(Self { timeout: DEFAULT });
        };
        let timeout = arguments::duration(argument)?;
        if timeout.is_zero() {
            return Err(argument.error("no time is left to answer; write a duration such as 5s"));
        }
        Ok(Self { timeout })
    }
}

impl Setup for CancelConfig {
    fn name(&self) -> &'static str {
        "cancel"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Cancel(self.timeout)))
    }
}

impl Plugin for Cancel {
    fn name(&self) -> &'static str {
        "cancel"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        Handling::Later(Box::pin(async move {
            match tokio::time::timeout(self.0, context.rest(query.clone())).await {
                Ok(reply) => reply.map_or(Outcome::Drop, Outcome::Reply),
                Err(_) => Outcome::Reply(self.expired(query, context)),
            }
        }))
    }
}

impl Cancel {
    fn expired(self, query: &Query, context: &Context<'_>) -> Reply {
        let why = format!("canceled: no answer within {:?}", self.0);
        context.note("cancel", || format!("{why}: SERVFAIL"));
        let mut reply = Reply::server_failure(ExtendedErrorCode::Other, why);
        reply.plugin = "cancel";
        // `errors` and others have let the query pass and see how it ended.
        context.send_back(query, &mut reply);
        reply
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use hickory_proto::op::ResponseCode;
    use hickory_proto::rr::{Name, RecordType};

    use super::*;
    use crate::engine::{Answered, Block, Engine, ListenerId, Router};
    use crate::plugin::Sent;
    use crate::plugin::testing::{assert_refused, configure, query};

    /// Answers after a time, and says when its work is over.
    #[derive(Debug)]
    struct Slow(Duration, Arc<Mutex<Vec<&'static str>>>);

    struct Work(Arc<Mutex<Vec<&'static str>>>);

    impl Drop for Work {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("work ended");
        }
    }

    impl Plugin for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
            let work = Work(Arc::clone(&self.1));
            Handling::Later(Box::pin(async move {
                let _work = work;
                tokio::time::sleep(self.0).await;
                Outcome::Reply(Reply::default())
            }))
        }
    }

    /// Lets queries pass and says what it sees of replies, as `errors` and `log` do.
    #[derive(Debug)]
    struct Watcher(Arc<Mutex<Vec<&'static str>>>);

    impl Plugin for Watcher {
        fn name(&self) -> &'static str {
            "watcher"
        }

        fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
            Handling::NEXT
        }

        fn reply(&self, _: &Query, _: &mut Reply, _: &Context<'_>) {
            self.0.lock().unwrap().push("reply seen");
        }

        fn sent(&self, _: &Query, _: &Sent<'_>) {
            self.0.lock().unwrap().push("sent");
        }
    }

    /// Asks through `cancel 1s` a server that takes this long; returns what happened, too.
    async fn ask(takes: Duration) -> (Reply, Vec<&'static str>) {
        let events = Arc::default();
        let plugins: Vec<Box<dyn Plugin>> = vec![
            Box::new(Cancel(Duration::from_secs(1))),
            Box::new(Watcher(Arc::clone(&events))),
            Box::new(Slow(takes, Arc::clone(&events))),
            Box::new(Watcher(Arc::default())),
        ];
        let mut router = Router::default();
        router.add(Name::root().into(), 0);
        let engine = Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]);
        let mut question = query("a.example.", RecordType::A);
        let answered = engine.answer(ListenerId(0), &mut question, None).await;
        let Answered { block, passed, reply } = answered;
        for plugin in &block.unwrap().plugins[..passed] {
            plugin.sent(&question, &Sent::default());
        }
        let events = events.lock().unwrap().clone();
        (reply.unwrap(), events)
    }

    #[tokio::test(start_paused = true)]
    async fn in_time() {
        let (reply, events) = ask(Duration::from_millis(999)).await;
        assert_eq!((reply.rcode, reply.plugin), (ResponseCode::NoError, "slow"));
        assert_eq!(events, ["work ended", "reply seen", "sent"]);
    }

    #[tokio::test(start_paused = true)]
    async fn too_late() {
        let start = tokio::time::Instant::now();
        let (reply, events) = ask(Duration::from_millis(1002)).await;
        assert_eq!(start.elapsed().as_secs(), 1);
        assert_eq!((reply.rcode, reply.plugin), (ResponseCode::ServFail, "cancel"));
        assert_eq!(reply.extended_error.unwrap().text, "canceled: no answer within 1s");
        assert_eq!(events, ["work ended", "reply seen", "sent"], "the work is not left behind");
    }

    #[test]
    fn times() {
        let timeout = |text| configure(text, CancelConfig::parse).unwrap().timeout.as_millis();
        assert_eq!(timeout("cancel"), 5001);
        assert_eq!(timeout("cancel 1s"), 1000);
        assert_refused(
            CancelConfig::parse,
            &[
                ("cancel 0s", "no time is left to answer"),
                ("cancel -1s", "'-1s' is no duration"),
                ("cancel 1", "'1' is no duration"),
                ("cancel 1s 2s", "takes at most one argument; remove '2s'"),
                ("cancel\ncancel", "only be used once"),
                ("cancel {\n}", "remove the braces"),
            ],
        );
    }
}
