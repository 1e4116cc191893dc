//! Messages that came in together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::Guard;

use super::{Keep, Received, Responder, may_keep};
use crate::Engine;
use crate::direct::{ReadAhead, Uncounted};
use crate::engine::ListenerId;
use crate::repeat::{Key, Repeated};
use crate::wire::Arrival;

/// Messages of a listener that came in together. They are answered with one engine, which is in use as long as this is;
/// what is answered directly is counted when this is dropped, before the replies are sent.
pub(in crate::edge::server) struct Together<'t> {
    responder: &'t Responder,
    engine: Guard<Arc<Engine>>,
    listener: ListenerId,
    ahead: &'t [ReadAhead],
    uncounted: Uncounted,
    may_keep: bool,
}

impl Responder {
    /// Reads messages that came in together at `start`, one for each place in `ahead`, and writes the replies to those that
    /// are answered directly, each into the place that comes with its message.
    pub(in crate::edge::server) fn together<'t, 'm>(
        &'t self,
        listener: ListenerId,
        messages: impl Iterator<Item = (&'m [u8], &'m mut Vec<u8>)>,
        ahead: &'t mut [ReadAhead],
        start: Instant,
    ) -> Together<'t> {
        let engine = self.engine.load();
        let may_keep = may_keep(&engine);
        if may_keep {
            let writing = AssertUnwindSafe(|| engine.write_directly(listener, messages, ahead));
            if std::panic::catch_unwind(writing).is_err() {
                self.metrics.panics.inc();
                tracing::error!("questions made the server panic; please report it");
                ahead.iter_mut().for_each(ReadAhead::clear);
            }
        }
        let uncounted = Uncounted::new(start);
        Together { responder: self, engine, listener, ahead, uncounted, may_keep }
    }

    /// Reads a message that came in alone, as [`Together::receive`] does.
    pub(in crate::edge::server) fn receive(
        &self,
        listener: ListenerId,
        message: &[u8],
        arrival: Arrival,
        start: Instant,
        reply: &mut Vec<u8>,
    ) -> Received {
        let mut ahead = ReadAhead::default();
        let (messages, ahead) =
            (std::iter::once((message, &mut *reply)), std::slice::from_mut(&mut ahead));
        self.together(listener, messages, ahead, start).receive(0, message, arrival, reply)
    }
}

impl Together<'_> {
    /// Reads a message, by its number, unless it has been answered directly or was answered before and the answer still
    /// holds: then `reply`, which came with the message, has it. A panic on the way is counted and becomes a SERVFAIL,
    /// so that one bad question harms no other.
    pub(in crate::edge::server) fn receive(
        &mut self,
        number: usize,
        message: &[u8],
        arrival: Arrival,
        reply: &mut Vec<u8>,
    ) -> Received {
        let received = AssertUnwindSafe(|| self.answer_or_read(number, message, arrival, reply));
        std::panic::catch_unwind(received).unwrap_or_else(|_| {
            let id = message.first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
            Received::Reply(self.responder.panicked(id, None, arrival.client))
        })
    }

    fn answer_or_read(
        &mut self,
        number: usize,
        message: &[u8],
        arrival: Arrival,
        reply: &mut Vec<u8>,
    ) -> Received {
        let Self { responder, engine, listener, ahead, uncounted, may_keep } = self;
        let start = uncounted.start();
        responder.samples.see(message, arrival.client.ip(), start);
        let mut lacking = None;
        if let Some(ahead) = ahead.get(number).filter(|_| *may_keep) {
            match engine.give_directly(*listener, message, ahead, arrival, uncounted, reply) {
                Ok(true) => return Received::Written,
                Ok(false) => {}
                Err(lacks) => lacking = Some(lacks),
            }
        }
        let Arrival { protocol, client, .. } = arrival;
        let class = engine.client_class(client.ip().to_canonical());
        let key = Key { listener: *listener, protocol, is_ipv6: client.is_ipv6(), class };
        let age = responder.kept.age();
        let again = match responder.kept.repeat(key, message, start, reply) {
            Repeated::Reply => return Received::Written,
            Repeated::Again => true,
            Repeated::New => false,
        };
        let keep = again.then(|| Keep { key, message: message.to_vec(), age });
        responder.read(message, arrival, start, keep, lacking)
    }
}

impl Drop for Together<'_> {
    fn drop(&mut self) {
        let Self { responder, engine, listener, uncounted, .. } = self;
        let counting = AssertUnwindSafe(|| engine.count(*listener, uncounted));
        if std::panic::catch_unwind(counting).is_err() {
            responder.metrics.panics.inc();
            tracing::error!("counting made the server panic; please report it");
        }
    }
}
