//! Names that say what they name: of equal content equal, of different content different.

use std::fmt;

use cluster::{Operator, Selector};
use sha2::{Digest, Sha256};

/// Half of a SHA-256 hash, in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id([u8; 16]);

/// Gathers content and hashes it. Every part stands behind its length or is of fixed length, so that no two contents
/// give the same octets: `team` and `1allow` are not `team1` and `allow`.
pub(super) struct Content(Sha256);

impl Content {
    /// Begins the content of a kind of object.
    pub(super) fn of(kind: &str) -> Self {
        let mut content = Self(Sha256::new());
        content.text(kind);
        content
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    pub(super) fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len());
        self.0.update(octets);
    }

    pub(super) fn selector(&mut self, selector: &Selector) {
        self.number(selector.requirements().len());
        for requirement in selector.requirements() {
            self.text(&requirement.key);
            self.number(match requirement.operator {
                Operator::In => 0,
                Operator::NotIn => 1,
                Operator::Exists => 2,
                Operator::DoesNotExist => 3,
            });
            self.number(requirement.values.len());
            requirement.values.iter().for_each(|value| self.text(value));
        }
    }

    pub(super) fn id(self) -> Id {
        let mut half = [0; 16];
        half.iter_mut().zip(self.0.finalize()).for_each(|(to, from)| *to = from);
        Id(half)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&str]) -> String {
        let mut content = Content::of("pods");
        parts.iter().for_each(|part| content.text(part));
        content.id().to_string()
    }

    /// kube-router hashes `team` + `1allow` and `team1` + `allow` to one name.
    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_eq!(of(&["team", "1allow"]), of(&["team", "1allow"]));
        for other in
            [&["team1", "allow"][..], &["team1allow"], &["team", "1allow", ""], &["team1allow", ""]]
        {
            assert_ne!(of(&["team", "1allow"]), of(other), "{other:?}");
        }
        assert_eq!(of(&["team"]).len(), 32);
    }

    #[test]
    fn selectors_differ_in_every_part() {
        let texts =
            ["", "a", "!a", "a in (b)", "a notin (b)", "a in (b,c)", "a in (b),c", "a in (),b"];
        let id = |text: &str| {
            let mut content = Content::of("pods");
            content.selector(&Selector::parse(text).unwrap());
            content.id()
        };
        let ids: std::collections::BTreeSet<_> = texts.into_iter().map(id).collect();
        assert_eq!(ids.len(), texts.len());
    }
}
