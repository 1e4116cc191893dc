//! The system calls.
//!
//! Every header that the kernel gets is made for one call, on the stack, from memory that is borrowed for as long: no
//! pointer outlives what it points at.

#![expect(unsafe_code, reason = "these system calls take pointers")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;

use libc::{c_long, c_uint, c_void, iovec, mmsghdr, msghdr, sched_attr, socklen_t};

use crate::BATCH;
use crate::address::Address;
use crate::batch::{Header, Wait, buffers};
use crate::control::{CONTROL, Control};

/// Receives into `messages`, buffer by buffer, and writes what the kernel says into `headers`.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    wait: Wait,
    headers: &mut [Header; BATCH],
    messages: &mut [u8],
) -> io::Result<usize> {
    let (mut parts, mut calls) = (empty_parts(), empty_calls());
    let places = calls.iter_mut().zip(&mut parts).zip(headers.iter_mut()).zip(buffers(messages));
    for (((call, part), header), buffer) in places {
        *part = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let (from, control) = (&mut header.from.octets, &mut header.control.octets);
        call.msg_hdr = message(
            (from.as_mut_ptr().cast(), from.len()),
            part,
            (control.as_mut_ptr().cast(), CONTROL),
        );
    }
    let flags = match wait {
        Wait::ForOne => libc::MSG_WAITFORONE,
        Wait::No => libc::MSG_DONTWAIT,
    };
    let most = c_uint::try_from(calls.len()).unwrap_or(0);
    // SAFETY: each header names an address, a part and control data of its own, and their sizes; they live until the
    // end of this function, and nothing else reads or writes them during the call.
    let received =
        unsafe { libc::recvmmsg(socket.as_raw_fd(), calls.as_mut_ptr(), most, flags, null_mut()) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (call, header) in calls.iter().zip(headers).take(received) {
        header.length = usize::try_from(call.msg_len).unwrap_or(0);
        header.control.length = call.msg_hdr.msg_controllen.min(CONTROL);
    }
    Ok(received)
}

/// Sends the reply to each of the datagrams `queued` to where it came from, from where that was sent to. `failed` learns
/// the numbers of those that cannot be sent.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    queued: &[usize],
    headers: &[Header; BATCH],
    replies: &[Vec<u8>; BATCH],
    mut failed: impl FnMut(usize, io::Error),
) {
    let (mut parts, mut calls) = (empty_parts(), empty_calls());
    let mut sources = [Control::EMPTY; BATCH];
    let places = calls.iter_mut().zip(&mut parts).zip(&mut sources).zip(queued);
    for (((call, part), source), number) in places {
        let (Header { from, control, .. }, reply) = (&headers[*number], &replies[*number]);
        *source = control.reversed();
        // The kernel reads what these point at, and writes nothing.
        *part = iovec { iov_base: reply.as_ptr().cast_mut().cast(), iov_len: reply.len() };
        call.msg_hdr = message(
            (from.octets.as_ptr().cast_mut().cast(), from.length()),
            part,
            (source.octets.as_mut_ptr().cast(), source.length),
        );
    }
    let (mut sent, mut flags) = (0, 0);
    while let Some(rest) = calls.get_mut(sent..queued.len()).filter(|rest| !rest.is_empty()) {
        let number = c_uint::try_from(rest.len()).unwrap_or(0);
        // SAFETY: each of these headers names an address, a part and control data, and their sizes; they live until
        // the end of this function, and nothing writes them during the call.
        let result =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), number, flags) };
        match usize::try_from(result) {
            Ok(more) => sent += more.max(1),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::WouldBlock {
                    // Who has waited once for the kernel to take a reply does not wait again for each of the rest.
                    flags = libc::MSG_DONTWAIT;
                }
                if error.kind() != io::ErrorKind::Interrupted {
                    failed(queued[sent], error);
                    sent += 1;
                }
            }
        }
    }
}

/// Returns how the kernel schedules the calling thread (`sched_getattr(2)`).
pub(crate) fn scheduling() -> io::Result<sched_attr> {
    let mut attributes = sched_attr {
        size: 0,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    let (pointer, size) = (&raw mut attributes, size_of::<sched_attr>());
    // SAFETY: the kernel writes at most `size` octets to the pointer, which are those of the attributes.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, CALLER, pointer, size, NO_FLAGS) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(attributes) }
}

/// Has the kernel schedule the calling thread so (`sched_setattr(2)`).
pub(crate) fn schedule(mut attributes: sched_attr) -> io::Result<()> {
    attributes.size = u32::try_from(size_of::<sched_attr>()).unwrap_or(0);
    let pointer = &raw mut attributes;
    // SAFETY: the kernel reads as many octets from the pointer as `size` says, which are those of the attributes; when it
    // knows fewer it writes that number to `size`.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, CALLER, pointer, NO_FLAGS) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The thread that calls, as a thread id.
const CALLER: c_long = 0;

/// Neither call has flags.
const NO_FLAGS: c_long = 0;

const fn empty_parts() -> [iovec; BATCH] {
    [const { iovec { iov_base: null_mut(), iov_len: 0 } }; BATCH]
}

const fn empty_calls() -> [mmsghdr; BATCH] {
    let msg_hdr = message((null_mut(), 0), null_mut(), (null_mut(), 0));
    [mmsghdr { msg_hdr, msg_len: 0 }; BATCH]
}

/// Returns the header of a message of one part.
const fn message(
    (name, name_length): (*mut c_void, usize),
    part: *mut iovec,
    (control, control_length): (*mut c_void, usize),
) -> msghdr {
    const { assert!(size_of::<Address>() <= 128, "any length of an address is a socklen_t") }
    msghdr {
        msg_name: name,
        #[expect(clippy::cast_possible_truncation, reason = "at most 128, see above")]
        msg_namelen: name_length as socklen_t,
        msg_iov: part,
        msg_iovlen: 1,
        msg_control: control,
        msg_controllen: control_length,
        msg_flags: 0,
    }
}
