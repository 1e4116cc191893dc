//! What serving a connection needs and the next connection can have.

use std::sync::Arc;

use super::alarm::Alarm;
use super::frames::{Input, Output, ROOM, Unread};

/// Buffers and a timer.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) input: Input,
    pub(super) output: Output,
    /// Room for one reply.
    pub(super) reply: Vec<u8>,
    pub(super) alarm: Alarm,
}

impl Scratch {
    /// Returns empty ones; what clients have not read is counted among that of all.
    pub(super) fn new(unread: &Arc<Unread>) -> Self {
        Self {
            input: Input::default(),
            output: Output::new(unread),
            reply: Vec::new(),
            alarm: Alarm::default(),
        }
    }

    /// Forgets a connection, and gives back the room that few need.
    pub(super) fn clear(&mut self) {
        self.input.clear();
        self.output.clear();
        self.reply.shrink_to(ROOM);
    }
}
