//! Asks one upstream server: sockets and timeouts, no decisions.

mod https;
mod idle;
mod lookup;
mod loop_probe;
mod probe;
mod tcp;
mod tls;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::idle::Idle;
use crate::plugin::forward::answer::NotOurs;
use crate::plugin::forward::config::IdleConfig;
use crate::plugin::forward::health::Health;
use crate::plugin::forward::metrics::UpstreamMetrics;
use crate::plugin::forward::request::Request;
use crate::plugin::forward::returning::Returning;
use crate::{Protocol, Reply};

pub(crate) use self::https::{ALPN, HttpsClient};
pub(crate) use self::lookup::{NameLookup, look_up};
pub(crate) use self::loop_probe::LoopProber;
pub(crate) use self::probe::Prober;
pub(crate) use self::tls::{TlsClient, TlsClients, system_roots};

/// A server that is asked, with its connections.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// The TO argument, as metrics spell it.
    pub(crate) label: String,
    /// The TO argument as texts spell it: with the address, if it is a name.
    pub(crate) shown: Arc<str>,
    /// The address as text.
    pub(crate) place: Arc<str>,
    /// Whether it answers.
    pub(crate) health: Health,
    /// Whether it leads back to this server.
    pub(crate) returning: Returning,
    source: Option<IpAddr>,
    channel: Channel,
    idle: Arc<Idle>,
    metrics: UpstreamMetrics,
}

/// How an upstream is spoken to.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Plain DNS by UDP or TCP (RFC 1035 §4.2).
    Plain,
    /// DNS over TLS (RFC 7858).
    Tls(TlsClient),
    /// DNS over HTTPS (RFC 8484).
    Https(Arc<HttpsClient>),
}

/// What carries a question and its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carriage {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// A valid reply, and how it came.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// The reply.
    pub(crate) reply: Reply,
    /// What carried it: TCP too when the one by UDP was truncated.
    pub(crate) carriage: Carriage,
}

/// Says why an upstream gave no valid reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// Nothing valid came in time; whatever else came was ignored.
    #[error("timed out after {}{}", Seconds(*after), Ignored(*ignored))]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
        /// How many messages were ignored, and why the last of them.
        ignored: Option<(u32, NotOurs)>,
    },
    /// The network or this host refused; `connection refused` is the upstream's ICMP or RST.
    #[error("{0}")]
    Network(#[from] io::Error),
    /// No encrypted connection came about: mostly because of the server's certificate.
    #[error("{0}")]
    Tls(String),
    /// The server on the other end of an encrypted connection answers otherwise than DNS over HTTPS has it.
    #[error("{0}")]
    Http(String),
    /// The server on the other end of a connection does not speak DNS.
    #[error("{0} over {name}", name = .1.name())]
    NotDns(NotOurs, Carriage),
}

impl Upstream {
    /// Returns an upstream to which there is no connection yet. The label is that of its TO argument.
    pub(crate) fn new(
        label: String,
        address: SocketAddr,
        channel: Channel,
        source: Option<IpAddr>,
        idle: IdleConfig,
        health: Health,
        metrics: UpstreamMetrics,
    ) -> Self {
        let place: Arc<str> = address.to_string().into();
        let shown = match &*place {
            place if place == label => place.into(),
            place => format!("{label} ({place})").into(),
        };
        let (idle, returning) = (Arc::new(Idle::new(idle)), Returning::unknown());
        Self { address, label, shown, place, health, returning, source, channel, idle, metrics }
    }

    /// Returns what carries a question that should go by a transport of plain DNS, if the upstream has it.
    pub(crate) fn carriage(&self, protocol: Protocol) -> Carriage {
        match (&self.channel, protocol) {
            (Channel::Plain, Protocol::Udp) => Carriage::Udp,
            (Channel::Plain, _) => Carriage::Tcp,
            (Channel::Tls(_), _) => Carriage::Tls,
            (Channel::Https(_), _) => Carriage::Https,
        }
    }

