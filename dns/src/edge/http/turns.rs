//! Pages that are large, or take long to make.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Handler, HttpReply, HttpRequest};

/// How many of them are in memory at a time, from when they begin to be made until their last octet is on its way.
const MAX_AT_ONCE: usize = 2;

/// How long a request waits for its turn. Longer would take the connections that probes need.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds what some pages cost together, however many clients ask and however slowly they read.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

/// The body of a reply, and its turn.
struct Held {
    body: Bytes,
    _turn: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_AT_ONCE)))
    }
}

impl Turns {
    /// Returns the handler of a page, which is made apart from what answers others. A request that does not get its
    /// turn is refused with 503.
    pub fn handler(
        &self,
        page: impl Fn(&HttpRequest) -> HttpReply + Send + Sync + 'static,
    ) -> Handler {
        let (turns, page) = (Arc::clone(&self.0), Arc::new(page));
        Arc::new(move |request: HttpRequest| {
            let (turns, page) = (Arc::clone(&turns), Arc::clone(&page));
            Box::pin(async move {
                let Ok(Ok(turn)) = timeout(PATIENCE, turns.acquire_owned()).await else {
                    let text = "others are being answered; try again in a moment\n";
                    return HttpReply::text(StatusCode::SERVICE_UNAVAILABLE, text).last();
                };
                // The turn goes along: a client that leaves does not end what is being made.
                let made = spawn_blocking(move || {
                    let HttpReply { body, status, content_type, headers } = page(&request);
                    let body = Bytes::from_owner(Held { body, _turn: turn });
                    HttpReply { body, status, content_type, headers }
                });
                made.await.unwrap_or_else(|error| {
                    HttpReply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
                })
            })
        })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hyper::Method;

    use super::*;

    fn request() -> HttpRequest {
        let (path, query) = ("/".to_owned(), String::new());
        HttpRequest { method: Method::GET, path, query, host: None, authorization: None }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_as_fit_are_held_and_others_wait_or_are_refused() {
        let handler = Turns::default().handler(|_| HttpReply::text(StatusCode::OK, "page"));
        let mut held = Vec::new();
        for _ in 0..MAX_AT_ONCE {
            held.push(handler(request()).await);
        }
        assert!(held.iter().all(|reply| reply.body == "page"));
        let mut waits = handler(request());
        assert!((&mut waits).now_or_never().is_none());
        held.pop();
        let got = waits.await;
        assert_eq!((got.status, &*got.body), (StatusCode::OK, b"page".as_slice()));
        // The clock goes on by itself as long as nothing else happens.
        assert_eq!(handler(request()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
