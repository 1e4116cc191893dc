//! The watches open now, and the pump that carries each one's events under orders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::watch;

use super::{EventFault, Faults};
use crate::body::{self, Body, BodySender};
use crate::front::connection::Connection;

/// Sent in place of an event: an object cut short, then bytes that are not UTF-8.
const GARBAGE: &[u8] = b"{\"type\":\"ADDED\",\"object\":\xff\xfe\n";

/// What a watch is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Pass events on.
    Deliver,
    /// Stay open and pass nothing on.
    Stall,
    /// End the body.
    End,
    /// Reset the connection.
    Reset,
}

/// The open watches, by number, with the resource each one follows.
#[derive(Clone, Debug)]
pub struct Watches {
    open: Arc<Mutex<Open>>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    orders: BTreeMap<u64, (String, watch::Sender<Order>)>,
}

impl Default for Watches {
    fn default() -> Self {
        Self { open: Arc::default(), count: watch::Sender::new(0) }
    }
}

impl Watches {
    /// Gives an order to all watches of a resource or to all; returns how many there are.
    pub fn order(&self, resource: Option<&str>, order: Order) -> usize {
        let open = self.lock();
        let mut count = 0;
        for (of, orders) in open.orders.values() {
            if resource.is_none_or(|only| only == of) {
                orders.send_replace(order);
                count += 1;
            }
        }
        count
    }

    /// Returns how many watches are open.
    pub fn open(&self) -> usize {
        self.lock().orders.len()
    }

    /// Waits until a number of watches is open.
    pub async fn wait_for(&self, count: usize) {
        let mut counts = self.count.subscribe();
        // The sender is a field of self, so waiting cannot fail.
        let _ = counts.wait_for(|open| *open == count).await;
    }

    fn enter(&self, resource: &str) -> (Ticket, watch::Receiver<Order>) {
        let mut open = self.lock();
        let (sender, orders) = watch::channel(Order::Deliver);
        let number = open.next;
        open.next += 1;
        open.orders.insert(number, (resource.to_owned(), sender));
        self.count.send_replace(open.orders.len());
        let watches = self.clone();
        (Ticket { watches, number }, orders)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a watch among the open ones while it lasts.
struct Ticket {
    watches: Watches,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.watches.lock();
        open.orders.remove(&self.number);
        self.watches.count.send_replace(open.orders.len());
    }
}

/// Returns a body that carries the events of another one under orders.
pub fn under_orders(
    faults: &Faults,
    resource: &str,
    inner: Body,
    connection: Option<Connection>,
) -> Body {
    let (out, body) = body::channel();
    let (ticket, orders) = faults.watches.enter(resource);
    let pump =
        Pump { faults: faults.clone(), resource: resource.to_owned(), out, orders, connection };
    tokio::spawn(async move {
        pump.run(inner).await;
        drop(ticket);
    });
    body
}

struct Pump {
    faults: Faults,
    resource: String,
    out: BodySender,
    orders: watch::Receiver<Order>,
    connection: Option<Connection>,
}

impl Pump {
    async fn run(mut self, mut inner: Body) {
        loop {
            let order = *self.orders.borrow_and_update();
            match order {
                Order::End => return,
                Order::Reset => return self.reset().await,
                Order::Stall | Order::Deliver => {}
            }
            tokio::select! {
                // Orders first: once a test has given one, no further event slips through.
                biased;
                _ = self.orders.changed() => {}
                () = self.out.closed() => return,
                frame = inner.frame(), if order == Order::Deliver => {
                    let Some(frame) = frame else { return };
                    let data = frame.map(|frame| frame.into_data().unwrap_or_default());
                    if !self.deliver(data).await {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what came, or what a fault makes of it; returns whether the stream goes on.
    async fn deliver(&self, data: Result<Bytes, body::BodyError>) -> bool {
        let (data, goes_on) = match data {
            Ok(data) => match self.faults.take_event_fault(&self.resource) {
                None => (Ok(data), true),
                Some(EventFault::Half) => (Ok(data.slice(..data.len() / 2)), false),
                Some(EventFault::Garbage) => (Ok(Bytes::from_static(GARBAGE)), true),
            },
            Err(error) => (Err(error), false),
        };
        if let Ok(data) = &data
            && goes_on
            && self.faults.are_duplicated(&self.resource)
            && self.out.send(Ok(data.clone())).await.is_err()
        {
            return false;
        }
        self.out.send(data).await.is_ok() && goes_on
    }

    async fn reset(self) {
        match &self.connection {
            Some(connection) => connection.reset(),
            None => drop(self.out.send(Err("the watch is reset".into())).await),
        }
        // The body must not end cleanly before the connection is gone.
        self.out.closed().await;
    }
}
