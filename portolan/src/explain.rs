//! `portolan explain dns`: why an answer is as it is.

mod ask;
mod hint;
mod name;
mod question;
mod render;

use std::time::{Duration, Instant};

use anyhow::Result;
use dns::Reply;
use dns::engine::{ListenerId, Step, Trace};
use serde::{Deserialize, Serialize};

pub(crate) use question::Question;

use crate::cli::ExplainDnsArguments;
use crate::dns_role::{self, Built, Choice};
use crate::{logging, print};

/// An answer and how it came about.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Explanation {
    /// The name that was looked up.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub qtype: String,
    /// What happened, in order.
    pub steps: Vec<ExplainedStep>,
    /// The response code; none when the query was dropped.
    pub rcode: Option<String>,
    /// The plugin that answered; empty for the server itself.
    pub plugin: String,
    /// How long the whole took, in microseconds.
    #[serde(default)]
    pub took_us: u64,
    /// Why the reply is a failure or a refusal.
    pub reason: Option<String>,
    /// What a short name that finds nothing may have meant.
    #[serde(default)]
    pub hint: Option<String>,
    /// The answer section as zone-file lines.
    pub answer: Vec<String>,
    /// The authority section.
    pub authority: Vec<String>,
    /// The additional section.
    pub additional: Vec<String>,
}

/// One step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExplainedStep {
    /// How deep the server was asking itself, or a plugin others.
    pub depth: u8,
    /// Who acted; empty for the server itself.
    pub plugin: String,
    /// What it did.
    pub text: String,
    /// When, in microseconds from the arrival of the question.
    #[serde(default)]
    pub after_us: u64,
}

/// Asks a running server, or what a Corefile says, and prints the explanation.
///
/// # Errors
/// The question is none, the server cannot be reached, or the configuration cannot be used.
pub(crate) fn run(arguments: ExplainDnsArguments) -> Result<()> {
    let question = Question::parse(&arguments.name, &arguments.qtype)?.asked_by(arguments.client);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let explanation = runtime.block_on(async {
        match Choice::of_explain(&arguments) {
            Some(choice) => {
                logging::remarks()?;
                let built = dns_role::offline(&choice).await?;
                Ok(explanation(&built, &question).await)
            }
            None => ask::running_server(&arguments.server, &question).await,
        }
    })?;
    if arguments.json {
        print::answer(&format!("{}\n", serde_json::to_string_pretty(&explanation)?))
    } else {
        print::answer(&render::text(&explanation))
    }
}

/// Sends a question through the plugins and notes what happens.
pub(crate) async fn explanation(built: &Built, question: &Question) -> Explanation {
    let (trace, start) = (Trace::default(), Instant::now());
    let engine = built.responder.engine();
    let mut query = question.query();
    // The listener that serves the name; with several, the first.
    let listener = engine.listener_for(&query).unwrap_or(ListenerId(0));
    let reply = engine.answer(listener, &mut query, Some(&trace)).await.reply;
    let took = start.elapsed();
    let lines = |records: &[hickory_proto::rr::Record]| {
        records.iter().map(dns::record_text).collect::<Vec<_>>()
    };
    let reply = reply.as_ref();
    Explanation {
        name: question.name(),
        qtype: question.qtype(),
        steps: trace.into_steps().into_iter().map(ExplainedStep::from).collect(),
        took_us: microseconds(took),
        rcode: reply.map(|reply| dns::rcode_name(reply.rcode).to_owned()),
        plugin: reply.map(|reply| reply.plugin.to_owned()).unwrap_or_default(),
        reason: reply.and_then(reason_of),
        hint: match reply {
            Some(reply) if !reply.answers.is_empty() => None,
            _ => hint::hint(&question.name, &built.clusters()),
        },
        answer: reply.map(|reply| lines(&reply.answers)).unwrap_or_default(),
        authority: reply.map(|reply| lines(&reply.authorities)).unwrap_or_default(),
        additional: reply.map(|reply| lines(&reply.additionals)).unwrap_or_default(),
    }
}

/// Returns what the operator is told of a failure, or else what the client is.
fn reason_of(reply: &Reply) -> Option<String> {
    let told = reply.extended_error.as_ref().map(|error| error.text.to_string());
    reply.error.clone().or(told)
}

impl From<Step> for ExplainedStep {
    fn from(step: Step) -> Self {
        let Step { depth, plugin, text, after } = step;
        Self { depth, plugin: plugin.to_owned(), text, after_us: microseconds(after) }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
