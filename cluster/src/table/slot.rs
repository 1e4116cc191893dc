//! A slot of a table: what is under one key.

use std::sync::Arc;

/// The objects under one key, behind its hash.
///
/// Nearly always it is one. More are kept behind one pointer more, so that a slot has 16 octets.
#[derive(Debug, Default)]
pub(crate) enum Slot<V> {
    /// They have been moved to another leaf.
    #[default]
    Moved,
    /// One.
    One(u32, Arc<V>),
    /// Several.
    Many(u32, Arc<Box<[Arc<V>]>>),
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Moved => Self::Moved,
            Self::One(hash, object) => Self::One(*hash, Arc::clone(object)),
            Self::Many(hash, objects) => Self::Many(*hash, Arc::clone(objects)),
        }
    }
}

impl<V> Slot<V> {
    /// Returns a slot of these objects; none without any.
    pub(crate) fn of(hash: u32, mut objects: Vec<Arc<V>>) -> Option<Self> {
        match objects.len() {
            0 | 1 => objects.pop().map(|object| Self::One(hash, object)),
            _ => Some(Self::Many(hash, Arc::new(objects.into()))),
        }
    }

    /// Says whether there is just one.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::One(..))
    }

    pub(crate) fn hash(&self) -> u32 {
        match self {
            Self::Moved => 0,
            Self::One(hash, _) | Self::Many(hash, _) => *hash,
        }
    }

    pub(crate) fn objects(&self) -> &[Arc<V>] {
        match self {
            Self::Moved => &[],
            Self::One(_, object) => std::slice::from_ref(object),
            Self::Many(_, objects) => objects,
        }
    }
}

/// Returns the slot of a key. `rest` are the bits of the hash that differ in this leaf, as the first ones.
///
/// They are spread evenly, so that they say where about the slot is: most searches read one or two cache lines, where
/// one by halves reads four.
pub(super) fn find<V>(
    slots: &[Slot<V>],
    hash: u32,
    rest: u32,
    has_key: impl Fn(&V) -> bool,
) -> Option<&Slot<V>> {
    let (before, behind) = slots.split_at_checked(about(slots.len(), rest))?;
    let is_less = |slot: &&Slot<V>| slot.hash() < hash;
    let down = before.iter().rev().take_while(|slot| !is_less(slot)).count();
    let up = if down == 0 { behind.iter().take_while(is_less).count() } else { 0 };
    let first = before.len() - down + up;
    let mut of_hash = slots[first..].iter().take_while(|slot| slot.hash() == hash);
    of_hash.find(|slot| slot.objects().first().is_some_and(|object| has_key(object)))
}

/// Returns about where in a leaf of so many slots a hash is.
pub(super) fn about(slots: usize, rest: u32) -> usize {
    let near = (u64::from(rest) * slots as u64) >> u32::BITS;
    usize::try_from(near).unwrap_or(slots)
}

/// Returns where the slot of a key is, or where it belongs.
pub(crate) fn place_of<V>(
    slots: &[Slot<V>],
    hash: u32,
    has_key: impl Fn(&V) -> bool,
) -> Result<usize, usize> {
    let first = slots.partition_point(|slot| slot.hash() < hash);
    let of_hash = slots[first..].iter().take_while(|slot| slot.hash() == hash);
    let found = of_hash
        .map(Slot::objects)
        .position(|objects| objects.first().is_some_and(|object| has_key(object)));
    found.map(|at| first + at).ok_or(first)
}

/// Takes the slots out of a leaf that is about to be replaced, with room for one more. What nobody else has is moved.
pub(super) fn taken<V>(leaf: &mut Arc<[Slot<V>]>) -> Vec<Slot<V>> {
    let mut slots = Vec::with_capacity(leaf.len() + 1);
    match Arc::get_mut(leaf) {
        Some(own) => slots.extend(own.iter_mut().map(std::mem::take)),
        None => slots.extend_from_slice(leaf),
    }
    slots
}
