//! Response bodies: one type for whole answers, streams of events and forwarded bodies.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;

/// Why a body broke off; hyper then aborts the connection (HTTP/1.1) or the stream (HTTP/2).
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// What feeds a streamed body: each item is a chunk, an error breaks the body off,
/// dropping the sender ends it cleanly.
pub type BodySender = mpsc::Sender<Result<Bytes, BodyError>>;

/// Chunks a streamed body holds before its sender waits for the client to read.
const STREAM_CHUNKS: usize = 64;

/// Returns a body known in full.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Returns a bounded streamed body and what feeds it.
pub fn channel() -> (BodySender, Body) {
    let (sender, receiver) = mpsc::channel(STREAM_CHUNKS);
    (sender, ChannelBody { receiver }.boxed_unsync())
}

struct ChannelBody {
    receiver: mpsc::Receiver<Result<Bytes, BodyError>>,
}

impl http_body::Body for ChannelBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = self.receiver.poll_recv(context);
        next.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
