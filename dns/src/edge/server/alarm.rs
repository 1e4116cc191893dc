//! A timer that is set over and over again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes a task at moments most of which are never waited for to the end, each later than the one before.
///
/// The runtime keeps timers behind a lock. So a timer that is set to a later moment is left as it is: at the earlier one
/// it wakes the task for nothing, and is set anew.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits until a moment, whatever was waited for before.
    pub(super) fn poll_until(&mut self, moment: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(moment)));
        if sleep.deadline() > moment {
            sleep.as_mut().reset(moment);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() == moment {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(moment);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_off_at_the_moment_that_was_set_last() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (given_up, waited_for) in [(3, 10), (30, 20), (21, 25), (26, 25), (27, 26)] {
            let wait = poll_fn(|context| alarm.poll_until(at(given_up), context));
            assert_eq!(wait.now_or_never(), None, "{given_up}");
            poll_fn(|context| alarm.poll_until(at(waited_for), context)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(waited_for));
        }
    }
}
