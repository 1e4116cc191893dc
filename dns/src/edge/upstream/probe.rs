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

    /// Probes an upstream that has just failed to answer a query, unless that happens already. It ends when the
    /// upstream has answered, a probe or a query, or when the configuration has it no more.
    pub(crate) fn probe(&self, upstream: &Arc<Upstream>) {
        if upstream.health.begins_probing() {
            tokio::spawn(self.clone().run(Arc::downgrade(upstream)));
        }
    }

    /// The log tells when the upstream becomes unhealthy and when it is so no more, not of each slow name.
    async fn run(self, upstream: Weak<Upstream>) {
        let (mut failed, mut is_told) = (0_u32, false);
        while let Some(upstream) = upstream.upgrade() {
            let shown = &upstream.shown;
            let Err(reason) = self.ask(&upstream, failed).await else {
                upstream.health.end_probing();
                if is_told {
                    tracing::info!(upstream = %shown, "upstream answers again");
                }
                return;
            };
            if upstream.health.probe_failed() {
                tracing::warn!(upstream = %shown, %reason, "upstream does not answer, probing it");
                is_told = true;
            }
            upstream.metrics.probe_failed();
            failed = failed.saturating_add(1);
            drop(upstream);
            tokio::time::sleep(probe_delay(self.interval, failed, rand::random())).await;
        }
    }

    /// Asks, unless a query has been answered since probes failed. Any valid reply will do: also a server that refuses
    /// the root is alive.
    async fn ask(&self, upstream: &Upstream, failed: u32) -> Result<(), ExchangeError> {
        if failed > 0 && upstream.health.has_answered() {
            return Ok(());
        }
        let deadline = Instant::now() + TIMEOUT;
        upstream.exchange(&self.request, self.protocol, TIMEOUT, deadline).await?;
        upstream.health.succeeded();
        Ok(())
    }
}
