//! Which names a rule is for, and what it makes of them.

use hickory_proto::rr::{LowerName, Name};
use regex::{Captures, Regex};

use crate::Query;
use crate::plugin::name_text::NameText;

/// The names that a rule is for. Texts are in lower case and have their final dot.
#[derive(Clone, Debug)]
pub(super) enum NameMatch {
    /// This name.
    Exact(LowerName),
    /// Names that begin with this text.
    Prefix(String),
    /// Names that end with this text.
    Suffix(String),
    /// Names in which this text is.
    Substring(String),
    /// Names of which a part matches.
    Regex(Regex),
}

/// A text with `{0}`, `{1}` and so on where groups of a regular expression are put in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Substitution(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

/// The text of a query's name, written when a rule first needs it.
#[derive(Debug, Default)]
pub(super) struct LazyText(Option<NameText>);

impl NameMatch {
    /// Says whether the rule is for the query's name.
    pub(super) fn takes(&self, query: &Query, text: &mut LazyText) -> bool {
        match self {
            Self::Exact(name) => *name == query.lower,
            Self::Prefix(part) => text.of(&query.name).starts_with(part),
            Self::Suffix(part) => text.of(&query.name).ends_with(part),
            Self::Substring(part) => text.of(&query.name).contains(part),
            Self::Regex(pattern) => pattern.is_match(text.of(&query.name)),
        }
    }

    /// Says whether every name of another rule is for sure one of this rule, too.
    pub(super) fn has_all(&self, other: &Self) -> bool {
        let exact = |name: &LowerName| NameText::of(name).as_str().to_owned();
        match (self, other) {
            (Self::Exact(name), Self::Exact(other)) => name == other,
            (Self::Regex(own), Self::Regex(other)) => own.as_str() == other.as_str(),
            (Self::Regex(own), Self::Exact(name)) => own.is_match(&exact(name)),
            (Self::Prefix(part), Self::Exact(name)) => exact(name).starts_with(part),
            (Self::Prefix(part), Self::Prefix(other)) => other.starts_with(part),
            (Self::Suffix(part), Self::Exact(name)) => exact(name).ends_with(part),
            (Self::Suffix(part), Self::Suffix(other)) => other.ends_with(part),
            (Self::Substring(part), Self::Exact(name)) => exact(name).contains(part),
            (
                Self::Substring(part),
                Self::Prefix(other) | Self::Suffix(other) | Self::Substring(other),
            ) => other.contains(part),
            _ => false,
        }
    }

    /// Returns the text with what matches replaced, of a regular expression the whole text; none when nothing
    /// matches.
    pub(super) fn replace(&self, text: &str, to: &Substitution) -> Option<String> {
        match self {
            Self::Exact(name) => {
                (NameText::of(name).as_str() == text).then(|| to.literal().to_owned())
            }
            Self::Prefix(part) => Some(to.literal().to_owned() + text.strip_prefix(part)?),
            Self::Suffix(part) => Some(text.strip_suffix(part)?.to_owned() + to.literal()),
            Self::Substring(part) => text.contains(part).then(|| text.replace(part, to.literal())),
            Self::Regex(pattern) => Some(to.with(&pattern.captures(text)?)),
        }
    }
}

impl Substitution {
    /// Reads a text with groups, in lower case.
    pub(super) fn of(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text.as_str());
        while let Some(at) = rest.find('{') {
            let (before, after) = rest.split_at(at);
            plain.push_str(before);
            if let Some((group, left)) = group(after) {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Group(group));
                rest = left;
            } else {
                plain.push('{');
                rest = after.strip_prefix('{').unwrap_or_default();
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Self(pieces)
    }

    /// Takes a text as it is.
    pub(super) fn verbatim(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }

    /// Returns the highest group that is put in; none without groups.
    pub(super) fn highest_group(&self) -> Option<usize> {
        let groups = self.0.iter().filter_map(|piece| match piece {
            Piece::Group(group) => Some(*group),
            Piece::Text(_) => None,
        });
        groups.max()
    }

    /// Returns the text with the groups of a match; those that took no part in it are empty.
    pub(super) fn with(&self, captures: &Captures<'_>) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Group(group) => captures.get(*group).map_or("", |found| found.as_str()),
        });
        pieces.collect()
    }

    /// Returns the text up to the first group.
    pub(super) fn literal(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Group(_)) | None => "",
        }
    }
}

/// Takes `{7}` off the front of a text.
fn group(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.strip_prefix('{')?.split_once('}')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| is_number)?, rest))
}

impl LazyText {
    /// Returns the text of the name, which has to be the same one as long as this is used.
    pub(super) fn of(&mut self, name: &Name) -> &str {
        self.0.get_or_insert_with(|| NameText::of(name)).as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_put_in_once() {
        let to = Substitution::of("{2}.{x}.{1}{.{0}");
        let pattern = Regex::new(r"^(\S+)-(\S+)$").unwrap();
        let captures = pattern.captures("{2}-b").unwrap();
        assert_eq!(to.with(&captures), "b.{x}.{2}{.{2}-b");
        assert_eq!(to.highest_group(), Some(2));
        assert_eq!(Substitution::of("Plain.").highest_group(), None);
        assert_eq!(Substitution::of("Plain.").literal(), "plain.");
    }
}
