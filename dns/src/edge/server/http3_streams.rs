//! Streams of QUIC for HTTP/3 that bring no more than a limit of octets.
//!
//! The library gathers every frame but DATA until it is complete, of whatever length the client says that it is, so
//! the streams have to end that.

use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    BidiStream, Connection, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream,
    StreamErrorIncoming, StreamId, WriteBuf,
};

/// What a request may have: head, body and what frames them, in octets.
const MAX_REQUEST: usize = 96 << 10;

/// What a client's control stream may have as long as the connection lasts, in octets.
const MAX_CONTROL: usize = 64 << 10;

/// A connection with bounded streams.
pub(super) type BoundedConnection = Bounding<h3_quinn::Connection>;

/// Bounds the streams of a connection, or of what opens streams on one.
pub(super) struct Bounding<Q>(Q);

/// A stream and how much it may still bring.
pub(super) struct Bounded<S> {
    stream: S,
    id: StreamId,
    left: usize,
    /// A read has begun and has not ended: the library does not have the stream at hand then, and panics when it is
    /// asked for its number or to stop it.
    is_reading: bool,
}

/// More came than may.
#[derive(Debug, thiserror::Error)]
#[error("the stream has more octets than a question needs")]
struct TooLong;

impl<S: RecvStream> Bounded<S> {
    fn new(stream: S, left: usize) -> Self {
        let id = stream.recv_id();
        Self { stream, id, left, is_reading: false }
    }
}

impl BoundedConnection {
    /// Bounds the streams of a connection.
    pub(super) fn new(connection: quinn::Connection) -> Self {
        Self(h3_quinn::Connection::new(connection))
    }
}

impl Connection<Bytes> for BoundedConnection {
    type RecvStream = Bounded<h3_quinn::RecvStream>;
    type OpenStreams = Bounding<h3_quinn::OpenStreams>;

    fn poll_accept_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let accepted = Connection::<Bytes>::poll_accept_recv(&mut self.0, context);
        accepted.map_ok(|stream| Bounded::new(stream, MAX_CONTROL))
    }

    fn poll_accept_bidi(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let accepted = Connection::<Bytes>::poll_accept_bidi(&mut self.0, context);
        accepted.map_ok(|stream| Bounded::new(stream, MAX_REQUEST))
    }

    fn opener(&self) -> Self::OpenStreams {
        Bounding(Connection::<Bytes>::opener(&self.0))
    }
}

impl<Q: OpenStreams<Bytes>> OpenStreams<Bytes> for Bounding<Q>
where
    Q::BidiStream: RecvStream,
{
    type BidiStream = Bounded<Q::BidiStream>;
    type SendStream = Q::SendStream;

    fn poll_open_bidi(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        self.0.poll_open_bidi(context).map_ok(|stream| Bounded::new(stream, MAX_REQUEST))
    }

    fn poll_open_send(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        self.0.poll_open_send(context)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.0.close(code, reason);
    }
}

impl<S: RecvStream> RecvStream for Bounded<S> {
    type Buf = S::Buf;

    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Self::Buf>, StreamErrorIncoming>> {
        let read = self.stream.poll_data(context);
        self.is_reading = read.is_pending();
        let Poll::Ready(Ok(Some(octets))) = &read else { return read };
        match self.left.checked_sub(octets.remaining()) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(TooLong)))),
        }
        read
    }

    /// Tells the client to send no more; during a read only dropping the stream does that, with the code 0, which
    /// means the same as `H3_NO_ERROR` (RFC 9114 §8).
    fn stop_sending(&mut self, code: u64) {
        if !self.is_reading {
            self.stream.stop_sending(code);
        }
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

impl<S: SendStream<Bytes>> SendStream<Bytes> for Bounded<S> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.stream.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_finish(context)
    }

    fn reset(&mut self, code: u64) {
        self.stream.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.stream.send_id()
    }
}

impl<S: BidiStream<Bytes>> BidiStream<Bytes> for Bounded<S> {
    type SendStream = S::SendStream;
    type RecvStream = Bounded<S::RecvStream>;

    fn split(self) -> (Self::SendStream, Self::RecvStream) {
        let Self { stream, id, left, is_reading } = self;
        let (send, stream) = stream.split();
        (send, Bounded { stream, id, left, is_reading })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    struct Chunks(VecDeque<Bytes>);

    impl RecvStream for Chunks {
        type Buf = Bytes;

        fn poll_data(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
            Poll::Ready(Ok(self.0.pop_front()))
        }

        fn stop_sending(&mut self, _: u64) {}

        fn recv_id(&self) -> StreamId {
            StreamId::try_from(0).unwrap()
        }
    }

    #[test]
    fn a_stream_brings_its_limit_and_no_octet_more() {
        let chunks = |last: usize| {
            let chunks = [Bytes::from(vec![0; 60]), Bytes::from(vec![0; last])];
            Bounded::new(Chunks(chunks.into()), 100)
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        for (last, is_whole) in [(40, true), (41, false)] {
            let mut stream = chunks(last);
            assert!(matches!(stream.poll_data(&mut context), Poll::Ready(Ok(Some(_)))));
            let second = stream.poll_data(&mut context);
            assert_eq!(matches!(second, Poll::Ready(Ok(Some(_)))), is_whole, "{last}");
            assert_eq!(matches!(second, Poll::Ready(Err(_))), !is_whole, "{last}");
        }
    }
}
