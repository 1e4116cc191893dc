//! A plugin that answers by a function and keeps what it was asked.

use std::fmt;
use std::sync::{Arc, Mutex};

use hickory_proto::rr::{LowerName, Name};

use crate::engine::{Block, Context, Engine, ListenerId, Router, Trace};
use crate::plugin::{Handling, Plugin};
use crate::{Query, Reply};

/// What a [`Recorder`] answers.
pub(crate) type Respond = fn(&Query) -> Reply;

/// Answers by a function, and keeps what it was asked.
pub(crate) struct Recorder {
    respond: Respond,
    seen: Arc<Mutex<Vec<Query>>>,
}

/// What came of a query.
pub(crate) struct Course {
    pub(crate) reply: Reply,
    /// What the plugins behind the one under test were asked.
    pub(crate) seen: Vec<Query>,
    /// The question of the client, as the reply repeats it.
    pub(crate) question: Query,
    /// What the plugin under test noted.
    pub(crate) notes: Vec<String>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Plugin for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        self.seen.lock().unwrap().push(query.clone());
        Handling::reply((self.respond)(query))
    }

    fn takes_any_class(&self) -> bool {
        true
    }

    fn metadata(&self, label: &str, query: &Query) -> Option<String> {
        (label == "kubernetes/client-namespace").then(|| format!("shop-{}", query.client.port()))
    }
}

impl Course {
    pub(crate) fn answers(&self) -> Vec<String> {
        self.reply.answers.iter().map(ToString::to_string).collect()
    }
}

/// Sends a query through a plugin to a [`Recorder`]; the block has metadata.
pub(crate) async fn course(plugin: Box<dyn Plugin>, query: Query, respond: Respond) -> Course {
    let (name, seen) = (plugin.name(), Arc::<Mutex<Vec<Query>>>::default());
    let recorder = Recorder { respond, seen: Arc::clone(&seen) };
    let mut block = Block::new("Corefile:1", vec![plugin, Box::new(recorder)]);
    block.metadata = vec![LowerName::from(Name::root())];
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine = Engine::new(vec![block], vec![router]);
    let (mut question, trace) = (query, Trace::default());
    let reply = engine.answer(ListenerId(0), &mut question, Some(&trace)).await.reply.unwrap();
    let seen = seen.lock().unwrap().clone();
    let notes = trace.into_steps().into_iter().filter(|step| step.plugin == name);
    Course { reply, seen, question, notes: notes.map(|step| step.text).collect() }
}
