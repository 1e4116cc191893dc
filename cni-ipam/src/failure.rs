//! Why a call fails, and the CNI error code of each reason.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni::{Code, Error, FieldError};

/// The requested address is held by another attachment.
pub const TAKEN: Code = Code(100);
/// The store cannot be read, and guessing might give an address out twice.
pub const DAMAGED: Code = Code(101);
/// The store was written by a newer version.
pub const NEWER: Code = Code(102);
/// The attachment holds something else than what is asked for.
pub const CONFLICT: Code = Code(103);
/// CHECK: the store does not have what the container is said to have.
pub const DIFFERS: Code = Code(104);

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A value of the configuration is invalid.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The protocol's own checks refuse the call.
    #[error(transparent)]
    Protocol(#[from] Error),
    /// The configuration can be read, and does not make sense.
    #[error("{problem}: {remedy}")]
    Config {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// `CNI_ARGS` has a value that cannot be used.
    #[error("CNI_ARGS: {0}")]
    Arguments(String),
    /// Another process has held the store for too long.
    #[error("the store {} is in use for more than {} ms", .path.display(), .waited.as_millis())]
    Busy {
        /// The store's directory.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// No address is left.
    #[error("no free address in {pool}: {why}")]
    Exhausted {
        /// The ranges that were asked.
        pool: String,
        /// What holds their addresses, in numbers.
        why: String,
    },
    /// A requested address belongs to another attachment.
    #[error("{address} is held by {holder}")]
    Taken {
        /// The address.
        address: IpAddr,
        /// The container and interface that have it.
        holder: String,
    },
    /// A requested address cannot be given out by these ranges.
    #[error("the requested address {address} is in no range: {ranges}")]
    NotInRanges {
        /// The address.
        address: IpAddr,
        /// What there is.
        ranges: String,
    },
    /// The attachment holds something that the call contradicts.
    #[error("{0}")]
    Conflict(String),
    /// The store does not have what CHECK expects.
    #[error("{0}")]
    Differs(String),
    /// The store is damaged beyond what its copies can mend.
    #[error("the store {} is damaged: {problem}", .path.display())]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What cannot be read.
        problem: String,
    },
    /// The store has a format that this version does not know.
    #[error("the store {} has format {found}; this version reads up to {known}", .path.display())]
    Newer {
        /// The store's directory.
        path: PathBuf,
        /// The format of the store.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Some of many things failed; at least one.
    #[error("{} of the addresses could not be freed: {}", .0.len(), first_of(.0))]
    Several(Vec<Failure>),
    /// STATUS: an ADD would fail, for this reason.
    #[error("no address can be given out: {0}")]
    NotAvailable(Box<Failure>),
}

impl Failure {
    /// Makes a failure of a file.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Makes a failure of the configuration.
    pub fn config(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Config { problem: problem.into(), remedy: remedy.into() }
    }

    /// Returns the CNI error code.
    pub fn code(&self) -> Code {
        match self {
            Self::Field(_) | Self::Config { .. } | Self::NotInRanges { .. } => Code::INVALID_CONFIG,
            Self::Protocol(error) => error.code,
            Self::Arguments(_) => Code::INVALID_ENVIRONMENT,
            Self::Busy { .. } | Self::Exhausted { .. } => Code::TRY_AGAIN_LATER,
            Self::Taken { .. } => TAKEN,
            Self::Conflict(_) => CONFLICT,
            Self::Differs(_) => DIFFERS,
            Self::Damaged { .. } => DAMAGED,
            Self::Newer { .. } => NEWER,
            Self::Io { .. } => Code::IO,
            Self::NotAvailable(_) => Code::NOT_AVAILABLE,
            Self::Several(failures) => failures.first().map_or(Code::INTERNAL, Self::code),
        }
    }

    /// Returns what to do about it; empty when the message says it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Field(error) => error.problem.clone(),
            Self::Protocol(error) => error.details.clone(),
            Self::Config { remedy, .. } => remedy.clone(),
            Self::Arguments(_) => "IP is an address such as 10.0.0.5, with or without a prefix length".into(),
            Self::Busy { .. } => {
                "the runtime should try again; if it stays so, `fuser -v` of the file lock in it names who holds it".into()
            }
            Self::Exhausted { .. } => {
                "delete containers or add a range; `portolan ipam list` shows who holds addresses, `portolan ipam gc` \
                 frees those of dead containers"
                    .into()
            }
            Self::Taken { address, .. } => {
                format!("ask for another address, or see `portolan explain ip {address}`")
            }
            Self::NotInRanges { .. } => {
                "ask for an address of a range that is neither its gateway nor excluded, once for each range set".into()
            }
            Self::Conflict(_) => "send DEL for the attachment, then ADD again".into(),
            Self::Differs(_) => "the container's address is not safe; recreate the container".into(),
            Self::Damaged { path, .. } => format!(
                "nothing was changed; `portolan ipam verify` lists what is wrong; with no container running, remove {}",
                path.display()
            ),
            Self::Newer { .. } => "nothing was changed; install the newer version again".into(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => "free space on this file system".into(),
                io::ErrorKind::PermissionDenied => "run as the user that the container runtime runs as".into(),
                io::ErrorKind::NotFound => "make it, or correct the path in the configuration".into(),
                _ => "see the system's reason; nothing was given out".into(),
            },
            Self::NotAvailable(reason) => reason.remedy(),
            Self::Several(failures) => failures.first().map(Self::remedy).unwrap_or_default(),
        }
    }
}

/// Shows failures, as many as a person reads.
fn first_of(failures: &[Failure]) -> String {
    let shown: Vec<String> = failures.iter().take(5).map(ToString::to_string).collect();
    let more = if failures.len() > shown.len() { "; …" } else { "" };
    format!("{}{more}", shown.join("; "))
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Protocol(error) => error,
            Failure::Field(error) => error.into(),
            Failure::Config { problem, remedy } => {
                Self::new(Code::INVALID_CONFIG, problem).with_details(remedy)
            }
            other => Self::new(other.code(), other.to_string()).with_details(other.remedy()),
        }
    }
}
