//! What sources tell the store.

use crate::{Kind, Object, ObjectKey};

/// A change that a source reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The object exists and looks like this.
    Upsert(Object),
    /// The object does not exist.
    Delete(Kind, ObjectKey),
    /// The object exists, and how it looks cannot be told: what was known of it stays.
    Keep(Kind, ObjectKey),
    /// A complete list of a kind follows as upserts and keeps. Until [`Event::ListEnd`] everything known before stays.
    ListStart(Kind),
    /// The list is complete: objects of the kind that were not part of it are gone, and the kind counts
    /// as synced from now on.
    ListEnd(Kind),
}
