//! Messages with a length before each, as a connection carries them (RFC 1035 §4.2.2).

use std::collections::VecDeque;
use std::sync::Arc;

use prometheus::IntGauge;

/// How many octets are read at once.
const CHUNK: usize = 4096;

/// As much room stays when all replies are written.
pub(super) const ROOM: usize = 4096;

/// Room for the lengths of as many replies stays.
const REPLIES: usize = 64;

/// What has been read of a connection and not taken yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    octets: Vec<u8>,
    taken: usize,
}

impl Input {
    /// Returns the next message when all of it is there.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let message = complete(&self.octets[self.taken..])?;
        self.taken += 2 + message.len();
        Some(message)
    }

    /// Says whether a whole message is there.
    pub(super) fn has_message(&self) -> bool {
        complete(&self.octets[self.taken..]).is_some()
    }

    /// Says whether the first octets of a message are there.
    pub(super) fn has_octets(&self) -> bool {
        self.taken < self.octets.len()
    }

    /// Returns where to read on into. Only what has been taken is forgotten.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.octets.drain(..self.taken);
        self.taken = 0;
        if self.octets.is_empty() {
            // A long message does not keep its room.
            self.octets.shrink_to(CHUNK);
        }
        self.octets.reserve(CHUNK);
        &mut self.octets
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.octets.shrink_to(CHUNK);
        self.taken = 0;
    }
}

fn complete(octets: &[u8]) -> Option<&[u8]> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// Replies that a client has not read yet.
#[derive(Debug)]
pub(super) struct Output {
    /// Each with its length before it, so that a length does not travel alone (RFC 7766 §8).
    octets: Vec<u8>,
    /// How much of that is written.
    written: usize,
    /// What is left of each reply.
    left: VecDeque<usize>,
    /// Those of all connections.
    all: Arc<Unread>,
}

/// The octets that the clients of all connections have not read yet.
#[derive(Debug)]
pub(super) struct Unread(IntGauge);

impl Unread {
    /// Counts with a metric.
    pub(super) fn new(gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self(gauge))
    }

    /// Returns their number.
    pub(super) fn octets(&self) -> usize {
        usize::try_from(self.0.get()).unwrap_or_default()
    }

    /// Counts more of them.
    pub(super) fn add(&self, octets: usize) {
        self.0.add(i64::try_from(octets).unwrap_or(i64::MAX));
    }

    /// Counts fewer of them.
    pub(super) fn subtract(&self, octets: usize) {
        self.0.sub(i64::try_from(octets).unwrap_or(i64::MAX));
    }
}

impl Output {
    /// Returns no replies.
    pub(super) fn new(all: &Arc<Unread>) -> Self {
        Self { octets: Vec::new(), written: 0, left: VecDeque::new(), all: Arc::clone(all) }
    }

    /// Adds a reply; one that no length can be given is left out.
    pub(super) fn push(&mut self, reply: &[u8]) {
        let Ok(length) = u16::try_from(reply.len()) else { return };
        self.octets.extend(length.to_be_bytes());
        self.octets.extend_from_slice(reply);
        self.left.push_back(2 + reply.len());
        self.all.add(2 + reply.len());
    }

    /// Returns how many octets are left.
    pub(super) fn octets(&self) -> usize {
        self.octets.len() - self.written
    }

    /// Says whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.octets() == 0
    }

    /// Returns what is to be written next.
    pub(super) fn pending(&self) -> &[u8] {
        &self.octets[self.written..]
    }

    /// Forgets what has been written; says whether that was the end of a reply.
    pub(super) fn wrote(&mut self, octets: usize) -> bool {
        self.all.subtract(octets);
        self.written += octets;
        // What is left moves once for as much that is gone.
        if self.written >= self.octets.len().div_ceil(2) {
            self.octets.drain(..self.written);
            self.written = 0;
        }
        if self.octets.is_empty() {
            self.octets.shrink_to(ROOM);
        }
        let (mut octets, mut is_end) = (octets, false);
        while let Some(first) = self.left.front_mut() {
            if octets < *first {
                *first -= octets;
                break;
            }
            octets -= *first;
            self.left.pop_front();
            is_end = true;
        }
        is_end
    }

    /// Forgets what has not been written.
    pub(super) fn clear(&mut self) {
        if !self.is_empty() {
            self.all.subtract(self.octets());
        }
        self.octets.clear();
        self.octets.shrink_to(ROOM);
        self.written = 0;
        self.left.clear();
        self.left.shrink_to(REPLIES);
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_came_in() {
        let octets = [0, 3, 1, 2, 3, 0, 0, 0, 1, 9, 0, 2, 7];
        for step in 1..=octets.len() {
            let (mut input, mut messages) = (Input::default(), Vec::new());
            for chunk in octets.chunks(step) {
                input.room().extend_from_slice(chunk);
                while input.has_message() {
                    messages.push(input.next().unwrap().to_vec());
                }
            }
            assert_eq!(messages, [vec![1, 2, 3], vec![], vec![9]], "{step} at a time");
            assert!(input.has_octets() && input.next().is_none());
            input.room().push(8);
            assert_eq!(input.next(), Some(&[7, 8][..]));
            assert!(!input.has_octets());
            input.room().extend([0, 1, 9, 0]);
            input.clear();
            assert!(!input.has_octets() && input.next().is_none());
        }
    }

    #[test]
    fn replies_are_counted_until_they_are_written() {
        let unread = Unread::new(IntGauge::new("unread", "Unread.").unwrap());
        let mut output = Output::new(&unread);
        output.push(&[1, 2]);
        output.push(&[3]);
        output.push(&[0; 65_536]);
        assert_eq!((output.octets(), unread.octets()), (7, 7));
        assert_eq!(output.pending(), [0, 2, 1, 2, 0, 1, 3]);
        assert!(!output.wrote(3), "the first reply is not through");
        assert_eq!(output.pending(), [2, 0, 1, 3]);
        assert!(output.wrote(2), "the first is");
        assert_eq!((output.pending(), unread.octets()), (&[1, 3][..], 2));
        output.push(&[]);
        assert!(output.wrote(4), "both are");
        assert_eq!((output.pending(), unread.octets()), (&[][..], 0));
        output.push(&[4]);
        let other = Output::new(&unread);
        output.clear();
        assert!(output.is_empty() && unread.octets() == 0);
        output.push(&[5]);
        assert_eq!(output.pending(), [0, 1, 5]);
        drop(output);
        assert!(other.is_empty() && unread.octets() == 0);
    }
}
