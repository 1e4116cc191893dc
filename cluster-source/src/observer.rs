//! What a source measures, for whoever makes metrics of it: this crate knows no metrics library.

use std::fmt;
use std::time::Duration;

use cluster::{Kind, ObjectKey};

/// Is told what a source that follows an API server measures, and which of its objects are bad. Manifests tell nothing.
///
/// The methods are called by the source's tasks between their work, from several threads, and have to return
/// at once. `host` is that of the server's URL as client-go labels it: `10.96.0.1:443`, `[fd00::1]:6443`,
/// `api.example`. Every request is a `GET`.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A change of endpoints can be answered, `took` after what triggered it (Kubernetes' SLI "DNS programming
    /// latency"). Zero if the clock that the trigger was read from is ahead of this one's.
    fn programmed(&self, service: ServiceKind, took: Duration);

    /// A request was held back for `wait`, zero where no limit held it.
    fn admitted(&self, host: &str, wait: Duration);

    /// A request was answered with this HTTP status, or not at all.
    fn answered(&self, host: &str, status: Option<u16>);

    /// A request is over after `took`, its wait included: with the whole response, with the head of a watch's,
    /// or without any.
    fn requested(&self, host: &str, took: Duration);

    /// An object, or a part of it, cannot be used; told again with every version and list. Nobody has to listen.
    fn unusable(&self, _: Unusable<'_>) {}
}

/// An object of the API server that cannot be used, or not as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unusable<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub key: &'a ObjectKey,
    /// Its `metadata.uid`; empty when it has none that can be read.
    pub uid: &'a str,
    /// What is wrong, with its kind, name and field, and what becomes of it or what to write instead.
    pub problem: &'a str,
}

/// Observes nothing.
impl Observer for () {
    fn programmed(&self, _: ServiceKind, _: Duration) {}

    fn admitted(&self, _: &str, _: Duration) {}

    fn answered(&self, _: &str, _: Option<u16>) {}

    fn requested(&self, _: &str, _: Duration) {}
}

/// What kind of Service a change of endpoints belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServiceKind {
    /// It has cluster addresses, which answer for its endpoints.
    ClusterIp,
    /// It has none. It has a selector: only then does the cluster write down what triggered a change.
    HeadlessWithSelector,
}
