//! A receiver of dnstap: Frame Streams and protobuf written down from their specifications, which nothing of the
//! server is used for.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use hickory_proto::op::Message;

use crate::server::PATIENCE;

const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// A connection from a server that frames come in on.
#[derive(Debug)]
pub struct Tap<S>(S);

/// A dnstap message.
#[derive(Debug)]
pub struct Tapped {
    outer: Fields,
    inner: Fields,
}

/// The fields of a protobuf message, by number.
type Fields = BTreeMap<u64, Field>;

/// The value of a field.
#[derive(Debug)]
enum Field {
    Number(u64),
    Octets(Vec<u8>),
}

impl<S: Read + Write> Tap<S> {
    /// Takes part in the handshake; reads of the stream should have a limit of [`PATIENCE`].
    ///
    /// # Panics
    /// The server does not follow the protocol.
    pub fn greet(stream: S) -> Self {
        let mut tap = Self(stream);
        assert_eq!(tap.control(), (4, CONTENT_TYPE.to_vec()), "READY");
        let mut accept = Vec::new();
        for word in [0, 34, 1, 1, 22] {
            accept.extend(u32::to_be_bytes(word));
        }
        accept.extend(CONTENT_TYPE);
        tap.0.write_all(&accept).unwrap();
        assert_eq!(tap.control(), (2, CONTENT_TYPE.to_vec()), "START");
        tap
    }

    /// Waits for the next message.
    ///
    /// # Panics
    /// None comes in time, or it cannot be read.
    pub fn message(&mut self) -> Tapped {
        let length = self.word();
        assert_ne!(length, 0, "a control frame in between");
        let outer = fields(&self.octets(length));
        let Some(Field::Octets(inner)) = outer.get(&14) else { panic!("no message: {outer:?}") };
        let inner = fields(inner);
        Tapped { outer, inner }
    }

    fn control(&mut self) -> (u32, Vec<u8>) {
        assert_eq!(self.word(), 0, "no control frame");
        let length = self.word();
        let kind = self.word();
        assert_eq!((self.word(), self.word()), (1, length - 12), "one content type");
        (kind, self.octets(length - 12))
    }

    fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.octets(4).try_into().unwrap())
    }

    fn octets(&mut self, length: u32) -> Vec<u8> {
        let mut octets = vec![0; usize::try_from(length).unwrap()];
        let read = self.0.read_exact(&mut octets);
        read.unwrap_or_else(|error| panic!("no dnstap message in {PATIENCE:?}: {error}"));
        octets
    }
}

impl Tapped {
    /// Returns identity (1), version (2) or extra (3).
    pub fn text(&self, field: u64) -> Option<String> {
        match self.outer.get(&field)? {
            Field::Octets(octets) => Some(String::from_utf8_lossy(octets).into_owned()),
            Field::Number(_) => None,
        }
    }

    /// Returns a number of the message, such as the type (1), the protocol (3) or a time (8, 12).
    pub fn number(&self, field: u64) -> Option<u64> {
        match self.inner.get(&field)? {
            Field::Number(number) => Some(*number),
            Field::Octets(_) => None,
        }
    }

    /// Returns octets of the message, such as the address of the client (4).
    pub fn octets(&self, field: u64) -> Option<&[u8]> {
        match self.inner.get(&field)? {
            Field::Octets(octets) => Some(octets),
            Field::Number(_) => None,
        }
    }

    /// Returns the DNS message of a query (10) or a reply (14).
    ///
    /// # Panics
    /// It is none.
    pub fn dns(&self, field: u64) -> Option<Message> {
        self.octets(field).map(|octets| Message::from_vec(octets).unwrap())
    }
}

fn fields(mut octets: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while !octets.is_empty() {
        let key = varint(&mut octets);
        let value = match key & 7 {
            0 => Field::Number(varint(&mut octets)),
            2 => {
                let length = usize::try_from(varint(&mut octets)).unwrap();
                Field::Octets(take(&mut octets, length).to_vec())
            }
            5 => Field::Number(u32::from_le_bytes(take(&mut octets, 4).try_into().unwrap()).into()),
            other => panic!("wire type {other}"),
        };
        fields.insert(key >> 3, value);
    }
    fields
}

fn take<'o>(octets: &mut &'o [u8], length: usize) -> &'o [u8] {
    let (taken, rest) = octets.split_at(length);
    *octets = rest;
    taken
}

/// Reads a number in groups of seven bits, the lowest first.
fn varint(octets: &mut &[u8]) -> u64 {
    let mut number = 0;
    for place in 0_u32.. {
        let octet = take(octets, 1)[0];
        number |= u64::from(octet & 127) << (7 * place);
        if octet < 128 {
            break;
        }
    }
    number
}
