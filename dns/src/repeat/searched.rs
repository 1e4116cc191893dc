//! Replies that were found by asking for one name after the other.

use super::{Duties, Lasting};

/// How a reply was found by asking for several names, of which clients may have each their own.
#[derive(Clone, Debug)]
pub struct Searched {
    /// How long the reply lasts that was given.
    pub(crate) found: Lasting,
    /// How long those last that were not.
    pub(crate) others: Vec<Lasting>,
    /// What the plugins that the questions passed have to do, for each question.
    pub(crate) duties: Vec<Duties>,
    /// The plugin that asked, by its place in its block.
    pub(crate) plugin: usize,
    /// The class of clients that it told the names of; see [`Plugin::client_class`](crate::plugin::Plugin::client_class).
    pub(crate) class: Option<u64>,
}

impl Searched {
    /// Iterates over how long each of the replies lasts.
    pub(super) fn lastings(&self) -> impl Iterator<Item = &Lasting> {
        std::iter::once(&self.found).chain(&self.others)
    }
}

/// The same replies, and the same clients.
impl PartialEq for Searched {
    fn eq(&self, other: &Self) -> bool {
        (&self.found, &self.others, self.plugin, self.class)
            == (&other.found, &other.others, other.plugin, other.class)
    }
}
