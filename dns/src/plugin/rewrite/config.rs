//! Reads `rewrite` directives.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};
use regex::Regex;

use super::edns_config::edns_rule;
use super::name::{NameMatch, Substitution};
use super::rule::{
    Action, AnswerRule, CnameRule, NameRule, Part, RcodeChange, Rule, Then, TtlRange,
};
use super::words::Words;
use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments::rcode;
use crate::plugin::mnemonic;
use crate::plugin::name_text::parse_name;
use crate::plugin::regular_expression::regular_expression;

/// The longest text that a name may become, in octets: the longest name with every octet escaped.
const MAX_TEXT: usize = 1020;

/// The largest TTL, in seconds (RFC 2181 §8).
const MAX_TTL: u32 = 2_147_483_647;

/// The largest response code that may be written as a number: BADCOOKIE.
const MAX_RCODE: u16 = 23;

/// Reads a directive, which is one rule.
pub(super) fn rule(directive: &Directive) -> Result<Rule, CorefileError> {
    let mut words = Words::of(directive)?;
    let mut field = words.next("the field, such as name or ttl,")?;
    let mut then = Then::Stop;
    match field.text.to_ascii_lowercase().as_str() {
        "continue" => then = Then::Continue,
        "stop" => {}
        _ => return Ok(Rule { then, action: action(field, &mut words)? }),
    }
    field = words.next("the field, such as name or ttl,")?;
    Ok(Rule { then, action: action(field, &mut words)? })
}

fn action(field: &Token, words: &mut Words<'_>) -> Result<Action, CorefileError> {
    let action = match field.text.to_ascii_lowercase().as_str() {
        "name" => Action::Name(name_rule(words)?),
        "type" => Action::Type { from: qtype(words)?, to: qtype(words)? },
        "class" => Action::Class { from: class(words)?, to: class(words)? },
        "ttl" => {
            let kind = words.kind(2)?;
            Action::Ttl(names(kind, words)?, ttl_range(words)?)
        }
        "rcode" => {
            let kind = words.kind(3)?;
            let names = names(kind, words)?;
            Action::Rcode(names, RcodeChange { from: code(words)?, to: code(words)? })
        }
        "cname" => {
            let kind = words.kind(2)?;
            let (targets, to) = targets(kind, words)?;
            Action::Cname(CnameRule { targets, to })
        }
        "edns0" => Action::Edns(edns_rule(words)?),
        "answer" => {
            return Err(
                field.error("answer belongs behind a name rule; write name FROM TO before it")
            );
        }
        text => {
            return Err(field.error(format!(
                "unknown field '{text}'; there is name, type, class, ttl, rcode, cname and edns0"
            )));
        }
    };
    words.end()?;
    Ok(action)
}

fn name_rule(words: &mut Words<'_>) -> Result<NameRule, CorefileError> {
    let kind = words.kind(2)?;
    let (names, to) = match kind {
        "regex" => {
            let pattern = regular_expression(words.next("the regular expression")?)?;
            let to = substitution(words.next("what the name becomes")?, &pattern)?;
            (NameMatch::Regex(pattern), to)
        }
        _ => {
            let names = names(kind, words)?;
            let to = words.next("what the name becomes")?;
            if kind == "exact" {
                name(to)?;
            }
            (names, Substitution::verbatim(text(to)?))
        }
    };
    let (auto, answers) = answers(words)?;
    Ok(NameRule { names, to, backward: auto || kind == "exact", answers })
}

/// Reads the options of a name rule: `answer auto`, `answer name FROM TO`, `answer value FROM TO`. After the first
/// the word `answer` may be left out.
fn answers(words: &mut Words<'_>) -> Result<(bool, Vec<AnswerRule>), CorefileError> {
    let (mut auto, mut answers) = (false, Vec::new());
    let mut owner = None;
    while let Some(&first) = words.left().first() {
        let is_first = !auto && answers.is_empty();
        if first.text == "answer" {
            words.next("")?;
        } else if is_first {
            let text = &first.text;
            return Err(first.error(format!(
                "'{text}' is no option of a name rule; write answer auto, answer name FROM TO or answer value FROM TO, or remove it"
            )));
        }
        let part = match words.next("auto, name or value behind answer")? {
            word if word.text == "auto" => None,
            word if word.text == "name" => {
                owner = owner.or(Some(word));
                // CoreDNS's README writes `answer name auto` for `answer auto`.
                Some(Part::Owner).filter(|_| !is_auto(words.left()))
            }
            word if word.text == "value" => Some(Part::Value),
            word => {
                let text = &word.text;
                return Err(
                    word.error(format!("unknown answer '{text}'; there is auto, name and value"))
                );
            }
        };
        match part {
            Some(part) => answers.push(answer_rule(part, words)?),
            None => {
                if words.left().first().is_some_and(|word| word.text == "auto") {
                    words.next("")?;
                    owner = None;
                }
                auto = true;
            }
        }
    }
    match owner.filter(|_| auto) {
        Some(word) => {
            Err(word.error("answer auto already turns names back; remove it or answer name"))
        }
        None => Ok((auto, answers)),
    }
}

/// Says whether `auto` stands where FROM and TO would.
fn is_auto(left: &[&Token]) -> bool {
    let is = |word: Option<&&Token>, text: &str| word.is_some_and(|word| word.text == text);
    is(left.first(), "auto") && (left.len() == 1 || is(left.get(1), "answer"))
}

