//! Transactions: messages between a begin and an end, which the kernel carries out all at once or not at all
//! (`nfnetlink_rcv_batch` in `net/netfilter/nfnetlink.c`).

use nft::{Adds, Message, Ownership, Transaction};

use crate::frame::{self, Answer};
use crate::socket::NetfilterSocket;
use crate::{Error, Refusal};

/// The subsystem of nftables (`NFNL_SUBSYS_NFTABLES`).
pub(crate) const NFTABLES: u16 = 10;

/// The first and the last message of a transaction (`NFNL_MSG_BATCH_BEGIN`, `_END`).
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;

/// The error number of a socket that had no room for all answers.
const ENOBUFS: i32 = 105;

/// The header of nfnetlink of both: no family, version 0, and the subsystem in network order.
const NO_FAMILY: [u8; 4] = [0, 0, 0, 10];

/// The room that a datagram takes besides its octets, in the accounting of a socket's buffer.
const OVERHEAD: usize = 64 * 1024;

/// The room that the answer to one message takes in it; 832 octets without a text.
const ANSWER: usize = 1024;

/// The most room for answers that is asked for: that of some thousand.
const MOST_ANSWERS: usize = 8 * 1024 * 1024;

/// Carries a transaction out, and returns the number of its messages. What packets are led to is made first, in a
/// transaction of its own.
///
/// # Errors
/// The kernel refused a change: then what packets meet has not changed, and the first refused change is named. The
/// transaction is larger than the socket's buffer may be (EMSGSIZE; 208 KiB without privileges on the host).
pub(crate) fn commit(
    socket: &mut NetfilterSocket,
    transaction: &Transaction,
    ownership: Ownership,
) -> Result<usize, Error> {
    let made_first = transaction.made_first();
    let messages = transaction.messages(ownership).into_iter();
    let (first, others): (Vec<_>, Vec<_>) =
        messages.partition(|message| made_first.contains(&message.change));
    Ok(commit_at_once(socket, transaction, &first)? + commit_at_once(socket, transaction, &others)?)
}

/// Carries messages of a transaction out, all or none of them.
fn commit_at_once(
    socket: &mut NetfilterSocket,
    transaction: &Transaction,
    messages: &[Message],
) -> Result<usize, Error> {
    if messages.is_empty() {
        return Ok(0);
    }
    let begin = socket.next_sequence();
    let mut octets = Vec::new();
    frame::write(&mut octets, BEGIN, frame::REQUEST, begin, &NO_FAMILY);
    for (place, message) in messages.iter().enumerate() {
        // Errors come in any case; that the last message was carried out says that all were.
        let ack = if place + 1 == messages.len() { frame::ACK } else { 0 };
        let flags = frame::REQUEST | ack | flags(message);
        let kind = NFTABLES << 8 | u16::from(message.kind);
        frame::write(&mut octets, kind, flags, socket.next_sequence(), &message.body);
    }
    let end = socket.next_sequence();
    frame::write(&mut octets, END, frame::REQUEST, end, &NO_FAMILY);
    socket.grow_send_buffer(octets.len() + OVERHEAD);
    // Of a transaction that is refused, each message may have an answer: where the table is not there, each has.
    socket.grow_receive_buffer((messages.len() * ANSWER + OVERHEAD).min(MOST_ANSWERS));
    socket.send(&octets)?;
    read_outcome(socket, transaction, messages, begin)
}

fn flags(message: &Message) -> u16 {
    match message.adds {
        Adds::Nothing => 0,
        Adds::Object => frame::CREATE,
        Adds::AtTheEnd => frame::CREATE | frame::APPEND,
    }
}

/// Reads the answers, all of which are there. Those to requests before this transaction are passed over.
///
/// Where not all had room, the kernel says so before it gives those that had (`netlink_overrun`): the first ones, so that
/// the first refusal is among them. All are read in any case, so that the next request finds none but its own.
fn read_outcome(
    socket: &mut NetfilterSocket,
    transaction: &Transaction,
    messages: &[Message],
    begin: u32,
) -> Result<usize, Error> {
    let mut is_acknowledged = false;
    let mut refusal: Option<Refusal> = None;
    loop {
        let frames = match socket.receive() {
            Ok(Some(frames)) => frames,
            Ok(None) => break,
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => continue,
            Err(error) => return Err(Error::socket("cannot receive from nfnetlink")(error)),
        };
        for frame in frames {
            let place = usize::try_from(frame.sequence.wrapping_sub(begin)).unwrap_or(usize::MAX);
            if place > messages.len() {
                continue;
            }
            match frame.answer() {
                Answer::Acknowledged => is_acknowledged |= place == messages.len(),
                Answer::Refused(source, message) => {
                    let change = place.checked_sub(1).map(|place| messages[place].change);
                    // What refuses the whole comes first, and says less than what refuses a change.
                    if refusal.as_ref().is_none_or(|refusal| refusal.change.is_none()) {
                        let what = describe(transaction, change);
                        refusal = Some(Refusal { what, source, message, change });
                    }
                }
                Answer::Part(_) | Answer::Done => {}
            }
        }
    }
    match refusal {
        Some(refusal) => Err(refusal.into()),
        None if is_acknowledged => Ok(messages.len()),
        None => Err(Error::Answer(describe(transaction, None))),
    }
}

/// Returns the words for a change, cut to what a log line can hold.
fn describe(transaction: &Transaction, change: Option<usize>) -> String {
    const MOST: usize = 300;
    let command = change.and_then(|place| transaction.command(place));
    let Some(command) = command else {
        return format!("change table inet {}", transaction.table);
    };
    let mut text = command.to_string();
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}
