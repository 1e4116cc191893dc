//! Waits until a certificate is due, orders it, stores it and serves it; again and again, one name after the other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use instant_acme::Account;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::account::account;
use super::certificates::{Certificates, Issued};
use super::http::Connector;
use super::metrics::AcmeMetrics;
use super::order::{OrderError, order};
use super::storage::{Pair, Storage};
use crate::plugin::tls::challenge::Challenges;
use crate::plugin::tls::domain::AcmeDomain;
use crate::plugin::tls::renewal::{next_renewal, retry_delay};

/// The longest time of one order with everything around it.
const ORDER: Duration = Duration::from_secs(5 * 60);

/// The longest time until the clock is looked at again: somebody may set it.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// What the task of one set of options works with.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    pub(super) certificates: Arc<Certificates>,
    pub(super) storage: Storage,
    pub(super) challenges: Challenges,
    pub(super) metrics: AcmeMetrics,
}

/// A name and when something has to be done for it.
struct Task {
    domain: AcmeDomain,
    due: SystemTime,
    failures: u32,
}

impl Keeper {
    /// Never ends by itself.
    pub(super) async fn keep(self) {
        let domains = self.certificates.config().domains.iter();
        let mut tasks: Vec<Task> = domains.map(|domain| self.task(domain)).collect();
        let mut known = None;
        while let Some(task) = tasks.iter_mut().min_by_key(|task| task.due) {
            let left = task.due.duration_since(SystemTime::now()).unwrap_or_default();
            if !left.is_zero() {
                sleep(left.min(LOOK)).await;
                continue;
            }
            self.work(task, &mut known).await;
        }
    }

    /// Says when a name's certificate is due: at once when there is none.
    fn task(&self, domain: &AcmeDomain) -> Task {
        self.metrics.begin(domain);
        let (now, stored) = (SystemTime::now(), self.certificates.get(domain));
        let due = stored.map_or(now, |issued| {
            self.metrics.serves_until(domain, issued.validity.not_after);
            issued.validity.renewal(rand::random())
        });
        Task { domain: domain.clone(), due, failures: 0 }
    }

    /// Gets one certificate, and says when the next thing has to be done. `known` is the account that was used last.
    async fn work(&self, task: &mut Task, known: &mut Option<Account>) {
        let Task { domain, due, failures } = task;
        let obtained = timeout(ORDER, self.obtain(domain, known)).await;
        let obtained = obtained.unwrap_or(Err(OrderError::Timeout(ORDER)));
        let now = SystemTime::now();
        match obtained {
            Ok(issued) => {
                self.certificates.publish(domain, &issued);
                self.metrics.obtained(domain);
                self.metrics.serves_until(domain, issued.validity.not_after);
                (*failures, *due) = (0, next_renewal(issued.validity, now, rand::random()));
                let days =
                    issued.validity.not_after.duration_since(now).unwrap_or_default().as_secs()
                        / 86_400;
                tracing::info!(%domain, days, "certificate obtained by ACME");
            }
            Err(error) => {
                *known = None;
                *failures = failures.saturating_add(1);
                self.metrics.failed(domain, error.kind());
                let delay = retry_delay(error.kind(), *failures, rand::random());
                *due = now + delay;
                let serves =
                    if self.certificates.get(domain).is_some() { "the one before" } else { "none" };
                let again_in_s = whole_seconds(delay);
                tracing::warn!(%domain, %error, serves, again_in_s, "no certificate by ACME; trying again");
            }
        }
    }

    async fn obtain(
        &self,
        domain: &AcmeDomain,
        known: &mut Option<Account>,
    ) -> Result<Issued, OrderError> {
        let (storage, name) = (self.storage.clone(), domain.clone());
        off_the_way(move || Ok(storage.prepare(&name)?)).await?;
        let mut account = match known {
            Some(account) => account.clone(),
            None => self.account().await?,
        };
        let mut ordered = order(&account, domain, &self.challenges).await;
        if ordered.as_ref().is_err_and(OrderError::is_unknown_account) {
            tracing::warn!(
                "the authority does not know the stored ACME account; a new one is made"
            );
            self.storage.forget_account()?;
            account = self.account().await?;
            ordered = order(&account, domain, &self.challenges).await;
        }
        let pair = ordered?;
        let issued = usable(&pair, domain, SystemTime::now())?;
        let (storage, name) = (self.storage.clone(), domain.clone());
        if let Err(error) = off_the_way(move || Ok(storage.keep(&name, &pair)?)).await {
            // It is served all the same: another order would not be stored either, and orders are counted.
            tracing::error!(%domain, %error, "the certificate is not stored and has to be ordered again after a restart");
        }
        *known = Some(account);
        Ok(issued)
    }

    async fn account(&self) -> Result<Account, OrderError> {
        let config = self.certificates.config().clone();
        let connector = off_the_way(move || Ok(Connector::new(&config)?)).await?;
        account(self.certificates.config(), &self.storage, connector).await
    }
}

/// Reads what an authority gave.
///
/// # Errors
/// Nobody could use it at the moment.
fn usable(pair: &Pair, domain: &AcmeDomain, now: SystemTime) -> Result<Issued, OrderError> {
    let issued = Issued::read(pair.chain.as_bytes(), pair.key.as_bytes(), domain);
    let issued = issued.map_err(|error| OrderError::Certificate(error.to_string()))?;
    if issued.validity.not_after <= now {
        let text = "it has expired already; check the clock of this host";
        return Err(OrderError::Certificate(text.to_owned()));
    }
    Ok(issued)
}

/// Rounds up, so that nothing is awaited that the log calls due.
fn whole_seconds(delay: Duration) -> u128 {
    delay.as_millis().div_ceil(1000)
}

/// Does what blocks on a thread that may.
async fn off_the_way<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OrderError> + Send + 'static,
) -> Result<T, OrderError> {
    let done = spawn_blocking(work).await;
    // It does not panic, and is not given up before this is.
    done.unwrap_or_else(|error| Err(instant_acme::Error::Other(Box::new(error)).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_logged_in_whole_seconds_that_are_not_too_short() {
        for (millis, seconds) in [(0, 0), (1, 1), (750, 1), (1000, 1), (1001, 2), (600_000, 600)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }
}
