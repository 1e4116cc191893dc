//! Tasks that have done what they were begun for, and rest until there is more to do.
//!
//! To begin a task for each connection costs more than to answer its question: the task, its timer and its buffers are
//! allocated anew.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many tasks rest at most; more of them end.
const MOST: usize = 64;

/// The tasks that rest, the one that has rested the least last; none when there is nothing more to do.
#[derive(Debug)]
pub(super) struct Resting<T>(Mutex<Option<Vec<oneshot::Sender<T>>>>);

impl<T> Resting<T> {
    /// Returns none.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Vec::with_capacity(MOST))))
    }

    /// Gives work to the task that has rested the least, whose memory is the likeliest to be in a cache.
    ///
    /// # Errors
    /// No task rests; the work comes back.
    pub(super) fn give(&self, work: T) -> Result<(), T> {
        let task = self.tasks().as_mut().and_then(Vec::pop);
        match task {
            Some(task) => task.send(work),
            None => Err(work),
        }
    }

    /// Rests until there is work; none when the task has to end.
    pub(super) async fn rest(&self) -> Option<T> {
        let (task, work) = oneshot::channel();
        self.tasks().as_mut().filter(|tasks| tasks.len() < MOST)?.push(task);
        work.await.ok()
    }

    /// Ends the tasks that rest, and those that would from here on.
    pub(super) fn close(&self) {
        *self.tasks() = None;
    }

    fn tasks(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<T>>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn work_goes_to_the_task_that_rests_the_least() {
        let resting = Resting::new();
        assert_eq!(resting.give(1), Err(1), "nobody rests");
        let (mut first, mut second) = (Box::pin(resting.rest()), Box::pin(resting.rest()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert_eq!(resting.give(2), Ok(()));
        assert_eq!(second.now_or_never(), Some(Some(2)));
        drop(first);
        assert_eq!(resting.give(3), Err(3), "it is gone");
    }

    #[test]
    fn tasks_end_when_many_rest_or_nothing_is_left_to_do() {
        let resting = Resting::<()>::new();
        let mut tasks: Vec<_> = (0..=MOST).map(|_| Box::pin(resting.rest())).collect();
        let ended = |task: &mut _| FutureExt::now_or_never(task) == Some(None);
        assert_eq!(tasks.iter_mut().filter_map(|task| ended(task).then_some(())).count(), 1);
        resting.close();
        assert!(tasks[..MOST].iter_mut().all(ended));
        assert_eq!(resting.rest().now_or_never(), Some(None));
        assert_eq!(resting.give(()), Err(()));
    }
}
