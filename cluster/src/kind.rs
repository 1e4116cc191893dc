//! The kinds of object that the model knows.

use std::fmt;

/// A kind of Kubernetes object in the model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Node.
    Node,
    /// `v1` Pod.
    Pod,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `multicluster.x-k8s.io/v1alpha1` ServiceImport.
    ServiceImport,
}

impl Kind {
    /// Every kind, in the order in which sources list them: what names others comes first.
    pub const ALL: [Self; 7] = [
        Self::Namespace,
        Self::Node,
        Self::Service,
        Self::ServiceImport,
        Self::EndpointSlice,
        Self::Pod,
        Self::NetworkPolicy,
    ];

    /// Returns the kind's name as manifests spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ServiceImport => "ServiceImport",
        }
    }

    /// Says whether a cluster may be without this kind: it is defined by a CustomResourceDefinition that
    /// not every cluster has.
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::ServiceImport)
    }

    /// Says whether objects of this kind live in a namespace.
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`Kind`]s: what a reader needs, or what a source has listed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KindSet(u8);

impl KindSet {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Returns the set of the given kinds.
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut set = Self::NONE;
        let mut at = 0;
        while at < kinds.len() {
            set = set.with(kinds[at]);
            at += 1;
        }
        set
    }

    /// Returns this set with one kind more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Returns the kinds in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the kinds of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Says whether the kind is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Says whether every kind of the other set is in this one.
    pub const fn contains_all(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// Says whether no kind is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Iterates over the kinds in the order of [`Kind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_kinds_hold_exactly_what_was_put_in() {
        let set = KindSet::of(&[Kind::Service, Kind::Pod]);
        for kind in Kind::ALL {
            assert_eq!(set.contains(kind), matches!(kind, Kind::Service | Kind::Pod), "{kind}");
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [Kind::Service, Kind::Pod]);
        assert_eq!(set.without(KindSet::of(&[Kind::Pod])), KindSet::of(&[Kind::Service]));
        assert!(set.contains_all(KindSet::NONE) && !KindSet::NONE.contains_all(set));
    }
}
