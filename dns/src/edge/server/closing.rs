//! Why connections end, over whatever transport.

/// Why a connection is closed by the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// Nothing was asked for a while.
    Idle,
    /// The rest of a message, or of a TLS handshake, did not come.
    Read,
    /// Replies were not read.
    Write,
    /// Another connection got its place.
    Evicted,
    /// It has asked as many questions as it may.
    Queries,
    /// The TLS handshake failed.
    Handshake,
    /// The client broke the protocol.
    Protocol,
}

impl Closing {
    /// Returns the name as metrics spell it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Read => "read",
            Self::Write => "write",
            Self::Evicted => "evicted",
            Self::Queries => "queries",
            Self::Handshake => "handshake",
            Self::Protocol => "protocol",
        }
    }
}
