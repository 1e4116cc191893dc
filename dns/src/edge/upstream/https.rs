//! DNS over HTTPS (RFC 8484) by HTTP/2: one connection to an upstream carries all questions at once.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{Carriage, ExchangeError, IgnoredMessages, TlsClient, tcp};
use crate::Reply;
use crate::plugin::forward::answer::{self, Extent};
use crate::plugin::forward::config::{DohMethod, IdleConfig};
use crate::plugin::forward::metrics::UpstreamMetrics;
use crate::plugin::forward::request::Request;

/// The protocol to agree on (RFC 9113 §3.3).
pub(crate) const ALPN: &[u8] = b"h2";

/// The media type of messages (RFC 8484 §6).
const MEDIA_TYPE: &str = "application/dns-message";

/// The longest body, in octets: a message is no longer (RFC 8484 §6).
const MAX_BODY: usize = 65_535;

/// The id of every question, so that caches on the way recognise equal ones (RFC 8484 §4.1).
const ID: u16 = 0;

/// The octets that a server may send before they are read: for a reply, and for all replies.
const WINDOWS: (u32, u32) = (65_535, 1 << 20);

/// The least time between two looks whether a connection has expired.
const MIN_SWEEP: Duration = Duration::from_millis(100);

/// What is asked of one server: `https://AUTHORITY/PATH`.
#[derive(Debug)]
pub(crate) struct HttpsClient {
    tls: TlsClient,
    address: SocketAddr,
    source: Option<IpAddr>,
    url: String,
    method: DohMethod,
    idle: IdleConfig,
    /// The connection that is used, if there is one.
    live: Mutex<Option<Live>>,
}

#[derive(Debug)]
struct Live {
    sender: SendRequest<Full<Bytes>>,
    made: Instant,
    used: Instant,
}

/// A way to ask on a connection.
struct Seat {
    sender: SendRequest<Full<Bytes>>,
    /// When the connection was made, by which it is told from others.
    made: Instant,
    is_new: bool,
}

impl HttpsClient {
    /// `url` is that of RFC 8484 §4.1 without variables.
    pub(crate) fn new(
        tls: TlsClient,
        (address, source): (SocketAddr, Option<IpAddr>),
        url: String,
        method: DohMethod,
        idle: IdleConfig,
    ) -> Self {
        Self { tls, address, source, url, method, idle, live: Mutex::new(None) }
    }

