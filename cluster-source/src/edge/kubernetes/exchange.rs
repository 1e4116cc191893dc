//! One request and its response, every wait limited.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::BodyExt;
use kube::client::{Body, Client};
use tokio::time::timeout;

use crate::api::step::{End, Refusal};
use crate::api::watch::refusal;

/// The largest page that is read; 500 objects of etcd's largest size are less than three times this.
const MOST_BYTES_A_PAGE: usize = 256 << 20;

/// How much is read of what a server says when it refuses.
const MOST_BYTES_A_REFUSAL: usize = 64 << 10;

/// The body of a response that is no refusal.
pub(super) struct Response {
    body: Body,
    opened: Instant,
}

/// Why there is no such body.
pub(super) enum Failure {
    /// The server says no.
    Refused {
        /// The HTTP status; the refusal may know better.
        status: u16,
        /// Why.
        refusal: Refusal,
    },
    /// There is no answer; the reason in words.
    NoAnswer(String),
}

/// The next piece of a body.
pub(super) enum Piece {
    /// Bytes.
    Bytes(Bytes),
    /// There are no more.
    Over(End),
}

/// Asks for something and waits for the head of the response.
pub(super) async fn send(client: &Client, url: &str, wait: Duration) -> Result<Response, Failure> {
    let request = Request::get(url).body(Vec::new());
    send_request(client, request.map_err(|e| Failure::NoAnswer(e.to_string()))?, wait).await
}

/// Sends a request and waits for the head of the response.
pub(super) async fn send_request(
    client: &Client,
    request: Request<Vec<u8>>,
    wait: Duration,
) -> Result<Response, Failure> {
    let mut request = request.map(Body::from);
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let agent = HeaderValue::from_static(concat!("portolan/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, agent);
    let response = match timeout(wait, client.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(Failure::NoAnswer(in_words(&error))),
        Err(_) => return Err(Failure::NoAnswer(format!("no answer within {wait:?}"))),
    };
    let (head, body) = response.into_parts();
    let mut response = Response { body, opened: Instant::now() };
    if head.status.is_success() {
        return Ok(response);
    }
    // What it says is only for the log; what has come of it will do.
    let mut words = Vec::new();
    let _ = response.read(&mut words, MOST_BYTES_A_REFUSAL, wait).await;
    let status = head.status.as_u16();
    Err(Failure::Refused { status, refusal: refusal(status, &words, retry_after(&head.headers)) })
}

impl Response {
    /// Returns how long the body has been open; never zero.
    pub(super) fn lived(&self) -> Duration {
        self.opened.elapsed().max(Duration::from_nanos(1))
    }

    /// Returns the next bytes of the body.
    pub(super) async fn next(&mut self, idle: Duration) -> Piece {
        loop {
            match timeout(idle, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Piece::Bytes(bytes);
                    }
                }
                Ok(Some(Err(_))) => return Piece::Over(End::Failed),
                Ok(None) => return Piece::Over(End::Ended),
                Err(_) => return Piece::Over(End::Idle),
            }
        }
    }

    /// Reads the whole body, up to a size.
    pub(super) async fn whole(&mut self, idle: Duration) -> Result<Vec<u8>, End> {
        let mut bytes = Vec::new();
        self.read(&mut bytes, MOST_BYTES_A_PAGE, idle).await.map(|()| bytes)
    }

    async fn read(&mut self, into: &mut Vec<u8>, most: usize, idle: Duration) -> Result<(), End> {
        loop {
            match self.next(idle).await {
                Piece::Bytes(bytes) if into.len() + bytes.len() > most => return Err(End::Garbage),
                Piece::Bytes(bytes) => into.extend_from_slice(&bytes),
                Piece::Over(End::Ended) => return Ok(()),
                Piece::Over(end) => return Err(end),
            }
        }
    }
}

/// Reads `Retry-After`; only its form in seconds, which is what API servers send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Puts an error and its causes into one line: the outermost rarely says what to do.
fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
