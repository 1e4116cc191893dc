//! `errors`: tells the operator why queries failed.
//!
//! ```text
//! plugin/errors: 2 example.org. A: no upstream answers
//! plugin/errors: 3 errors like '^no upstream' occurred in last 30s
//! ```

mod budget;
mod config;
mod consolidation;
mod journal;
mod period;

use std::sync::Arc;
use std::time::Instant;

use prometheus::IntCounter;

pub use config::{Consolidate, ErrorsConfig};
pub use journal::Journal;

use hickory_proto::rr::LowerName;

use super::name_text::NameText;
use super::{Handling, LineSink, Plugin, mnemonic};
use crate::engine::{Context, ListenerId};
use crate::{Query, Repetition, Reply};

/// Writes why a reply is a failure, each time or consolidated.
#[derive(Debug)]
pub struct Errors {
    journal: Arc<Journal>,
}

impl Errors {
    /// Returns the plugin.
    pub fn new(config: ErrorsConfig, sink: LineSink) -> Self {
        Self { journal: Arc::new(Journal::new(config.consolidate, sink)) }
    }

    /// Returns the plugin, which counts the lines that are too many to be shown.
    pub fn counting(config: ErrorsConfig, sink: LineSink, dropped: IntCounter) -> Self {
        Self { journal: Arc::new(Journal::new(config.consolidate, sink).counting(dropped)) }
    }

    /// Returns what the plugin writes to, for the task that flushes it.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }
}

impl Plugin for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::NEXT
    }

    fn treats_alike(&self, _: &LowerName) -> bool {
        true
    }

    fn repetition(&self, _: ListenerId, _: &Query, reply: &Reply) -> Repetition {
        if reply.error.is_some() { Repetition::Never } else { Repetition::Nothing }
    }

    fn reply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        let Some(failure) = reply.error.as_ref().filter(|_| !context.is_explanation()) else {
            return;
        };
        let question = || {
            let qtype = mnemonic::record_type(query.qtype);
            let name = NameText::of(&query.name);
            format!("{} {} {qtype}", u16::from(reply.rcode), name.as_str())
        };
        self.journal.record(question, failure, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::ExtendedErrorCode;
    use crate::plugin::testing::{answer, configure, lines, query};

    async fn written(config: &str, reply: Reply) -> Vec<String> {
        let (sink, written) = lines();
        let errors = Errors::new(configure(config, ErrorsConfig::parse).unwrap(), sink);
        let question = query("Example.org.", RecordType::A);
        assert_eq!(answer(errors, question, reply.clone()).await.rcode, reply.rcode);
        written.take()
    }

    fn failure(text: &str) -> Reply {
        Reply::server_failure(ExtendedErrorCode::NetworkError, text)
    }

    #[tokio::test]
    async fn a_failure_is_one_line_and_success_none() {
        assert_eq!(
            written("errors", failure("no upstream answers")).await,
            ["[ERROR] plugin/errors: 2 example.org. A: no upstream answers"]
        );
        assert!(written("errors", Reply::default()).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_still_counted_is_written_when_the_plugin_goes() {
        let config = "errors {\nconsolidate 5m \"^no\" warning\n}";
        assert_eq!(
            written(config, failure("no upstream answers")).await,
            ["[WARNING] plugin/errors: 1 errors like '^no' occurred in last 5m0s"]
        );
    }
}
