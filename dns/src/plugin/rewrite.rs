//! `rewrite`: changes queries before later plugins see them, and their replies on the way back.
//!
//! The client does not notice: its question is repeated as it was asked. Rules apply in their textual order to
//! the query, in the opposite order to the reply.

mod config;
mod edns;
mod edns_config;
mod name;
mod rule;
mod undo;
mod words;

#[cfg(test)]
mod tests;

use self::rule::{Action, InvalidName, Rewritten, Rule};
use super::{Handling, Outcome, Plugin, Setup, SetupError, Site};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::reply::ExtendedErrorCode;
use crate::{Query, Reply};

/// The `rewrite` directives of a server block.
#[derive(Clone, Debug)]
pub struct RewriteConfig {
    rules: Vec<Rule>,
}

/// Changes queries and their replies by rules.
#[derive(Debug)]
pub struct Rewrite {
    rules: Vec<Rule>,
}

impl RewriteConfig {
    /// Reads the `rewrite` directives of a server block, each of which is one rule.
    ///
    /// # Errors
    /// A rule is incomplete, or names what there is not.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let rules: Result<_, _> =
            directives.iter().map(|directive| config::rule(directive)).collect();
        Ok(Self { rules: rules? })
    }

    /// Returns the rules that never apply, each with one before it that stops at all of its queries; both as
    /// places in the list.
    pub(crate) fn never_applied(&self) -> Vec<(usize, usize)> {
        let rules = &self.rules;
        let earlier = |later: usize| {
            (0..later).find(|at| {
                let between = rules.get(at + 1..later).unwrap_or_default();
                let pair = rules.get(*at).zip(rules.get(later));
                pair.is_some_and(|(rule, later)| rule.stops_before(later, between))
            })
        };
        (0..rules.len()).filter_map(|later| Some((later, earlier(later)?))).collect()
    }

    /// Returns the plugin.
    pub fn plugin(&self) -> Rewrite {
        Rewrite { rules: self.rules.clone() }
    }
}

impl Setup for RewriteConfig {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn set_up(&self, _: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(self.plugin()))
    }
}

impl Plugin for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        match rule::rewrite(&self.rules, query, &context.metadata(query)) {
            Ok(None) => Handling::NEXT,
            Ok(Some(rewritten)) => Handling::Later(Box::pin(answer(query, rewritten, context))),
            Err(error) => Handling::reply(invalid(&error, context)),
        }
    }

    fn takes_any_class(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.action, Action::Class { .. }))
    }
}

/// Asks the later plugins what the rules made of the query, and changes their reply.
async fn answer(client: &Query, rewritten: Rewritten<'_>, context: &Context<'_>) -> Outcome {
    let Rewritten { query, undo } = rewritten;
    context.note("rewrite", || describe(client, &query));
    let Some(mut reply) = context.rest(query.clone()).await else { return Outcome::Drop };
    for change in &undo {
        change.apply(&query, &mut reply, context).await;
    }
    Outcome::Reply(reply)
}

fn invalid(error: &InvalidName, context: &Context<'_>) -> Reply {
    context.note("rewrite", || error.to_string());
    Reply::server_failure(ExtendedErrorCode::Other, error.to_string())
}

fn describe(client: &Query, query: &Query) -> String {
    let mut changes = Vec::new();
    if client.name != query.name {
        changes.push(format!("the name becomes {}", query.name));
    }
    if client.qtype != query.qtype {
        changes.push(format!("the type becomes {}", query.qtype));
    }
    if client.qclass != query.qclass {
        changes.push(format!("the class becomes {}", query.qclass));
    }
    if client.edns != query.edns {
        changes.push("the EDNS options change".to_owned());
    }
    if changes.is_empty() {
        return "only the reply changes".to_owned();
    }
    changes.join(", ")
}
