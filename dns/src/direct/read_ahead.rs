//! A message that may be answered directly, read.

use super::PlainQuestion;

/// A plain question for a name in a zone whose usual names are answered directly, or something else.
#[derive(Clone, Default, Debug)]
pub(crate) struct ReadAhead {
    question: PlainQuestion,
    /// The zone, by its place among those of the listener.
    zone: Option<usize>,
}

impl ReadAhead {
    /// Reads a message in the place of the one before. `zone_of` says in which zone a question is.
    pub(super) fn read(
        &mut self,
        message: &[u8],
        zone_of: impl FnOnce(&PlainQuestion) -> Option<usize>,
    ) {
        self.zone = self.question.read(message).and_then(|()| zone_of(&self.question));
    }

    /// Takes the message for something else.
    pub(crate) fn clear(&mut self) {
        self.zone = None;
    }

    /// Returns the question and its zone, if it can be answered directly.
    pub(super) fn plain(&self) -> Option<(&PlainQuestion, usize)> {
        Some((&self.question, self.zone?))
    }
}
