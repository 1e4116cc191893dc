//! What a template is told about a query.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use regex::Regex;

use super::config::TemplateRule;
use super::go::Data;
use crate::Query;
use crate::engine::Context;
use crate::plugin::mnemonic;
use crate::plugin::name_text::NameText;

/// How a template takes a query.
pub(super) struct Match<'r> {
    /// The longest of its zones that the name is in.
    pub(super) zone: &'r LowerName,
    /// The regular expression that matched; none of a template without any.
    pub(super) pattern: Option<&'r Regex>,
}

pub(super) fn data_of<'q>(
    rule: &TemplateRule,
    matched: &Match<'q>,
    query: &'q Query,
    context: &Context<'q>,
) -> Data<'q> {
    let name = NameText::of(&query.name).as_str().to_owned();
    let (mut matches, mut groups) = (vec![name.clone()], BTreeMap::new());
    if let Some((pattern, captures)) =
        matched.pattern.and_then(|pattern| Some((pattern, pattern.captures(&name)?)))
    {
        let group = |at| captures.get(at).map_or("", |group| group.as_str()).to_owned();
        matches = (0..captures.len()).map(group).collect();
        for (text, name) in matches.iter().zip(pattern.capture_names()) {
            groups.extend(name.map(|name| (name.to_owned(), text.clone())));
        }
    }
    for (at, text) in matches.iter().enumerate() {
        groups.entry(at.to_string()).or_insert_with(|| text.clone());
    }
    let or = |is_any: bool, own: Cow<'static, str>, other: Cow<'static, str>| {
        if is_any { other } else { own }
    };
    Data {
        zone: matched.zone.to_string(),
        name,
        class: or(
            query.qclass == DNSClass::ANY,
            mnemonic::class(query.qclass),
            mnemonic::class(rule.class),
        ),
        record_type: or(
            query.qtype == RecordType::ANY,
            mnemonic::record_type(query.qtype),
            mnemonic::record_type(rule.record_type),
        ),
        regex: matched.pattern.map_or(".*", |pattern| pattern.as_str()),
        matches,
        groups,
        variables: BTreeMap::new(),
        query,
        metadata: context.metadata(query),
    }
}