    /// Asks. A connection whose question timed out is not used again.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        request: &Request,
        metrics: &UpstreamMetrics,
        deadline: Instant,
    ) -> Result<Reply, ExchangeError> {
        let since = Instant::now();
        let mut made = None;
        if let Ok(reply) = timeout_at(deadline, self.ask(request, metrics, &mut made)).await {
            return reply;
        }
        if let Some(made) = made {
            self.forget(made).await;
        }
        Err(IgnoredMessages::default().timed_out(since))
    }

    /// Asks on the connection that there is. The server may have closed it meanwhile, so its failure says
    /// nothing and a new one is tried. `used` becomes the connection that is waited for.
    async fn ask(
        self: &Arc<Self>,
        request: &Request,
        metrics: &UpstreamMetrics,
        used: &mut Option<Instant>,
    ) -> Result<Reply, ExchangeError> {
        let seat = self.seat(metrics).await?;
        *used = Some(seat.made);
        let mut response = self.send(seat.sender, request).await;
        if response.is_err() {
            self.forget(seat.made).await;
        }
        if response.is_err() && !seat.is_new {
            let seat = self.seat(metrics).await?;
            *used = Some(seat.made);
            response = self.send(seat.sender, request).await;
        }
        read(response.map_err(|error| failed(&*error))?, request).await
    }

    /// Returns a way to ask; connects if there is no connection. Others wait for the same one.
    async fn seat(self: &Arc<Self>, metrics: &UpstreamMetrics) -> Result<Seat, ExchangeError> {
        let mut live = self.live.lock().await;
        let now = Instant::now();
        let usable = live.as_mut().filter(|live| {
            !live.sender.is_closed() && self.idle.is_fresh((live.made, live.used), now)
        });
        if let Some(live) = usable {
            live.used = now;
            metrics.connection_hits.inc();
            return Ok(Seat { sender: live.sender.clone(), made: live.made, is_new: false });
        }
        *live = None;
        metrics.connection_misses.inc();
        let sender = self.connect().await?;
        let made = Instant::now();
        if self.idle.is_fresh((made, made), made) {
            *live = Some(Live { sender: sender.clone(), made, used: made });
            tokio::spawn(sweep(Arc::downgrade(self), made));
        }
        Ok(Seat { sender, made, is_new: true })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ExchangeError> {
        let stream = tcp::connect(self.address, self.source).await?;
        let stream = self.tls.connect(stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(ExchangeError::Http("the server does not speak HTTP/2".to_owned()));
        }
        let mut builder = Builder::new(TokioExecutor::new());
        let (of_reply, of_all) = WINDOWS;
        builder.initial_stream_window_size(of_reply).initial_connection_window_size(of_all);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| failed(&error))?;
        // It ends with its last sender and reply; its error is that of the questions on it.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn send(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        request: &Request,
    ) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
        let message = request.sending_as_asked(ID).octets().to_vec();
        let builder = hyper::Request::builder().header(ACCEPT, MEDIA_TYPE);
        let request = match self.method {
            DohMethod::Post => builder
                .method(Method::POST)
                .uri(&self.url)
                .header(CONTENT_TYPE, MEDIA_TYPE)
                .body(Full::from(message))?,
            DohMethod::Get => builder
                .method(Method::GET)
                .uri(format!("{}?dns={}", self.url, URL_SAFE_NO_PAD.encode(message)))
                .body(Full::default())?,
        };
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }

    /// Does not use a connection again; the questions under way on it go on.
    async fn forget(&self, made: Instant) {
        let mut live = self.live.lock().await;
        if live.as_ref().is_some_and(|live| live.made == made) {
            *live = None;
        }
    }

    /// Gives up a connection that nobody has used for long; returns when to look again, if it is still there.
    async fn expire(&self, made: Instant, now: Instant) -> Option<Instant> {
        let mut live = self.live.lock().await;
        let used = live.as_ref().filter(|live| live.made == made)?.used;
        if self.idle.is_fresh((made, used), now) {
            return Some(used + self.idle.expire.max(MIN_SWEEP));
        }
        *live = None;
        None
    }
}

/// Closes a connection when it has expired and nobody asks any more.
async fn sweep(client: Weak<HttpsClient>, made: Instant) {
    let mut next = made + MIN_SWEEP;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(client) = client.upgrade() else { return };
        let Some(again) = client.expire(made, Instant::now()).await else { return };
        next = again;
    }
}

/// Reads the reply out of a response (RFC 8484 §4.2).
async fn read(response: Response<Incoming>, request: &Request) -> Result<Reply, ExchangeError> {
    let refuse = |why: String| Err(ExchangeError::Http(why));
    if response.status() != StatusCode::OK {
        return refuse(format!("HTTP status {} instead of 200", response.status().as_u16()));
    }
    let media_type = response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    if !media_type.is_some_and(is_dns_message) {
        let media_type = String::from_utf8_lossy(media_type.unwrap_or(b"none")).into_owned();
        let shown: String = media_type.chars().take(40).collect();
        return refuse(format!("content type {shown} instead of {MEDIA_TYPE}"));
    }
    let body = match Limited::new(response.into_body(), MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return refuse(format!("a body of more than {MAX_BODY} octets"));
        }
        Err(error) => return Err(failed(&*error)),
    };
    answer::read(&body, &request.sending_as_asked(ID), Extent::Whole)
        .map_err(|why| ExchangeError::NotDns(why, Carriage::Https))
}

/// Says whether a Content-Type is the one of messages; it has no parameters, but they would do no harm.
fn is_dns_message(value: &[u8]) -> bool {
    let end = value.iter().position(|octet| *octet == b';').unwrap_or(value.len());
    let (media_type, _) = value.split_at(end);
    media_type.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
}

/// Tells an error with what caused it: hyper's own text is only where it happened.
fn failed(error: &(dyn Error + 'static)) -> ExchangeError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    ExchangeError::Http(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_messages() {
        for (value, is_meant) in [
            ("application/dns-message", true),
            ("Application/DNS-Message ; charset=utf-8", true),
            ("application/dns-json", false),
            ("text/html", false),
            ("", false),
        ] {
            assert_eq!(is_dns_message(value.as_bytes()), is_meant, "{value}");
        }
    }
}
