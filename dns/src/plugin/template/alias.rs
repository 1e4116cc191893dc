//! Follows the CNAME records that a template made.

use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::engine::Context;
use crate::plugin::Outcome;
use crate::{Query, Reply};

/// Says whether the reply has a CNAME record that the question wants followed.
pub(super) fn follows_cname(query: &Query, reply: &Reply) -> bool {
    let wants = matches!(query.qtype, RecordType::A | RecordType::AAAA);
    wants && reply.answers.iter().any(|record| target(record).is_some())
}

fn target(record: &Record) -> Option<&Name> {
    match &record.data {
        RData::CNAME(name) => Some(&name.0),
        _ => None,
    }
}

/// Puts behind each CNAME record what the server finds for its target.
pub(super) async fn follow(query: &Query, mut reply: Reply, context: &Context<'_>) -> Outcome {
    for record in std::mem::take(&mut reply.answers) {
        let target = target(&record).cloned();
        reply.answers.push(record);
        let Some(target) = target else { continue };
        context.note("template", || format!("looks up {target}"));
        if let Some(found) = context.lookup(query.for_question(target, query.qtype)).await {
            reply.truncated |= found.truncated;
            reply.answers.extend(found.answers);
        }
    }
    Outcome::Reply(reply)
}
