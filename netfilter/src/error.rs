//! What goes wrong between this crate and the kernel.

use std::io;

/// An error of nfnetlink.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    Socket {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel refused a request, or a whole transaction because of one change of it.
    #[error("the kernel refused to {}: {}{}", .0.what, .0.source, explain(.0))]
    Refused(Box<Refusal>),
    /// The kernel did not answer in a form that it should.
    #[error("the kernel gave no whole answer when asked to {0}")]
    Answer(String),
}

/// What the kernel refused.
#[derive(Debug)]
pub struct Refusal {
    /// The request, or the change of a transaction, as the words that `nft` has for it.
    pub what: String,
    /// The error number.
    pub source: io::Error,
    /// What the kernel says besides, if anything.
    pub message: Option<String>,
    /// The place of the change in its transaction; none when the kernel named no change.
    pub change: Option<usize>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Error {
    pub(crate) fn socket(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Socket { what, source }
    }

    /// Returns the error number that the kernel refused a request with.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(refusal) => refusal.source.raw_os_error(),
            Self::Socket { source, .. } => source.raw_os_error(),
            Self::Answer(_) => None,
        }
    }
}

/// Returns the kernel's own words and what may be done.
fn explain(refusal: &Refusal) -> String {
    let said = refusal.message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default();
    let advice = match refusal.source.kind() {
        io::ErrorKind::PermissionDenied => {
            "; CAP_NET_ADMIN is needed, and no other process may own the table"
        }
        _ => "",
    };
    said + advice
}
