//! Carries the messages of `dnstap` to their receivers: a bounded queue, and tasks that write what is in it.

mod drops;
mod link;
mod listener;
mod outgoing;
mod tls;
mod writer;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::{broadcast, mpsc, watch};

use self::drops::Drops;
use self::listener::Listener;
use self::outgoing::Outgoing;
use crate::plugin::dnstap::{Endpoint, Role};

/// How many messages wait for each receiver that connected to a listener. What exceeds it ends the connection.
const SINK_QUEUE: usize = 4096;

/// How long connecting, agreeing with a receiver and each write may take; CoreDNS's limit.
const TIMEOUT: Duration = Duration::from_secs(4);

/// A payload of a frame.
type Payload = Arc<[u8]>;

/// The queue of one `dnstap`. Dropping it ends its tasks once the receivers have what was in the queue.
#[derive(Debug)]
pub(crate) struct Tap {
    queue: Queue,
    drops: Arc<Drops>,
    /// Tells the tasks, which hold receivers, that the plugin is gone.
    _gone: watch::Sender<()>,
}

#[derive(Debug)]
enum Queue {
    /// To the receiver that this server connects to.
    One(mpsc::Sender<Payload>),
    /// To every receiver that is connected.
    Each(broadcast::Sender<Payload>),
}

impl Tap {
    /// Starts the tasks for an endpoint. That nobody is there is no error: it is tried again and again.
    ///
    /// # Errors
    /// TLS cannot be had.
    pub(crate) fn start(
        endpoint: &Endpoint,
        role: &Role,
        dropped: IntCounter,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (gone_sender, gone) = watch::channel(());
        let drops = Arc::new(Drops::new(dropped));
        tokio::spawn(drops::report(Arc::clone(&drops), endpoint.to_string(), gone.clone()));
        let queue = match role {
            Role::Connect { queue, write_buffer, skip_verify } => {
                let (sender, receiver) = mpsc::channel(*queue);
                let tls = match endpoint {
                    Endpoint::Tls(host) => Some(tls::client(host, *skip_verify)?),
                    Endpoint::Unix(_) | Endpoint::Tcp(_) => None,
                };
                let (endpoint, drops) = (endpoint.clone(), Arc::clone(&drops));
                let outgoing = Outgoing { endpoint, tls, write_buffer: *write_buffer, drops };
                tokio::spawn(outgoing.run(receiver, gone));
                Queue::One(sender)
            }
            Role::Listen { tls } => {
                let (sender, _) = broadcast::channel(SINK_QUEUE);
                let listener = Listener {
                    endpoint: endpoint.clone(),
                    tls: tls.clone().map(Into::into),
                    messages: sender.downgrade(),
                    drops: Arc::clone(&drops),
                };
                tokio::spawn(listener.run(gone));
                Queue::Each(sender)
            }
        };
        Ok(Self { queue, drops, _gone: gone_sender })
    }

    /// Says whether a message has a chance to be received.
    pub(crate) fn is_wanted(&self) -> bool {
        match &self.queue {
            Queue::One(_) => true,
            Queue::Each(queue) => queue.receiver_count() > 0,
        }
    }

    /// Gives a payload away. Never waits: it is dropped when the queue is full.
    pub(crate) fn send(&self, payload: Vec<u8>) {
        match &self.queue {
            Queue::One(queue) => {
                if queue.try_send(payload.into()).is_err() {
                    self.drops.add(1);
                }
            }
            // Without a receiver there is nobody who misses it.
            Queue::Each(queue) => _ = queue.send(payload.into()),
        }
    }
}

#[cfg(test)]
pub(crate) mod fake_receiver;
#[cfg(test)]
mod tests;
