//! Answers from the model to octets, without the way through the plugins.
//!
//! Most questions to a cluster's name server are plain: the addresses of a Service, the name of an address, or a name
//! that a search list made and that does not exist. The plugin that owns the name's zone answers them straight from the
//! newest snapshot:
//!
//! ```text
//! messages ─▶ PlainQuestion ─▶ Zones: whose? ─▶ Plugin::answer_directly ─▶ replies
//!               ▼ anything unusual  ▼ nobody's       ▼ not plain
//!            the table of repeated replies, then the plugins
//! ```
//!
//! Messages that came in together are read, and then answered, together: an owner looks everything up that all of them
//! need before it writes the first reply.
//!
//! The plugins before the owner have to let every name of its zone pass, in the same way; what each has to do for a
//! reply is learnt from the first one like it that they see, as for replies that are repeated ([`crate::repeat`]). The
//! replies are those of the plugins, octet for octet, which a property test holds.

mod draft;
mod effects;
mod question;
mod read_ahead;
mod uncounted;
mod words;
mod writer;
mod zones;

pub use draft::Draft;
pub use question::PlainQuestion;
pub(crate) use question::octets_of;
pub(crate) use read_ahead::ReadAhead;
pub(crate) use uncounted::Uncounted;
pub use writer::Writer;
pub(crate) use zones::{Lacking, Zones};

/// How many messages are read and answered together, and counted, at most.
pub(crate) const TOGETHER: usize = 16;

/// What a direct answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// Here are records.
    Records,
    /// The name has none of the type.
    NoData,
    /// The name does not exist.
    NameError,
}