    /// Asks, and waits no longer than `timeout`, nor beyond `deadline`. `protocol` matters to plain DNS only.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        protocol: Protocol,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<Exchanged, ExchangeError> {
        let until = || deadline.min(Instant::now() + timeout);
        let carriage = self.carriage(protocol);
        let reply = match &self.channel {
            Channel::Plain if carriage == Carriage::Udp => {
                return self.by_udp(request, until).await;
            }
            Channel::Plain => self.boxed_by_stream(None, request, until()).await?,
            Channel::Tls(tls) => self.boxed_by_stream(Some(tls), request, until()).await?,
            Channel::Https(client) => {
                Box::pin(client.exchange(request, &self.metrics, until())).await?
            }
        };
        Ok(Exchanged { reply, carriage })
    }

    /// Asks by UDP. A truncated reply is asked for again by TCP, with a time of its own; when that fails it is
    /// returned with its TC bit.
    async fn by_udp(
        &self,
        request: &Request,
        until: impl Fn() -> Instant,
    ) -> Result<Exchanged, ExchangeError> {
        let reply = udp::exchange(self.address, self.source, request, until()).await?;
        if reply.truncated
            && let Ok(whole) = self.boxed_by_stream(None, request, until()).await
        {
            return Ok(Exchanged { reply: whole, carriage: Carriage::Tcp });
        }
        // The upstream answered; a network without TCP makes it no worse.
        Ok(Exchanged { reply, carriage: Carriage::Udp })
    }

    /// As [`Self::by_stream`]. Questions by UDP, of which thousands wait for a dead upstream, would else each have
    /// the room that a connection needs.
    fn boxed_by_stream<'a>(
        &'a self,
        tls: Option<&'a TlsClient>,
        request: &'a Request,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Reply, ExchangeError>> {
        Box::pin(self.by_stream(tls, request, deadline))
    }

    /// Asks on a kept connection if there is one. The server may have closed it meanwhile, so its failure says
    /// nothing and a new one is tried (RFC 7766 §6.2.4).
    async fn by_stream(
        &self,
        tls: Option<&TlsClient>,
        request: &Request,
        deadline: Instant,
    ) -> Result<Reply, ExchangeError> {
        if let Some(mut kept) = self.idle.take(Instant::now()) {
            self.metrics.connection_hits.inc();
            match kept.exchange(request, deadline).await {
                Ok(reply) => {
                    self.idle.keep(kept);
                    return Ok(reply);
                }
                Err(ExchangeError::Network(_) | ExchangeError::Tls(_)) => {}
                Err(error) => {
                    // The path of one is the path of all.
                    self.idle.clear();
                    return Err(error);
                }
            }
        }
        self.metrics.connection_misses.inc();
        let mut made = tcp::Connection::open(self.address, self.source, tls, deadline).await?;
        let reply = made.exchange(request, deadline).await?;
        self.idle.keep(made);
        Ok(reply)
    }
}

impl Carriage {
    /// Returns the name as texts spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Https => "HTTPS",
        }
    }

    /// Returns the name as `explain` spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
        }
    }
}

impl From<Carriage> for crate::Transport {
    fn from(carriage: Carriage) -> Self {
        match carriage {
            Carriage::Udp => Self::Udp,
            Carriage::Tcp => Self::Tcp,
            Carriage::Tls => Self::Tls,
            Carriage::Https => Self::Https,
        }
    }
}

/// Counts the messages that were no reply to our question.
#[derive(Clone, Copy, Default, Debug)]
struct IgnoredMessages(Option<(u32, NotOurs)>);

impl IgnoredMessages {
    fn add(&mut self, why: NotOurs) {
        let count = self.0.map_or(0, |(count, _)| count);
        self.0 = Some((count.saturating_add(1), why));
    }

    fn timed_out(self, since: Instant) -> ExchangeError {
        ExchangeError::TimedOut { after: since.elapsed(), ignored: self.0 }
    }
}

/// Displays a time as `2s` or `0.5s`.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A timer is exact to some milliseconds, which nobody cares to read.
        let text = format!("{:.2}", self.0.as_secs_f64());
        write!(f, "{}s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Displays what was ignored, if anything.
struct Ignored(Option<(u32, NotOurs)>);

impl std::fmt::Display for Ignored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => Ok(()),
            Some((count, why)) => write!(f, " ({count} messages ignored, the last: {why})"),
        }
    }
}
