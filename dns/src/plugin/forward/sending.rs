//! A request as it leaves: with an id, and letters in random case if that is asked for (`case_randomization`).

use std::sync::PoisonError;

use hickory_proto::op::Query as Question;

use super::config::LetterCase;
use super::request::Request;
use crate::reply::ExchangedMessages;

/// Where the question begins, after the header (RFC 1035 §4.1).
const QUESTION: usize = 12;

/// The octets of a question's type and class.
const TYPE_AND_CLASS: usize = 4;

/// A request as it is sent once.
#[derive(Debug)]
pub(crate) struct Sending<'a> {
    request: &'a Request,
    id: u16,
    letter_case: LetterCase,
    octets: Vec<u8>,
}

impl Request {
    /// Returns the message to send with this id. Letters change their case where the random bits are set, if
    /// the request has random case; each bit is for one octet of the name.
    pub(crate) fn sending(&self, id: u16, random: impl FnOnce() -> [u64; 4]) -> Sending<'_> {
        let mut sending = self.sending_as_asked(id);
        if self.letter_case == LetterCase::Random {
            sending.letter_case = LetterCase::Random;
            let random = random();
            let name = sending.octets.get_mut(QUESTION..self.end_of_name());
            change_case(name.unwrap_or_default(), random);
        }
        sending
    }

    /// Returns the message to send with this id over a transport that nobody can write into: with the letters
    /// as they were asked.
    pub(crate) fn sending_as_asked(&self, id: u16) -> Sending<'_> {
        let mut octets = self.message.clone();
        // The id is the first field (RFC 1035 §4.1.1).
        for (octet, id_octet) in octets.iter_mut().zip(id.to_be_bytes()) {
            *octet = id_octet;
        }
        Sending { request: self, id, letter_case: LetterCase::AsAsked, octets }
    }

    /// Returns where the name of the question ends in the message. It is the first name, so it has no pointer.
    fn end_of_name(&self) -> usize {
        QUESTION + self.question.name.iter().map(|label| label.len() + 1).sum::<usize>() + 1
    }
}

impl Sending<'_> {
    /// Returns the message.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Returns the id that the reply has to have.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    /// Returns the question as it was asked.
    pub(super) fn question(&self) -> &Question {
        &self.request.question
    }

    /// Says whether letters were changed, so that the reply has to repeat every octet of the question.
    pub(super) fn has_random_case(&self) -> bool {
        self.letter_case == LetterCase::Random
    }

    /// Says whether this is the question that a reply repeats; the letter case of the name may differ.
    pub(super) fn is_asking(&self, question: &Question) -> bool {
        let asked = self.question();
        asked.query_type == question.query_type
            && asked.query_class == question.query_class
            && asked.name.eq_ignore_root(&question.name)
    }

    /// Says whether a message repeats the question octet for octet.
    pub(super) fn is_repeated_in(&self, reply: &[u8]) -> bool {
        let question = QUESTION..self.request.end_of_name() + TYPE_AND_CLASS;
        let sent = self.octets.get(question.clone());
        sent.is_some() && sent == reply.get(question)
    }

    /// Returns a reply that repeats the question with the name as it was asked, and so with it every name that
    /// points there.
    pub(super) fn restored(&self, reply: &[u8]) -> Vec<u8> {
        let name = QUESTION..self.request.end_of_name();
        let mut restored = reply.to_vec();
        if let (Some(to), Some(from)) =
            (restored.get_mut(name.clone()), self.request.message.get(name))
        {
            to.copy_from_slice(from);
        }
        restored
    }

    /// Keeps the octets of this message and of its reply, if the request keeps any.
    pub(super) fn keep(&self, reply: &[u8]) {
        if let Some(kept) = &self.request.kept {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) =
                ExchangedMessages { question: self.octets.clone(), reply: reply.to_vec() };
        }
    }
}

/// Changes the case of the letters whose bit is set. The lengths of labels are below the letters.
fn change_case(name: &mut [u8], random: [u64; 4]) {
    let bits = random.iter().flat_map(|word| (0..u64::BITS).map(move |at| word >> at & 1 == 1));
    for (octet, _) in name.iter_mut().zip(bits).filter(|(_, is_set)| *is_set) {
        if octet.is_ascii_alphabetic() {
            *octet ^= 0x20;
        }
    }
}
