//! Reads `template` directives.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, Name, Record, RecordType};
use regex::Regex;

use super::conditions::Conditions;
use super::go::GoTemplate;
use super::record::parse_record;
use crate::corefile::{CorefileError, Directive, Position, Token};
use crate::plugin::directive::unknown_option;
use crate::plugin::regular_expression::regular_expression;
use crate::plugin::{Fallthrough, arguments, mnemonic};

const OPTIONS: &str =
    "match, var, expr, answer, additional, authority, rcode, ederror and fallthrough";

/// One `template` directive.
#[derive(Clone, Debug)]
pub(super) struct TemplateRule {
    pub(super) position: Position,
    /// The class that it is for; ANY for all.
    pub(super) class: DNSClass,
    /// The type that it is for; ANY for all.
    pub(super) record_type: RecordType,
    pub(super) zones: Vec<LowerName>,
    /// The first that matches counts; none of them matches every name.
    pub(super) patterns: Vec<Regex>,
    pub(super) conditions: Conditions,
    pub(super) answers: Vec<Line>,
    pub(super) additionals: Vec<Line>,
    pub(super) authorities: Vec<Line>,
    pub(super) rcode: ResponseCode,
    /// The INFO-CODE and EXTRA-TEXT of an Extended DNS Error.
    pub(super) extended_error: Option<(u16, String)>,
    pub(super) fallthrough: Fallthrough,
}

/// A record, or a template of one.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The text of the Corefile, for metrics.
    pub(super) source: String,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The same for every query; none of an empty text.
    Fixed(Option<Box<Record>>),
    Template(GoTemplate),
}

/// Reads a directive of a block with these zones.
pub(super) fn rule(
    directive: &Directive,
    block: &[LowerName],
) -> Result<TemplateRule, CorefileError> {
    let [class, record_type, zones @ ..] = directive.args.as_slice() else {
        return Err(directive.error("template needs a class and a type; write template IN A"));
    };
    let zones = if zones.is_empty() { block.to_vec() } else { arguments::zones(zones)? };
    let mut rule = TemplateRule {
        position: directive.name.position.clone(),
        class: mnemonic::parse_class(&class.text).ok_or_else(|| {
            class.error(format!("'{}' is no class; write IN, CH, HS or ANY", class.text))
        })?,
        record_type: mnemonic::parse_record_type(&record_type.text).ok_or_else(|| {
            let text = &record_type.text;
            record_type.error(format!("'{text}' is no type; write one such as A, or ANY"))
        })?,
        zones,
        patterns: Vec::new(),
        conditions: Conditions::default(),
        answers: Vec::new(),
        additionals: Vec::new(),
        authorities: Vec::new(),
        rcode: ResponseCode::NoError,
        extended_error: None,
        fallthrough: Fallthrough::Never,
    };
    for line in directive.lines() {
        arguments::no_block(line)?;
        option(&mut rule, line)?;
    }
    Ok(rule)
}

fn option(rule: &mut TemplateRule, line: &Directive) -> Result<(), CorefileError> {
    match line.name.text.as_str() {
        "match" => {
            for token in arguments::some(line)? {
                rule.patterns.push(regular_expression(token)?);
            }
        }
        "answer" => lines(&mut rule.answers, line)?,
        "additional" => lines(&mut rule.additionals, line)?,
        "authority" => lines(&mut rule.authorities, line)?,
        "rcode" => rule.rcode = arguments::rcode(arguments::single(line)?)?,
        "ederror" => rule.extended_error = Some(extended_error(line)?),
        "fallthrough" if line.args.is_empty() => {
            rule.fallthrough = Fallthrough::Zones(vec![Name::root().into()]);
        }
        "fallthrough" => rule.fallthrough = Fallthrough::Zones(arguments::zones(&line.args)?),
        // Where CNAME records are followed, once; CoreDNS reads and ignores it, too.
        "upstream" => {}
        "var" => rule.conditions.add_variable(line)?,
        "expr" => rule.conditions.add_expression(line)?,
        _ => return Err(unknown_option(line, OPTIONS)),
    }
    Ok(())
}

fn lines(section: &mut Vec<Line>, line: &Directive) -> Result<(), CorefileError> {
    for token in arguments::some(line)? {
        section.push(record_line(token)?);
    }
    Ok(())
}

fn record_line(token: &Token) -> Result<Line, CorefileError> {
    let source = &token.text;
    let template = GoTemplate::parse(source)
        .map_err(|error| token.error(format!("'{source}' is no template: {error}")))?;
    let content = match template.fixed_text() {
        None => Content::Template(template),
        Some(text) => {
            let record = parse_record(&text).map_err(|error| {
                token.error(format!("'{source}' is no resource record: {error}; correct it"))
            })?;
            Content::Fixed(record.map(Box::new))
        }
    };
    Ok(Line { source: source.clone(), content })
}

/// Reads `ederror CODE [TEXT]` (RFC 8914 §2).
fn extended_error(line: &Directive) -> Result<(u16, String), CorefileError> {
    let (code, text) = match line.args.as_slice() {
        [code] => (code, String::new()),
        [code, text] => (code, text.text.clone()),
        _ => {
            return Err(line.error(
                "ederror takes a code and at most one text in quotes; write ederror 21 \"text\"",
            ));
        }
    };
    let number = arguments::number_in(code, 0..=u32::from(u16::MAX), "as the code")?;
    Ok((u16::try_from(number).unwrap_or(0), text))
}