fn answer_rule(part: Part, words: &mut Words<'_>) -> Result<AnswerRule, CorefileError> {
    let from = regular_expression(words.next("the regular expression of the answer")?)?;
    let to = substitution(words.next("what the name of the answer becomes")?, &from)?;
    Ok(AnswerRule { part, from, to })
}

/// Reads FROM of a rule for names. A text is taken as a complete name is written, with a final dot.
fn names(kind: &str, words: &mut Words<'_>) -> Result<NameMatch, CorefileError> {
    let from = words.next("the name")?;
    Ok(match kind {
        "prefix" => NameMatch::Prefix(text(from)?),
        "suffix" => NameMatch::Suffix(text(from)?),
        "substring" => NameMatch::Substring(text(from)?),
        "regex" => NameMatch::Regex(regular_expression(from)?),
        _ => NameMatch::Exact(LowerName::new(&name(from)?)),
    })
}

/// Reads FROM and TO of a `cname` rule. The final dot may be left out where a name ends.
fn targets(kind: &str, words: &mut Words<'_>) -> Result<(NameMatch, Substitution), CorefileError> {
    if matches!(kind, "exact" | "suffix") {
        let names = names(kind, words)?;
        let to = words.next("the new target")?;
        if kind == "exact" {
            name(to)?;
        }
        return Ok((names, Substitution::verbatim(text(to)?)));
    }
    let from = words.next("the target")?;
    let to = words.next("the new target")?;
    if kind == "regex" {
        let pattern = regular_expression(from)?;
        let to = substitution(to, &pattern)?;
        return Ok((NameMatch::Regex(pattern), to));
    }
    let part = from.text.to_ascii_lowercase();
    let names = if kind == "prefix" { NameMatch::Prefix(part) } else { NameMatch::Substring(part) };
    Ok((names, Substitution::verbatim(bounded(to)?.to_ascii_lowercase())))
}

fn name(token: &Token) -> Result<Name, CorefileError> {
    let text = &token.text;
    parse_name(text).ok_or_else(|| token.error(format!("'{text}' is no domain name; correct it")))
}

/// Returns a text in lower case with its final dot.
fn text(token: &Token) -> Result<String, CorefileError> {
    let mut text = bounded(token)?.to_ascii_lowercase();
    if !text.ends_with('.') {
        text.push('.');
    }
    Ok(text)
}

fn bounded(token: &Token) -> Result<&str, CorefileError> {
    if token.text.len() > MAX_TEXT {
        let length = token.text.len();
        return Err(
            token.error(format!("the text has {length} octets; no name is longer than {MAX_TEXT}"))
        );
    }
    Ok(&token.text)
}

fn substitution(token: &Token, pattern: &Regex) -> Result<Substitution, CorefileError> {
    let to = Substitution::of(bounded(token)?);
    // Group 0 is the whole match.
    let highest = pattern.captures_len() - 1;
    match to.highest_group().filter(|group| *group > highest) {
        Some(group) => Err(token.error(format!(
            "'{}' names the group {{{group}}}, and the regular expression has {highest}; correct one of them",
            token.text
        ))),
        None => Ok(to),
    }
}

fn qtype(words: &mut Words<'_>) -> Result<RecordType, CorefileError> {
    let token = words.next("the type: type FROM TO")?;
    let text = &token.text;
    mnemonic::parse_record_type(text).ok_or_else(|| {
        token.error(format!("'{text}' is no type; write one such as AAAA or TYPE65"))
    })
}

fn class(words: &mut Words<'_>) -> Result<DNSClass, CorefileError> {
    let token = words.next("the class: class FROM TO")?;
    let text = &token.text;
    mnemonic::parse_class(text)
        .ok_or_else(|| token.error(format!("'{text}' is no class; write IN, CH, HS or ANY")))
}

fn code(words: &mut Words<'_>) -> Result<ResponseCode, CorefileError> {
    let token = words.next("the rcode: rcode NAME FROM TO")?;
    match token.text.parse::<u16>() {
        Ok(number) if number <= MAX_RCODE => Ok(ResponseCode::from(
            u8::try_from(number >> 4).unwrap_or(0),
            u8::try_from(number & 0xf).unwrap_or(0),
        )),
        _ => rcode(token),
    }
}

/// Reads `SECONDS`, `MIN-MAX`, `-MAX` or `MIN-`.
fn ttl_range(words: &mut Words<'_>) -> Result<TtlRange, CorefileError> {
    let token = words.next("the TTL")?;
    let end = |text: &str, open: u32| if text.is_empty() { Some(open) } else { seconds(text) };
    let range = match token.text.split_once('-') {
        None => seconds(&token.text).map(|ttl| TtlRange { min: ttl, max: ttl }),
        Some(("", "")) => None,
        Some((min, max)) => {
            end(min, 0).zip(end(max, MAX_TTL)).map(|(min, max)| TtlRange { min, max })
        }
    };
    range.filter(|range| range.min <= range.max).ok_or_else(|| {
        let text = &token.text;
        token.error(format!("'{text}' is no TTL; write seconds, as 30, 30-300, -300 or 30-"))
    })
}

fn seconds(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seconds| is_number && *seconds <= MAX_TTL)
}
