//! A server for the tests of plugins that ask others: it knows some answers and remembers the questions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;

use super::{Handling, Outcome, Plugin};
use crate::engine::{Block, Context, Engine, ListenerId, Router, Trace};
use crate::{Query, Reply};

/// Answers what it was told, and everything else with NXDOMAIN.
#[derive(Clone, Default, Debug)]
pub(crate) struct Script(Arc<Inner>);

#[derive(Default, Debug)]
struct Inner {
    replies: BTreeMap<String, Option<Reply>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    /// Returns a server with answers to questions such as `web.example. AAAA`; none drops the question.
    pub(crate) fn new<const N: usize>(replies: [(&str, Option<Reply>); N]) -> Self {
        let replies = replies.into_iter().map(|(question, reply)| (question.to_owned(), reply));
        Self(Arc::new(Inner { replies: replies.collect(), asked: Mutex::default() }))
    }

    /// Returns the questions that came since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.asked.lock().unwrap())
    }

    /// Sends a query through plugins to this server; also returns what they noted.
    pub(crate) async fn ask(
        &self,
        plugins: Vec<Box<dyn Plugin>>,
        mut query: Query,
    ) -> (Option<Reply>, Vec<String>) {
        let mut plugins = plugins;
        plugins.push(Box::new(self.clone()));
        let mut router = Router::default();
        router.add(Name::root().into(), 0);
        let engine = Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]);
        let (trace, asked) = (Trace::default(), query.clone());
        let reply = engine.answer(ListenerId(0), &mut query, Some(&trace)).await.reply;
        assert_eq!(query, asked, "the client's own question stays");
        let notes = trace.into_steps().into_iter().filter(|step| !step.plugin.is_empty());
        (reply, notes.map(|step| step.text).collect())
    }
}

impl Plugin for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        self.0.asked.lock().unwrap().push(format!("{} {}", query.name, query.qtype));
        match self.0.replies.get(&format!("{} {}", query.lower, query.qtype)) {
            None => Handling::reply(Reply::new(ResponseCode::NXDomain)),
            Some(None) => Handling::Now(Outcome::Drop),
            Some(Some(reply)) => Handling::reply(reply.clone()),
        }
    }
}
