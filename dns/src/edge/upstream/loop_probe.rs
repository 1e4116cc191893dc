//! Asks an upstream for names that only it learns of, to see whether they come back: what `loop` does.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Upstream;
use crate::Protocol;
use crate::corefile::Position;
use crate::plugin::forward::config::{ForwardConfig, LetterCase};
use crate::plugin::forward::request::Request;
use crate::plugin::r#loop::{Change, Finding, LoopGuard, Pause, Watch, probe_name, remedy};

/// How long a probe has to come back or to be answered.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer it has when it was answered: an upstream that asks several servers at once answers when the first
/// of them does.
const GRACE: Duration = Duration::from_millis(500);

/// Probes the upstreams of one `forward`.
#[derive(Clone, Debug)]
pub(crate) struct LoopProber {
    guard: LoopGuard,
    zone: Name,
    protocol: Protocol,
    letter_case: LetterCase,
    position: Option<Position>,
}

impl LoopProber {
    /// Returns what probes the upstreams of a directive over this transport; none when no name can come back to it.
    pub(crate) fn new(
        guard: LoopGuard,
        config: &ForwardConfig,
        protocol: Protocol,
    ) -> Option<Self> {
        let zone = guard.zone_for(config)?;
        let (letter_case, position) = (config.letter_case, config.position.clone());
        Some(Self { guard, zone, protocol, letter_case, position })
    }

    /// Probes an upstream from the time on when the server block is served; ends with the upstream. `file` is the
    /// one in the form of resolv.conf that names it.
    pub(crate) fn follow(&self, upstream: &Arc<Upstream>, file: Option<&str>) {
        let remedy = remedy(upstream.address, file);
        let suspected = upstream.returning.suspicions();
        tokio::spawn(self.clone().run(Arc::downgrade(upstream), suspected, remedy));
    }

    async fn run(
        mut self,
        upstream: Weak<Upstream>,
        mut suspected: watch::Receiver<()>,
        remedy: String,
    ) {
        if self.guard.serving.wait_for(|serving| *serving).await.is_err() {
            // The Corefile was not taken over.
            return;
        }
        let mut watch = Watch::default();
        loop {
            suspected.mark_unchanged();
            let Some(upstream) = upstream.upgrade() else { return };
            let finding = self.probe(&upstream).await;
            if let Some(change) = watch.learn(finding) {
                self.take_over(&upstream, change, &remedy);
            }
            drop(upstream);
            match watch.pause(rand::random()) {
                Pause::For(pause) => sleep(pause).await,
                Pause::UntilSuspected(pause) => {
                    sleep(pause).await;
                    if suspected.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends one probe. Its name comes from the generator of the thread, which is cryptographic.
    async fn probe(&self, upstream: &Upstream) -> Finding {
        let (token, now) = (rand::random(), Instant::now());
        let name = probe_name(token, &self.zone);
        let request = name.and_then(|name| Request::lookup(&name, RecordType::HINFO));
        let Some(request) = request else { return Finding::Answered };
        let request = request.in_case(self.letter_case);
        let Some(returned) = self.guard.outstanding.begin(token, now) else {
            return Finding::Silent;
        };
        let answered = async {
            let deadline = now + TIMEOUT;
            match upstream.exchange(&request, self.protocol, TIMEOUT, deadline).await {
                Ok(_) => sleep(GRACE).await,
                Err(_) => return Finding::Silent,
            }
            Finding::Answered
        };
        tokio::select! {
            Ok(()) = returned => Finding::Returned,
            finding = answered => finding,
        }
    }

    fn take_over(&self, upstream: &Upstream, change: Change, remedy: &str) {
        let position = self.position.as_ref().map(ToString::to_string).unwrap_or_default();
        let upstream_shown = &upstream.shown;
        match change {
            Change::Began => {
                upstream.returning.begin(remedy);
                tracing::error!(
                    upstream = %upstream_shown,
                    position,
                    remedy,
                    "upstream leads back to this server and is not asked any more"
                );
            }
            Change::Ended => {
                upstream.returning.end();
                tracing::info!(
                    upstream = %upstream_shown,
                    position,
                    "upstream does not lead back to this server any more and is asked again"
                );
            }
        }
    }
}
