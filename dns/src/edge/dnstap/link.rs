//! A Frame Streams connection to a receiver.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::TIMEOUT;
use crate::plugin::dnstap::frame_stream::{Control, MAX_CONTROL, control, is_control};

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection whose reader takes dnstap frames.
pub(super) struct Link {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
}

impl Link {
    /// Agrees with the reader at the other end.
    ///
    /// # Errors
    /// It does not answer in time, or does not take dnstap.
    pub(super) async fn open(stream: Box<dyn Stream>) -> io::Result<Self> {
        let (reader, writer) = tokio::io::split(stream);
        let mut link = Self { reader, writer };
        timeout(TIMEOUT, link.agree()).await??;
        Ok(link)
    }

    async fn agree(&mut self) -> io::Result<()> {
        self.writer.write_all(&control(Control::Ready)).await?;
        self.writer.flush().await?;
        self.expect(Control::Accept).await?;
        self.writer.write_all(&control(Control::Start)).await?;
        self.writer.flush().await
    }

    /// Reads a control frame of this type.
    async fn expect(&mut self, kind: Control) -> io::Result<()> {
        let (escape, length) = (self.reader.read_u32().await?, self.reader.read_u32().await?);
        if escape != 0 || length > MAX_CONTROL {
            return Err(unexpected(kind));
        }
        let mut body = Vec::new();
        (&mut self.reader).take(length.into()).read_to_end(&mut body).await?;
        if is_control(&body, kind) { Ok(()) } else { Err(unexpected(kind)) }
    }

    /// Writes frames.
    pub(super) async fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        timeout(TIMEOUT, async {
            self.writer.write_all(frames).await?;
            self.writer.flush().await
        })
        .await?
    }

    /// Waits until the reader ends the connection; it has nothing to say while it receives.
    pub(super) async fn ended(&mut self) -> io::Error {
        let mut octets = [0; 16];
        match self.reader.read(&mut octets).await {
            Ok(_) => io::Error::new(io::ErrorKind::ConnectionAborted, "the receiver has finished"),
            Err(error) => error,
        }
    }

    /// Tells the reader that this was all, and waits a moment until it has it.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.write(&control(Control::Stop)).await?;
        timeout(TIMEOUT, self.expect(Control::Finish)).await??;
        self.writer.shutdown().await
    }
}

fn unexpected(kind: Control) -> io::Error {
    let text = format!("the receiver sent no {kind:?} for dnstap over bidirectional Frame Streams");
    io::Error::new(io::ErrorKind::InvalidData, text)
}
