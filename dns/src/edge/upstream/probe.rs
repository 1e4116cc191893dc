//! Asks a failing upstream until it answers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{ExchangeError, Upstream};
use crate::Protocol;
use crate::plugin::forward::health::probe_delay;
use crate::plugin::forward::request::Request;

/// The longest time that one probe waits for its reply.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The question that tells whether an upstream answers, and how often it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    request: Arc<Request>,
    protocol: Protocol,
    interval: Duration,
}

impl Prober {
    pub(crate) fn new(request: Request, protocol: Protocol, interval: Duration) -> Self {
        Self { request: Arc::new(request), protocol, interval }
    }

    /// Probes an upstream that has just failed for this reason, unless that happens already. It ends when the
    /// upstream has answered, a probe or a query, or when the configuration has it no more.
    pub(crate) fn probe(&self, upstream: &Arc<Upstream>, reason: &ExchangeError) {
        if upstream.health.begins_probing() {
            let shown = &upstream.shown;
            tracing::warn!(upstream = %shown, %reason, "upstream does not answer, probing it");
            tokio::spawn(self.clone().run(Arc::downgrade(upstream)));
        }
    }

    async fn run(self, upstream: Weak<Upstream>) {
        let mut failed = 0_u32;
        loop {
            let Some(upstream) = upstream.upgrade() else { return };
            if upstream.health.ends_probing() {
                return;
            }
            if self.is_answered_by(&upstream).await {
                upstream.health.succeeded();
                tracing::info!(upstream = %upstream.shown, "upstream answers again");
                continue;
            }
            upstream.health.failed();
            upstream.metrics.probe_failed();
            failed = failed.saturating_add(1);
            drop(upstream);
            tokio::time::sleep(probe_delay(self.interval, failed, rand::random())).await;
        }
    }

    /// Any valid reply will do: also a server that refuses the root is alive.
    async fn is_answered_by(&self, upstream: &Upstream) -> bool {
        let deadline = Instant::now() + TIMEOUT;
        upstream.exchange(&self.request, self.protocol, TIMEOUT, deadline).await.is_ok()
    }
}
