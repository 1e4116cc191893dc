//! What rules do to the reply of a query that they changed.

use hickory_proto::rr::{DNSClass, Name, RData, Record};

use super::edns::WireOption;
use super::rule::{AnswerRule, CnameRule, Part, RcodeChange, TtlRange, renamed};
use crate::engine::Context;
use crate::plugin::target_name::change_target;
use crate::reply::{ExtendedError, ExtendedErrorCode};
use crate::wire::OPTION_EXTENDED_ERROR;
use crate::{Query, Reply};

/// One change of a reply.
#[derive(Clone, Debug)]
pub(super) enum Undo<'r> {
    /// Turns names back.
    Backward(Backward<'r>),
    /// `answer name` or `answer value`.
    Answer(&'r AnswerRule),
    /// Gives records the class that the client asked for: those of another do not fit its question.
    Class {
        from: DNSClass,
        to: DNSClass,
    },
    Ttl(TtlRange),
    Rcode(RcodeChange),
    Cname(&'r CnameRule),
    /// Gives the client the option that was set.
    Option(WireOption),
}

/// How names are turned back.
#[derive(Clone, Debug)]
pub(super) enum Backward<'r> {
    /// This name and those below it.
    Name { from: Name, to: Name },
    /// Names that end with this text.
    Suffix { from: &'r str, to: &'r str },
}

impl Undo<'_> {
    /// Changes a reply to a changed query.
    pub(super) async fn apply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        match self {
            Self::Backward(backward) => {
                for record in records(reply) {
                    change_owner(record, |name| backward.of(name));
                    change_target(&mut record.data, |name| backward.of(name));
                }
            }
            Self::Answer(rule) => records(reply).for_each(|record| rule.apply(record)),
            Self::Class { from, to } => {
                for record in records(reply).filter(|record| record.dns_class == *from) {
                    record.dns_class = *to;
                }
            }
            Self::Ttl(range) => {
                for record in records(reply) {
                    record.ttl = record.ttl.clamp(range.min, range.max);
                }
            }
            Self::Rcode(change) if reply.rcode == change.from => {
                context.note("rewrite", || format!("{:?} becomes {:?}", change.from, change.to));
                reply.rcode = change.to;
                // What was said about the rcode before would contradict it.
                reply.options.retain(|(code, _)| *code != OPTION_EXTENDED_ERROR);
                reply.extended_error = reply.is_failure().then(changed_rcode);
            }
            Self::Rcode(_) => {}
            Self::Cname(rule) => rule.apply(query, reply, context).await,
            Self::Option((code, data)) => {
                if !reply.options.iter().any(|(at, _)| at == code) {
                    reply.options.push((*code, data.clone()));
                }
            }
        }
    }
}

fn changed_rcode() -> ExtendedError {
    let text = "a rule of this server made the rcode of another".into();
    ExtendedError { code: ExtendedErrorCode::Other, text }
}

impl Backward<'_> {
    fn of(&self, name: &Name) -> Option<Name> {
        match self {
            Self::Name { from, to } => {
                if !from.zone_of(name) {
                    return None;
                }
                // Not `num_labels`, which leaves out a leading `*`.
                let own = name.iter().count().checked_sub(from.iter().count())?;
                let labels = name.iter().take(own).chain(to.iter());
                let mut name = Name::from_labels(labels).ok()?;
                name.set_fqdn(true);
                Some(name)
            }
            Self::Suffix { from, to } => {
                renamed(name, |text| Some(text.strip_suffix(from)?.to_owned() + to))
            }
        }
    }
}

impl AnswerRule {
    fn apply(&self, record: &mut Record) {
        let change =
            |name: &Name| renamed(name, |text| Some(self.to.with(&self.from.captures(text)?)));
        match self.part {
            Part::Owner => change_owner(record, change),
            Part::Value => _ = change_target(&mut record.data, change),
        }
    }
}

impl CnameRule {
    /// Sends the first CNAME whose target the rule is for elsewhere: the records after it are replaced by what
    /// the server finds for the new target.
    async fn apply(&self, query: &Query, reply: &mut Reply, context: &Context<'_>) {
        let Some((at, target)) = self.first_target(&reply.answers) else { return };
        context.note("rewrite", || format!("the CNAME leads to {target}"));
        reply.answers.truncate(at + 1);
        if let Some(RData::CNAME(cname)) = reply.answers.last_mut().map(|record| &mut record.data) {
            cname.0 = target.clone();
        }
        reply.authorities.clear();
        reply.additionals.clear();
        match context.lookup(query.for_question(target, query.qtype)).await {
            Some(found) => {
                reply.rcode = found.rcode;
                reply.truncated |= found.truncated;
                reply.authoritative &= found.authoritative;
                reply.answers.extend(found.answers);
                reply.authorities = found.authorities;
                reply.extended_error = found.extended_error;
                reply.options = found.options;
                reply.error = found.error;
                reply.is_momentary = found.is_momentary;
            }
            None => {
                let why = "the new target of a CNAME record leads round in a circle";
                *reply = Reply::server_failure(ExtendedErrorCode::Other, why);
            }
        }
    }

    fn first_target(&self, answers: &[Record]) -> Option<(usize, Name)> {
        answers.iter().enumerate().find_map(|(at, record)| {
            let RData::CNAME(cname) = &record.data else { return None };
            let target = renamed(&cname.0, |text| self.targets.replace(text, &self.to))?;
            Some((at, target))
        })
    }
}

fn records(reply: &mut Reply) -> impl Iterator<Item = &mut Record> {
    let Reply { answers, authorities, additionals, .. } = reply;
    answers.iter_mut().chain(authorities).chain(additionals)
}

fn change_owner(record: &mut Record, change: impl Fn(&Name) -> Option<Name>) {
    if let Some(name) = change(&record.name) {
        record.name = name;
    }
}
