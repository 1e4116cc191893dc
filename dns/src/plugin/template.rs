//! `template`: answers with records that are made of the question.

mod alias;
mod conditions;
mod config;
mod data;
mod go;
mod metrics;
mod record;

#[cfg(test)]
mod tests;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, Record, RecordType};
use prometheus::IntCounterVec;
use regex::Regex;

use self::alias::{follow, follows_cname};
use self::config::{Content, Line, TemplateRule};
use self::data::{Match, data_of};
use self::go::Data;
use self::metrics::Counters;
pub(crate) use self::metrics::TemplateMetrics;
use super::mnemonic;
use super::name_text::NameText;
use super::{Handling, Plugin, Setup, SetupError, Site};
use crate::corefile::{CorefileError, Directive};
use crate::engine::Context;
use crate::reply::{ExtendedError, ExtendedErrorCode};
use crate::wire::OPTION_EXTENDED_ERROR;
use crate::{Query, Reply};

/// What clients are told when a template fails, or when none takes the query and none lets it pass.
const FAILED: &str = "no template of this server answers this query";

/// The `template` directives of a server block.
#[derive(Clone, Debug)]
pub struct TemplateConfig {
    rules: Vec<TemplateRule>,
}

/// Answers by templates, of which the first that takes a query counts.
#[derive(Debug)]
pub struct Template {
    rules: Vec<TemplateRule>,
    counters: Option<Counters>,
}

impl TemplateConfig {
    /// Reads the `template` directives of a server block with these zones.
    ///
    /// # Errors
    /// One of them is incomplete, or has a template, a record or a regular expression that is none.
    pub fn parse(directives: &[&Directive], block: &[LowerName]) -> Result<Self, CorefileError> {
        let rules = directives.iter().map(|directive| config::rule(directive, block));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Returns the plugin without metrics.
    pub fn uncounted(&self) -> Template {
        Template { rules: self.rules.clone(), counters: None }
    }
}

impl Setup for TemplateConfig {
    fn name(&self) -> &'static str {
        "template"
    }

    fn set_up(&self, site: &Site<'_>) -> Result<Box<dyn Plugin>, SetupError> {
        let counters = Counters {
            metrics: site.metrics.template.clone(),
            server: site.server.to_owned(),
            view: site.view.to_owned(),
        };
        Ok(Box::new(Template { rules: self.rules.clone(), counters: Some(counters) }))
    }
}

impl Plugin for Template {
    fn name(&self) -> &'static str {
        "template"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        let query = &*query;
        let Some(taken) = self.find(query, context) else { return Handling::NEXT };
        let reply = match taken {
            Ok((rule, data)) => self.answer(rule, &data, context),
            Err(why) => {
                context.note("template", || format!("{why}: SERVFAIL"));
                Reply::server_failure(ExtendedErrorCode::Other, why).telling(FAILED)
            }
        };
        if follows_cname(query, &reply) {
            return Handling::Later(Box::pin(follow(query, reply, context)));
        }
        Handling::reply(reply)
    }

    fn takes_any_class(&self) -> bool {
        self.rules.iter().any(|rule| rule.class != DNSClass::IN)
    }
}

