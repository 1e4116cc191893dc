//! The connections to an upstream that nobody uses at the moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::tcp::Connection;
use crate::plugin::forward::config::IdleConfig;

/// The least time between two looks for expired connections.
const MIN_SWEEP: Duration = Duration::from_millis(100);

/// Keeps connections for later queries.
#[derive(Debug)]
pub(super) struct Idle {
    config: IdleConfig,
    kept: Mutex<Kept>,
}

#[derive(Default, Debug)]
struct Kept {
    /// The one used last stands last and is taken first, so that those not needed expire.
    connections: Vec<Connection>,
    is_swept: bool,
}

impl Idle {
    pub(super) fn new(config: IdleConfig) -> Self {
        Self { config, kept: Mutex::default() }
    }

    /// Takes a connection that can still be used; none when a new one has to be made.
    pub(super) fn take(&self, now: Instant) -> Option<Connection> {
        let mut kept = self.lock();
        while let Some(mut connection) = kept.connections.pop() {
            if self.is_fresh(&connection, now) && connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for later, or closes it when there are enough.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection) {
        let is_full = |kept: &Kept| {
            let max = self.config.max_connections;
            max.is_some_and(|max| kept.connections.len() as u64 >= u64::from(max.get()))
        };
        let mut kept = self.lock();
        if is_full(&kept) || !self.is_fresh(&connection, Instant::now()) {
            return;
        }
        kept.connections.push(connection);
        if !kept.is_swept {
            kept.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.config.expire.max(MIN_SWEEP)));
        }
    }

    /// Closes every connection.
    pub(super) fn clear(&self) {
        self.lock().connections.clear();
    }

    /// Closes the connections that nobody may use any more; says whether some are left to look after.
    fn expire(&self, now: Instant) -> bool {
        let mut kept = self.lock();
        kept.connections.retain(|connection| self.is_fresh(connection, now));
        kept.is_swept = !kept.connections.is_empty();
        kept.is_swept
    }

    fn is_fresh(&self, connection: &Connection, now: Instant) -> bool {
        self.config.is_fresh((connection.made, connection.used), now)
    }

    /// What the lock guards is whole at every moment, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes expired connections when nobody asks any more, until there are none.
async fn sweep(idle: Weak<Idle>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.expire(Instant::now()) {
            return;
        }
    }
}
