//! What a `forward` directive asks for.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, Name};
use tokio::time::Instant;

use super::Policy;
use super::target::Target;
use super::tls::TlsConfig;
use crate::corefile::{CorefileError, Directive, Files, Position};

/// Is one `forward` directive, read and judged.
///
/// ```text
/// forward FROM TO... {
///     except ZONES...            max_fails N            max_concurrent N
///     force_tcp                  max_connect_attempts N next RCODE...
///     prefer_udp                 policy NAME            next_on_nodata
///     expire DURATION            health_check DURATION  failover RCODE...
///     max_age DURATION             [no_rec]             failfast_all_unhealthy_upstreams
///     max_idle_conns N             [domain FQDN]        source_address IP
///     read_timeout DURATION      resolver IP[:PORT]... resolve_interval DURATION
///     tls_servername NAME        tls [CERT KEY] [CA]   doh_method GET|POST
///     case_randomization
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ForwardConfig {
    /// Where the directive stands; none of one that no Corefile has.
    pub position: Option<Position>,
    /// The zones whose names are forwarded: FROM, or for a network the reverse zones that cover it.
    pub from: Vec<LowerName>,
    /// The zones whose names are not forwarded although they are under `from`.
    pub except: Vec<LowerName>,
    /// The servers to forward to: 1 to [`MAX_UPSTREAMS`](super::MAX_UPSTREAMS).
    pub upstreams: Vec<Target>,
    /// The servers that host names among them are looked up with; not empty when there is one.
    pub resolvers: Vec<SocketAddr>,
    /// The order in which they are asked; random by default.
    pub policy: Policy,
    /// The transport to them; that of the client by default.
    pub carrier: Carrier,
    /// The longest time between two lookups of a name that has addresses; 30 s by default.
    pub resolve_interval: Duration,
    /// How encrypted connections to them are verified.
    pub tls: TlsConfig,
    /// How questions are put to upstreams with `https://`; POST by default.
    pub doh_method: DohMethod,
    /// The address that queries leave from; chosen by the system by default.
    pub source: Option<IpAddr>,
    /// The letter case in which names are asked for; the client's by default.
    pub letter_case: LetterCase,
    /// How connections are kept.
    pub idle: IdleConfig,
    /// How long one attempt may take, connecting included; 2 s by default.
    pub read_timeout: Duration,
    /// After how many failures in a row an upstream is unhealthy, 2 by default; none: never.
    pub max_fails: Option<NonZeroU32>,
    /// How many attempts one query gets; by default twice the number of upstreams.
    pub max_attempts: Option<NonZeroU32>,
    /// How a failing upstream is probed.
    pub probe: ProbeConfig,
    /// Whether queries fail at once while every upstream is unhealthy, instead of trying one nevertheless.
    pub failfast: bool,
    /// How many queries may be under way; none: no own bound.
    pub max_concurrent: Option<NonZeroU32>,
    /// The rcodes with which a query goes on to the next `forward` of the block.
    pub next: Vec<ResponseCode>,
    /// Whether a query that gets NODATA goes on to the next `forward` of the block.
    pub next_on_nodata: bool,
    /// The rcodes with which a query goes on to the next upstream; never NOERROR.
    pub failover: Vec<ResponseCode>,
    /// Whether another `forward` follows in the block, without which `next` and `next_on_nodata` are ignored as
    /// in CoreDNS. Not part of the directive: false until whoever builds the block knows.
    pub has_successor: bool,
}

/// The transport to upstreams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// That of the client's query.
    AsClient,
    /// TCP, whatever the client used: `force_tcp`, which wins over `prefer_udp`.
    Tcp,
    /// UDP, whatever the client used: `prefer_udp`. A truncated answer is asked for again by TCP.
    Udp,
}

/// How the letters of a name are written in a question to an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetterCase {
    /// As the client wrote them.
    AsAsked,
    /// At random, anew for each attempt; the reply has to repeat them (draft-vixie-dnsext-dns0x20):
    /// `case_randomization`, an option of Portolan alone. Not over HTTPS.
    Random,
}

/// How connections to upstreams are kept for later queries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdleConfig {
    /// How long an unused connection is kept; 10 s by default.
    pub expire: Duration,
    /// How long after its beginning a connection may be used again; unbounded by default.
    pub max_age: Option<Duration>,
    /// How many unused connections are kept for an upstream. None: as many as queries needed at the same time,
    /// which [`MAX_SOCKETS`](super::MAX_SOCKETS) bounds.
    pub max_connections: Option<NonZeroU32>,
}

impl IdleConfig {
    /// Says whether a connection that was made and last used at these times may be used.
    pub(crate) fn is_fresh(&self, (made, used): (Instant, Instant), now: Instant) -> bool {
        let age = now.saturating_duration_since(made);
        let unused = now.saturating_duration_since(used);
        unused < self.expire && self.max_age.is_none_or(|max| age < max)
    }
}

/// How questions are put over HTTPS (RFC 8484 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DohMethod {
    /// In the URL, so that caches on the way can answer.
    Get,
    /// In the body.
    Post,
}

/// How a failing upstream is probed until it answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeConfig {
    /// The time between the first probes, which then doubles; 0.5 s by default.
    pub interval: Duration,
    /// The RD bit of a probe; set by default.
    pub recursion_desired: bool,
    /// The name whose NS records a probe asks for; the root by default.
    pub name: Name,
}

impl ForwardConfig {
    /// Reads a directive; the files that it names as TO are read through `files`, now and never again.
    pub fn parse(directive: &Directive, files: &dyn Files) -> Result<Self, CorefileError> {
        super::options::parse(directive, files)
    }

    /// Returns the configuration of a directive without options.
    pub(super) fn new(from: Vec<LowerName>, upstreams: Vec<Target>) -> Self {
        Self {
            position: None,
            from,
            except: Vec::new(),
            policy: Policy::Random,
            carrier: Carrier::AsClient,
            source: None,
            letter_case: LetterCase::AsAsked,
            idle: IdleConfig {
                expire: Duration::from_secs(10),
                max_age: None,
                max_connections: None,
            },
            read_timeout: Duration::from_secs(2),
            max_fails: NonZeroU32::new(2),
            max_attempts: None,
            upstreams,
            resolvers: Vec::new(),
            resolve_interval: Duration::from_secs(30),
            tls: TlsConfig::default(),
            doh_method: DohMethod::Post,
            probe: ProbeConfig {
                interval: Duration::from_millis(500),
                recursion_desired: true,
                name: Name::root(),
            },
            failfast: false,
            max_concurrent: None,
            next: Vec::new(),
            next_on_nodata: false,
            failover: Vec::new(),
            has_successor: false,
        }
    }

    /// Says whether queries for this name are forwarded.
    pub fn serves(&self, name: &LowerName) -> bool {
        let is_under = |zones: &[LowerName]| zones.iter().any(|zone| zone.zone_of(name));
        is_under(&self.from) && !is_under(&self.except)
    }
}
