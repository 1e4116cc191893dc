//! `acl`: allows, refuses or drops queries by client and type.
//!
//! Policy holds for the question as the client asked it and for what `rewrite`, `autopath` and others before this
//! plugin made of it, and comes before `cache`, so that a client gets no answer that was meant for another
//! (CVE-2026-26017).

mod config;
mod metrics;
pub(super) mod networks;

use std::net::IpAddr;
use std::sync::OnceLock;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, RecordType};
use prometheus::IntCounter;

pub use config::AclConfig;
pub use metrics::AclMetrics;

use self::config::{Action, Rule, RuleList};
use super::{Handling, Outcome, Plugin, Setup, SetupError, Site};
use crate::engine::Context;
use crate::reply::{ExtendedError, ExtendedErrorCode};
use crate::{Query, Reply};

/// Asks its rules in their order what to do with a query; the first that matches decides.
#[derive(Debug)]
pub struct Acl {
    lists: Vec<RuleList>,
    metrics: AclMetrics,
    server: String,
    view: String,
    /// At hand, because every query counts.
    allowed: OnceLock<IntCounter>,
}

/// The rule that decides, and the zone that makes it apply.
struct Verdict<'a> {
    rule: &'a Rule,
    zone: &'a LowerName,
}

impl Setup for AclConfig {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        Ok(Box::new(Acl {
            lists: self.lists.clone(),
            metrics: site.metrics.acl.clone(),
            server: site.server.to_owned(),
            view: site.view.to_owned(),
            allowed: OnceLock::new(),
        }))
    }
}

impl Plugin for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn reads_asked(&self) -> bool {
        true
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        let (name, qtype) = context.asked().question(query);
        let client = query.client.ip();
        let denial = denial(&self.lists, name, qtype, client);
        let changed = || denial_of_changed(&self.lists, query, context);
        match denial.or_else(changed) {
            Some(verdict) => {
                context.note(self.name(), || verdict.explained());
                self.deny(&verdict)
            }
            None => {
                context.note(self.name(), || "allowed".to_owned());
                self.count_allowed();
                Handling::NEXT
            }
        }
    }
}

/// Returns the verdict against the question that earlier plugins made of the client's, if it is another.
fn denial_of_changed<'a>(
    lists: &'a [RuleList],
    query: &Query,
    context: &Context<'_>,
) -> Option<Verdict<'a>> {
    if context.asked().is(query) {
        return None;
    }
    denial(lists, &query.lower, query.qtype, query.client.ip())
}

/// Returns the verdict against a question; none when it is allowed.
fn denial<'a>(
    lists: &'a [RuleList],
    name: &LowerName,
    qtype: RecordType,
    client: IpAddr,
) -> Option<Verdict<'a>> {
    let verdict = lists.iter().find_map(|list| {
        let zone = list.zone_of(name)?;
        let rule = list.rules.iter().find(|rule| rule.matches(qtype, client))?;
        Some(Verdict { rule, zone })
    });
    verdict.filter(|verdict| verdict.rule.action != Action::Allow)
}

impl RuleList {
    /// Returns the longest zone that a name is in.
    fn zone_of(&self, name: &LowerName) -> Option<&LowerName> {
        let zones = self.zones.iter().filter(|zone| zone.zone_of(name));
        zones.max_by_key(|zone| zone.num_labels())
    }
}

impl Rule {
    fn matches(&self, qtype: RecordType, client: IpAddr) -> bool {
        let of_type = self.types.as_ref().is_none_or(|types| types.contains(&qtype));
        of_type && self.networks.as_ref().is_none_or(|networks| networks.contains(client))
    }
}

impl Verdict<'_> {
    fn explained(&self) -> String {
        let Rule { action, position, .. } = self.rule;
        let outcome = match action {
            Action::Allow => "passes",
            Action::Block => "REFUSED",
            Action::Filter => "NOERROR without records",
            Action::Drop => "no answer",
        };
        format!("`{}` at {position} for the zone {}: {outcome}", action.name(), self.zone)
    }
}

impl Acl {
    fn deny(&self, verdict: &Verdict<'_>) -> Handling<'static> {
        let zone = verdict.zone.to_string();
        let labels = [self.server.as_str(), &zone, &self.view];
        match verdict.rule.action {
            Action::Allow => Handling::NEXT,
            Action::Block => {
                self.metrics.blocked.with_label_values(&labels).inc();
                let why = "blocked by an access rule of this server";
                Handling::reply(Reply::refused(ExtendedErrorCode::Blocked, why))
            }
            Action::Filter => {
                self.metrics.filtered.with_label_values(&labels).inc();
                Handling::reply(filtered())
            }
            Action::Drop => {
                self.metrics.dropped.with_label_values(&labels).inc();
                Handling::Now(Outcome::Drop)
            }
        }
    }

    fn count_allowed(&self) {
        let new = || self.metrics.allowed.with_label_values(&[&self.server, &self.view]);
        self.allowed.get_or_init(new).inc();
    }
}

fn filtered() -> Reply {
    let text = "filtered by an access rule of this server".into();
    let error = ExtendedError { code: ExtendedErrorCode::Filtered, text };
    Reply { extended_error: Some(error), ..Reply::new(ResponseCode::NoError) }
}

#[cfg(test)]
mod tests;
