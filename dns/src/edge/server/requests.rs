//! The requests of an HTTP/2 connection, which its own task answers.
//!
//! A task for each would take turns with the connection's, which would then write each response by itself. Here all
//! requests that came in together are answered before the connection is looked at again, and their responses leave
//! together.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use hyper::rt::Executor;

type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the requests that a connection begins. It has as many as it may have streams.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<Request>>>);

/// The requests under way.
pub(super) struct Requests {
    begun: Begun,
    running: FuturesUnordered<Request>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Begun {
    fn execute(&self, request: F) {
        self.requests().push(Box::pin(request));
    }
}

impl Begun {
    fn requests(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    /// Returns none, which those that are begun from here on join.
    pub(super) fn of(begun: &Begun) -> Self {
        Self { begun: begun.clone(), running: FuturesUnordered::new() }
    }

    /// Lets a connection and its requests go on as far as they can; ready when the connection has ended.
    pub(super) fn drive<C: Future>(
        &mut self,
        mut connection: Pin<&mut C>,
        context: &mut Context<'_>,
    ) -> Poll<C::Output> {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            self.running.extend(self.begun.requests().drain(..));
            let mut is_through = false;
            while let Poll::Ready(Some(())) = Pin::new(&mut self.running).poll_next(context) {
                is_through = true;
            }
            if !is_through {
                // What a request does besides ending wakes the connection by itself.
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn requests_that_begin_together_are_through_before_the_connection_goes_on() {
        let begun = Begun::default();
        let mut requests = Requests::of(&begun);
        let through = Arc::new(Mutex::new(0));
        let mut seen = Vec::new();
        let count = Arc::clone(&through);
        let connection = poll_fn(|_| {
            seen.push(*count.lock().unwrap());
            if seen.len() < 3 {
                for _ in 0..5 {
                    let through = Arc::clone(&through);
                    begun.execute(async move { *through.lock().unwrap() += 1 });
                }
                begun.execute(pending());
                return Poll::Pending;
            }
            Poll::Ready("ended")
        });
        let mut connection = Box::pin(connection);
        let driven = poll_fn(|context| requests.drive(connection.as_mut(), context));
        assert_eq!(driven.now_or_never(), Some("ended"));
        drop(connection);
        assert_eq!(seen, [0, 5, 10]);
    }

    #[test]
    fn a_connection_without_requests_waits() {
        let begun = Begun::default();
        let mut requests = Requests::of(&begun);
        let mut connection = Box::pin(pending::<()>());
        let driven = poll_fn(|context| requests.drive(connection.as_mut(), context));
        assert_eq!(driven.now_or_never(), None);
        let mut connection = Box::pin(ready(7));
        let driven = poll_fn(|context| requests.drive(connection.as_mut(), context));
        assert_eq!(driven.now_or_never(), Some(7));
    }
}
