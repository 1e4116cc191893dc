//! Answers that say no, with their proofs (RFC 2308 §2, RFC 4035 §3.1.3).

use hickory_proto::rr::{LowerName, Name, RecordType};

use super::{Search, Section};
use crate::plugin::file::zone::Node;

impl Search<'_> {
    /// Says that a name does not exist: the SOA record, and the NSEC records around the name and the wildcard
    /// that could have covered it.
    pub(super) fn deny(&mut self, lower: &LowerName, encloser: Option<&LowerName>) {
        self.add_soa();
        if !self.question.dnssec {
            return;
        }
        let zone = self.zone;
        let around = zone.covering(lower);
        let wildcard = encloser.and_then(|name| name.prepend_label("*").ok()).map(LowerName::from);
        let beside = wildcard.and_then(|wildcard| zone.covering(&wildcard));
        let beside = beside.filter(|(name, _)| around.is_none_or(|(other, _)| other != *name));
        for (name, node) in [around, beside].into_iter().flatten() {
            self.add_denial(name, node);
        }
    }

    /// Says that a name has no records of the type.
    pub(super) fn deny_type(
        &mut self,
        lower: &LowerName,
        node: &Node,
        wildcard: Option<&LowerName>,
    ) {
        if node.set(RecordType::NSEC).is_none() && wildcard.is_none() {
            // An empty non-terminal is between two names that have records.
            return self.deny(lower, None);
        }
        self.add_soa();
        if self.question.dnssec {
            self.add_denial(wildcard.unwrap_or(lower), node);
        }
        self.prove_expansion(lower, wildcard);
    }

    /// Shows that no nearer name than a wildcard exists (RFC 4035 §3.1.3.3).
    pub(super) fn prove_expansion(&mut self, lower: &LowerName, wildcard: Option<&LowerName>) {
        if wildcard.is_none() || !self.question.dnssec {
            return;
        }
        let covering = self.zone.covering(lower);
        if let Some((name, node)) = covering.filter(|(name, _)| Some(*name) != wildcard) {
            self.add_denial(name, node);
        }
    }

    fn add_denial(&mut self, owner: &LowerName, node: &Node) {
        if let Some(denial) = node.set(RecordType::NSEC) {
            self.push(Section::Authority, &owner.clone().into(), node, denial);
        }
    }

    fn add_soa(&mut self) {
        self.answer.authorities.push(self.zone.negative_soa());
        let zone = self.zone;
        if let Some(apex) = zone.apex().filter(|_| self.question.dnssec) {
            let owner = Name::from(zone.origin().clone());
            self.push_plain(Section::Authority, &owner, apex.signatures(RecordType::SOA));
        }
    }
}
