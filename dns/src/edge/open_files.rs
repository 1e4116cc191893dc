//! How many files and sockets the process may have open.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, as Go's runtime does for CoreDNS, and returns it.
///
/// The soft limit is 1024 where nobody asks for more, for the sake of programs that call `select`. Every TCP
/// client and every question to an upstream takes a socket; the server's own limits keep their number bounded.
///
/// # Errors
/// The kernel refuses; the limit is what it was.
pub fn raise_limit() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}
