//! Holds requests back so that the API server is not asked harder than allowed.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::RequestLimits;
use crate::api::throttle::Bucket;

/// Requests at once unless `apiserver_burst` says otherwise, as in client-go.
const BURST: u32 = 10;

/// What every request passes.
pub(super) struct Gate {
    bucket: Option<Mutex<Bucket>>,
    inflight: Option<Semaphore>,
}

/// The right to one request, until it is dropped.
pub(super) struct Pass<'a> {
    _inflight: Option<SemaphorePermit<'a>>,
}

impl Gate {
    pub(super) fn new(limits: RequestLimits) -> Self {
        let burst = limits.burst.unwrap_or(BURST);
        let bucket = limits.qps.map(|qps| Mutex::new(Bucket::new(qps, burst, Instant::now())));
        let permits =
            |most: u32| usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let inflight = limits.max_inflight.map(|most| Semaphore::new(permits(most)));
        Self { bucket, inflight }
    }

    pub(super) async fn pass(&self) -> Pass<'_> {
        let wait = self.bucket.as_ref().map(|bucket| {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
        });
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            tokio::time::sleep(wait).await;
        }
        let Some(inflight) = &self.inflight else { return Pass { _inflight: None } };
        // Never closed, so that a permit always comes.
        Pass { _inflight: inflight.acquire().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn no_more_requests_are_under_way_than_allowed() {
        let limits = |max_inflight| RequestLimits { max_inflight, ..RequestLimits::default() };
        let mut context = Context::from_waker(Waker::noop());
        let free = Gate::new(limits(None));
        let _several = [free.pass().await, free.pass().await, free.pass().await];
        let gate = Gate::new(limits(Some(2)));
        let (first, _second) = (gate.pass().await, gate.pass().await);
        let mut third = pin!(gate.pass());
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(third.poll(&mut context).is_ready());
    }
}
