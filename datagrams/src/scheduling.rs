//! How soon a thread that was woken runs.

use std::io;
use std::time::Duration;

use libc::{SCHED_BATCH, SCHED_OTHER};

use crate::system;

/// Asks the kernel to give the calling thread the processor for `slice` at a time, 100 µs to 100 ms, instead of some
/// milliseconds.
///
/// The share of the processor stays the same. But who asks for little at a time gets it sooner: Linux has since 6.12 a
/// thread that wakes up with a shorter slice go before one that is running (EEVDF, `sched_setattr(2)`), so that a datagram
/// does not wait until the one at work is done. Earlier kernels take no notice. Threads with a real-time policy are left
/// as they are: they go first in any case.
///
/// # Errors
/// The kernel, or a seccomp filter, refuses.
pub fn ask_for_slice(slice: Duration) -> io::Result<()> {
    let mut attributes = system::scheduling()?;
    let policy = i32::try_from(attributes.sched_policy).unwrap_or(-1);
    if policy != SCHED_OTHER && policy != SCHED_BATCH {
        return Ok(());
    }
    attributes.sched_runtime = u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX);
    system::schedule(attributes)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use nix::sys::utsname::uname;

    use super::ask_for_slice;
    use crate::system;

    /// Whether the kernel has slices of threads, 6.12 and later.
    fn has_slices() -> bool {
        let release = uname().unwrap().release().to_string_lossy().into_owned();
        let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        (numbers.next(), numbers.next()) >= (Some(6), Some(12))
    }

    #[test]
    fn a_thread_gets_its_slice_and_keeps_the_rest() {
        thread::spawn(|| {
            let mut before = system::scheduling().unwrap();
            before.sched_nice = 3;
            system::schedule(before).unwrap();
            ask_for_slice(Duration::from_micros(200)).unwrap();
            let after = system::scheduling().unwrap();
            assert_eq!((after.sched_nice, after.sched_policy), (3, before.sched_policy));
            if has_slices() {
                assert_eq!(after.sched_runtime, 200_000);
            }
        })
        .join()
        .unwrap();
    }
}
