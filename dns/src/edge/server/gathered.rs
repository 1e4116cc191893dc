//! A message of a stream while its octets come.

use super::asker::Asker;
use super::workers::Reserved;

/// What of a message costs nothing, in octets: most questions are much shorter. The streams of a connection are few.
const SHORT: usize = 1 << 10;

/// A message whose octets come in pieces. What is longer than [`SHORT`] takes from what the listener has for the
/// messages of all its streams, since they do not have places among the questions under way before they are complete.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    asker: &'a Asker,
    limit: usize,
    octets: Vec<u8>,
    reserved: Option<Reserved>,
}

/// Why a message cannot have more octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoRoom {
    /// It is longer than it may be.
    TooLong,
    /// Others have what there is for all messages.
    Full,
}

impl<'a> Gathered<'a> {
    /// Returns a message of a client without octets, which may have as many.
    pub(super) fn new(asker: &'a Asker, limit: usize) -> Self {
        Self { asker, limit, octets: Vec::new(), reserved: None }
    }

    /// Adds octets.
    ///
    /// # Errors
    /// There is no room for them.
    pub(super) fn push(&mut self, octets: &[u8]) -> Result<(), NoRoom> {
        let length = self.octets.len() + octets.len();
        if length > self.limit {
            return Err(NoRoom::TooLong);
        }
        let more = length.saturating_sub(SHORT.max(self.octets.len()));
        if more > 0 {
            let reserved = self.asker.reserve(more).ok_or(NoRoom::Full)?;
            match &mut self.reserved {
                Some(all) => all.add(reserved),
                None => self.reserved = Some(reserved),
            }
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// Returns what has come.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}
