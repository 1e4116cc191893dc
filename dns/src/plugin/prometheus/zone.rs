//! The metrics of one zone of one listener.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use prometheus::{Histogram, IntCounter};

use super::families::DnsMetrics;
use super::labels::{PROTOCOLS, REQUEST_KINDS, RequestKind, protocol_number};
use super::repeated::{Distributions, Series};
use crate::plugin::Sent;
use crate::plugin::arguments::rcode_name;
use crate::{Count, Protocol, Query, Reply};

/// Keeps the series of a zone at hand: to look one up by its labels costs a lock and a hash, per query and family.
///
/// A series is made when it is first needed, so that `/metrics` shows none that is zero.
pub(super) struct ZoneMetrics {
    metrics: DnsMetrics,
    server: String,
    zone: String,
    view: String,
    requests: [OnceLock<IntCounter>; REQUEST_KINDS],
    request_sizes: [OnceLock<Histogram>; PROTOCOLS],
    response_sizes: [OnceLock<Histogram>; PROTOCOLS],
    duration: OnceLock<Histogram>,
    dnssec_ok: OnceLock<IntCounter>,
    repeated: Mutex<HashMap<Repeated, Arc<dyn Count>>>,
}

/// The kind of request, the DO bit, the response code and the plugin.
type Repeated = (usize, bool, ResponseCode, &'static str);

impl ZoneMetrics {
    pub(super) fn new(metrics: &DnsMetrics, server: &str, zone: &str, view: &str) -> Self {
        Self {
            metrics: metrics.clone(),
            server: server.to_owned(),
            zone: zone.to_owned(),
            view: view.to_owned(),
            requests: [const { OnceLock::new() }; REQUEST_KINDS],
            request_sizes: [const { OnceLock::new() }; PROTOCOLS],
            response_sizes: [const { OnceLock::new() }; PROTOCOLS],
            duration: OnceLock::new(),
            dnssec_ok: OnceLock::new(),
            repeated: Mutex::default(),
        }
    }

    /// Returns what counts a reply that is sent again; replies with the same labels share it.
    pub(super) fn repetition(&self, query: &Query, reply: &Reply) -> Arc<dyn Count> {
        let kind = RequestKind::of(query);
        let key = (kind.number(), query.dnssec_ok(), reply.rcode, reply.plugin);
        let mut repeated = self.repeated.lock().unwrap_or_else(PoisonError::into_inner);
        let series =
            repeated.entry(key).or_insert_with(|| Arc::new(self.series(query, kind, reply)));
        Arc::clone(series)
    }

    fn series(&self, query: &Query, kind: RequestKind, reply: &Reply) -> Series {
        let (of_zone, of_protocol) = (self.of_zone(), self.of_protocol(query.protocol));
        let [server, zone, view] = of_zone;
        let labels = [server, zone, view, rcode_name(reply.rcode), reply.plugin];
        let dnssec_ok = || self.metrics.dnssec_ok_requests.with_label_values(&of_zone);
        let distributions = Distributions::of(
            &self.metrics.request_size.with_label_values(&of_protocol),
            &self.metrics.request_duration.with_label_values(&of_zone),
            &self.metrics.response_size.with_label_values(&of_protocol),
        );
        Series {
            requests: self.new_requests(kind),
            dnssec_ok: query.dnssec_ok().then(dnssec_ok),
            responses: self.metrics.responses.with_label_values(&labels),
            distributions: Mutex::new(distributions),
        }
    }

    /// Records a request, and the response unless there is none.
    pub(super) fn record(&self, query: &Query, sent: &Sent<'_>) {
        self.request(query, sent.elapsed);
        if let Some(reply) = sent.reply {
            self.response(query, reply.rcode, reply.plugin, sent.size);
        }
    }

    fn request(&self, query: &Query, elapsed: Duration) {
        let kind = RequestKind::of(query);
        self.requests[kind.number()].get_or_init(|| self.new_requests(kind)).inc();
        let of_protocol = self.of_protocol(query.protocol);
        let sizes = &self.request_sizes[protocol_number(query.protocol)];
        let new_sizes = || self.metrics.request_size.with_label_values(&of_protocol);
        sizes.get_or_init(new_sizes).observe(octets(query.size));
        let new_duration = || self.metrics.request_duration.with_label_values(&self.of_zone());
        self.duration.get_or_init(new_duration).observe(elapsed.as_secs_f64());
        if query.dnssec_ok() {
            let new = || self.metrics.dnssec_ok_requests.with_label_values(&self.of_zone());
            self.dnssec_ok.get_or_init(new).inc();
        }
    }

    fn response(&self, query: &Query, rcode: ResponseCode, plugin: &str, size: usize) {
        let sizes = &self.response_sizes[protocol_number(query.protocol)];
        let of_protocol = self.of_protocol(query.protocol);
        let new_sizes = || self.metrics.response_size.with_label_values(&of_protocol);
        sizes.get_or_init(new_sizes).observe(octets(size));
        let [server, zone, view] = self.of_zone();
        self.metrics
            .responses
            .with_label_values(&[server, zone, view, rcode_name(rcode), plugin])
            .inc();
    }

    fn new_requests(&self, kind: RequestKind) -> IntCounter {
        let [server, zone, view, protocol] = self.of_protocol(kind.protocol);
        let labels = [server, zone, view, protocol, kind.family(), kind.record_type()];
        self.metrics.requests.with_label_values(&labels)
    }

    fn of_zone(&self) -> [&str; 3] {
        [&self.server, &self.zone, &self.view]
    }

    fn of_protocol(&self, protocol: Protocol) -> [&str; 4] {
        [&self.server, &self.zone, &self.view, protocol.as_str()]
    }
}

/// A message has at most 65535 octets.
pub(super) fn octets(size: usize) -> f64 {
    f64::from(u32::try_from(size).unwrap_or(u32::MAX))
}

impl fmt::Debug for ZoneMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, zone, view, .. } = self;
        f.debug_struct("ZoneMetrics")
            .field("server", server)
            .field("zone", zone)
            .field("view", view)
            .finish()
    }
}
