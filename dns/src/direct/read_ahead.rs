//! A message that may be answered directly, read.

use super::PlainQuestion;
use super::draft::Written;

/// A plain question for a name in a zone whose usual names are answered directly, or something else.
#[derive(Clone, Default, Debug)]
pub(crate) struct ReadAhead {
    pub(super) question: PlainQuestion,
    /// The zone, by its place among those of the listener.
    pub(super) zone: Option<usize>,
    /// The reply, once it has been written.
    pub(super) written: Option<Written>,
}

impl ReadAhead {
    /// Reads a message in the place of the one before. `zone_of` says in which zone a question is.
    pub(super) fn read(
        &mut self,
        message: &[u8],
        zone_of: impl FnOnce(&PlainQuestion) -> Option<usize>,
    ) {
        self.clear();
        self.zone = self.question.read(message).and_then(|()| zone_of(&self.question));
    }

    /// Takes the message for something else.
    pub(crate) fn clear(&mut self) {
        (self.zone, self.written) = (None, None);
    }
}