impl Template {
    /// Returns the template that answers with what it knows; as an error why one can neither answer nor fall
    /// through.
    fn find<'a>(
        &'a self,
        query: &'a Query,
        context: &'a Context<'a>,
    ) -> Option<Result<(&'a TemplateRule, Data<'a>), String>> {
        let mut text = None;
        for rule in &self.rules {
            let place = &rule.position;
            let Some(zone) = rule.zone_for(query) else {
                context.note("template", || format!("{place} {}", rule.why_not(query)));
                continue;
            };
            let why_not = match rule.pattern_for(query, &mut text) {
                None => "no regular expression of the template matches",
                Some(pattern) => {
                    let mut data = data_of(rule, &Match { zone, pattern }, query, context);
                    match rule.conditions.hold(&mut data) {
                        Ok(true) => return Some(Ok((rule, data))),
                        Ok(false) => "an expression of the template is not true",
                        Err(error) => {
                            let why =
                                format!("an expression of the template at {place} fails: {error}");
                            return Some(Err(why));
                        }
                    }
                }
            };
            if !rule.fallthrough.lets_through(&query.lower) {
                return Some(Err(format!("{why_not}, and it has no fallthrough, at {place}")));
            }
            context.note("template", || format!("{place} falls through: {why_not}"));
        }
        None
    }

    fn answer(&self, rule: &TemplateRule, data: &Data<'_>, context: &Context<'_>) -> Reply {
        if let Some(counters) = &self.counters {
            counters.count_match(data);
        }
        context.note("template", || {
            format!("answers by {}: {}", rule.position, mnemonic::response_code(rule.rcode))
        });
        let mut reply = Reply { authoritative: true, ..Reply::new(rule.rcode) };
        if let Some((code, text)) = &rule.extended_error {
            let mut option = code.to_be_bytes().to_vec();
            option.extend_from_slice(text.as_bytes());
            reply.options.push((OPTION_EXTENDED_ERROR, option));
        }
        if rule.extended_error.is_none() && reply.is_failure() {
            let text = "a template of this server answers with this error".into();
            reply.extended_error = Some(ExtendedError { code: ExtendedErrorCode::Other, text });
        }
        if rule.rcode == ResponseCode::ServFail {
            reply.authoritative = false;
            return reply;
        }
        for (section, lines, records) in [
            ("answer", &rule.answers, &mut reply.answers),
            ("additional", &rule.additionals, &mut reply.additionals),
            ("authority", &rule.authorities, &mut reply.authorities),
        ] {
            for line in lines {
                match self.record(section, line, data) {
                    Ok(record) => records.extend(record),
                    Err(why) => {
                        let why =
                            format!("the {section} of the template at {}: {why}", rule.position);
                        context.note("template", || why.clone());
                        return Reply::server_failure(ExtendedErrorCode::Other, why)
                            .telling(FAILED);
                    }
                }
            }
        }
        reply
    }

    /// Returns the record of a line; none when the template makes nothing.
    fn record(
        &self,
        section: &str,
        line: &Line,
        data: &Data<'_>,
    ) -> Result<Option<Record>, String> {
        let template = match &line.content {
            Content::Fixed(record) => return Ok(record.as_deref().cloned()),
            Content::Template(template) => template,
        };
        let failed = |family: fn(&TemplateMetrics) -> &IntCounterVec| {
            if let Some(counters) = &self.counters {
                counters.count_failure(family(&counters.metrics), data, section, &line.source);
            }
        };
        let text = template.evaluate(data).map_err(|error| {
            failed(|metrics| &metrics.template_failures);
            error.to_string()
        })?;
        record::parse_record(&text).inspect_err(|_| failed(|metrics| &metrics.record_failures))
    }
}

impl TemplateRule {
    /// Returns the regular expression that matches the name, or that none is needed; none when none matches.
    /// `text` is the name as text, once it was needed.
    fn pattern_for(&self, query: &Query, text: &mut Option<NameText>) -> Option<Option<&Regex>> {
        if self.patterns.is_empty() {
            return Some(None);
        }
        let text = text.get_or_insert_with(|| NameText::of(&query.name));
        self.patterns.iter().find(|pattern| pattern.is_match(text.as_str())).map(Some)
    }

    fn is_of_class(&self, query: &Query) -> bool {
        [self.class, query.qclass].contains(&DNSClass::ANY) || self.class == query.qclass
    }

    fn is_of_type(&self, query: &Query) -> bool {
        [self.record_type, query.qtype].contains(&RecordType::ANY)
            || self.record_type == query.qtype
    }

    /// Returns why the template is not for a query for which [`Self::zone_for`] has no zone.
    fn why_not(&self, query: &Query) -> String {
        if !self.is_of_class(query) {
            return format!("is for the class {}", mnemonic::class(self.class));
        }
        if !self.is_of_type(query) {
            return format!("is for the type {}", mnemonic::record_type(self.record_type));
        }
        let zones: Vec<String> = self.zones.iter().map(ToString::to_string).collect();
        format!("is for names in {}", zones.join(" and "))
    }

    /// Returns the longest zone of the template that the name is in; none when zone, class or type are not
    /// those of the query.
    fn zone_for(&self, query: &Query) -> Option<&LowerName> {
        if !self.is_of_class(query) || !self.is_of_type(query) {
            return None;
        }
        let zones = self.zones.iter().filter(|zone| zone.zone_of(&query.lower));
        zones.max_by_key(|zone| zone.num_labels())
    }
}
