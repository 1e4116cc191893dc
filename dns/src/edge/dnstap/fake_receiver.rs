//! A receiver for tests: Frame Streams written down once more, from the other side.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// A connection that frames come in on.
pub(crate) struct Receiver<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// Takes part in the handshake.
    pub(crate) async fn greet(stream: S) -> Self {
        let mut receiver = Self(stream);
        assert_eq!(receiver.control().await, (4, TYPE.to_vec()), "READY");
        receiver.say(1, TYPE).await;
        assert_eq!(receiver.control().await, (2, TYPE.to_vec()), "START");
        receiver
    }

    /// Answers READY with another content type.
    pub(crate) async fn disagree(stream: S) {
        let mut receiver = Self(stream);
        assert_eq!(receiver.control().await, (4, TYPE.to_vec()), "READY");
        receiver.say(1, b"protobuf:another.Type").await;
        let mut rest = Vec::new();
        let _ = receiver.0.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "nothing is sent to who does not take dnstap");
    }

    /// Returns the next payload; none after STOP, which is confirmed, or when the connection breaks.
    pub(crate) async fn payload(&mut self) -> Option<Vec<u8>> {
        let length = self.0.read_u32().await.ok()?;
        if length > 0 {
            return Some(self.octets(length).await);
        }
        let length = self.0.read_u32().await.unwrap();
        assert_eq!(self.octets(length).await, [0, 0, 0, 3], "STOP");
        self.0.write_all(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5]).await.unwrap();
        None
    }

    /// Returns a control frame's type and content type.
    async fn control(&mut self) -> (u32, Vec<u8>) {
        assert_eq!(self.0.read_u32().await.unwrap(), 0, "no control frame");
        let length = self.0.read_u32().await.unwrap();
        let body = self.octets(length).await;
        let word = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        assert_eq!((word(4), usize::try_from(word(8)).unwrap()), (1, body.len() - 12));
        (word(0), body[12..].to_vec())
    }

    async fn say(&mut self, kind: u32, content_type: &[u8]) {
        let length = u32::try_from(content_type.len()).unwrap();
        let words = [0, 12 + length, kind, 1, length];
        let mut frame: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        frame.extend(content_type);
        self.0.write_all(&frame).await.unwrap();
    }

    async fn octets(&mut self, length: u32) -> Vec<u8> {
        let mut octets = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut octets).await.unwrap();
        octets
    }
}
