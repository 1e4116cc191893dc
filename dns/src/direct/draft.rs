//! Replies that a plugin is to write.

use super::writer::Pair;
use super::{PlainQuestion, Said, Writer};

/// A question in a zone of a plugin, and the reply to it.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The number of the zone among those of the plugin.
    pub zone: usize,
    /// What is asked.
    pub question: &'a PlainQuestion,
    /// Writes the reply.
    pub writer: Writer<'a>,
    /// What the reply says; none where the plugins have to answer, and whatever is written then is of no use.
    pub said: Option<Said>,
    /// Where it is noted that the reply has been written.
    written: &'a mut Option<Written>,
}

/// A reply that a plugin has written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// What it says.
    pub(super) said: Said,
    /// Which addresses in it may change places.
    pub(super) pair: Option<Pair>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        zone: usize,
        question: &'a PlainQuestion,
        writer: Writer<'a>,
        written: &'a mut Option<Written>,
    ) -> Self {
        Self { zone, question, writer, said: None, written }
    }

    /// Completes the reply, if there is one.
    pub(crate) fn finish(self) {
        let Self { writer, said, written, .. } = self;
        *written = said.and_then(|said| Some(Written { said, pair: writer.finish()? }));
    }
}
