//! From a queue to a link, many messages with one write.

use std::io;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};

use super::link::Link;
use super::{Drops, Payload};
use crate::plugin::dnstap::frame_stream::push_data;

/// The most messages of one write.
const MOST_AT_ONCE: usize = 256;

/// Why no more is written to a link.
pub(super) enum End {
    /// The plugin is gone, and the receiver has everything.
    Finished,
    /// The connection failed.
    Lost(io::Error),
}

/// Writes what comes into the queue. What was being written when the connection fails counts as dropped.
pub(super) async fn write_queue(
    mut link: Link,
    queue: &mut mpsc::Receiver<Payload>,
    drops: &Drops,
) -> End {
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let received = tokio::select! {
            biased;
            error = link.ended() => return End::Lost(error),
            received = queue.recv_many(&mut batch, MOST_AT_ONCE) => received,
        };
        if received == 0 {
            // A receiver that does not confirm the end has been told.
            let _ = link.finish().await;
            return End::Finished;
        }
        if let Err(error) = write(&mut link, &batch, drops).await {
            return End::Lost(error);
        }
    }
}

/// Writes what is broadcast, as long as the receiver keeps up.
pub(super) async fn write_broadcast(
    mut link: Link,
    mut queue: broadcast::Receiver<Payload>,
    drops: &Drops,
) -> End {
    loop {
        let received = tokio::select! {
            biased;
            error = link.ended() => return End::Lost(error),
            received = queue.recv() => received,
        };
        let mut batch = Vec::new();
        let mut next = received.map_err(Some);
        let end = loop {
            match next {
                Ok(payload) => batch.push(payload),
                Err(end) => break end,
            }
            if batch.len() == MOST_AT_ONCE {
                break None;
            }
            next = queue.try_recv().map_err(|error| match error {
                TryRecvError::Empty => None,
                TryRecvError::Closed => Some(RecvError::Closed),
                TryRecvError::Lagged(missed) => Some(RecvError::Lagged(missed)),
            });
        };
        if let Err(error) = write(&mut link, &batch, drops).await {
            return End::Lost(error);
        }
        match end {
            None => {}
            Some(RecvError::Closed) => {
                let _ = link.finish().await;
                return End::Finished;
            }
            Some(RecvError::Lagged(missed)) => {
                drops.add(missed);
                return End::Lost(io::Error::other("the receiver is too slow"));
            }
        }
    }
}

async fn write(link: &mut Link, batch: &[Payload], drops: &Drops) -> io::Result<()> {
    let mut frames = Vec::with_capacity(batch.iter().map(|payload| payload.len() + 4).sum());
    batch.iter().for_each(|payload| push_data(&mut frames, payload));
    let written = link.write(&frames).await;
    if written.is_err() {
        drops.add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
    }
    written
}
