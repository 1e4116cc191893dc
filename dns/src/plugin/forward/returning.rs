//! Whether an upstream leads back to this server, as `loop` finds out.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use prometheus::IntGauge;
use tokio::sync::watch;

/// Whether queries to one upstream come back to this server.
#[derive(Debug)]
pub(crate) struct Returning {
    /// What to do about it, while they do.
    remedy: ArcSwapOption<String>,
    gauge: OnceLock<IntGauge>,
    suspicions: watch::Sender<()>,
}

impl Returning {
    /// Returns the state of an upstream of which nothing is known.
    pub(crate) fn unknown() -> Self {
        let suspicions = watch::Sender::new(());
        Self { remedy: ArcSwapOption::empty(), gauge: OnceLock::new(), suspicions }
    }

    /// Says whether queries come back, so that none may be sent.
    pub(crate) fn is_so(&self) -> bool {
        self.remedy.load().is_some()
    }

    /// Returns what to do about it, while queries come back.
    pub(crate) fn remedy(&self) -> Option<Arc<String>> {
        self.remedy.load_full()
    }

    /// Counts the upstream in this gauge while it leads back here.
    pub(crate) fn show_in(&self, gauge: IntGauge) {
        // It is set once, by whoever makes the upstream.
        let _ = self.gauge.set(gauge);
    }

    /// Queries come back.
    pub(crate) fn begin(&self, remedy: &str) {
        if self.remedy.swap(Some(Arc::new(remedy.to_owned()))).is_none() {
            self.gauge.get().inspect(|gauge| gauge.inc());
        }
    }

    /// Queries come back no more.
    pub(crate) fn end(&self) {
        if self.remedy.swap(None).is_some() {
            self.gauge.get().inspect(|gauge| gauge.dec());
        }
    }

    /// Notes that a query was not answered, as happens to one that comes back.
    pub(crate) fn suspect(&self) {
        self.suspicions.send_replace(());
    }

    /// Returns what learns of suspicions, and of the upstream's end.
    pub(crate) fn suspicions(&self) -> watch::Receiver<()> {
        self.suspicions.subscribe()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_counts_upstreams_that_lead_back() {
        let gauge = IntGauge::new("looping", "looping").unwrap();
        let (one, other) = (Returning::unknown(), Returning::unknown());
        one.show_in(gauge.clone());
        other.show_in(gauge.clone());
        assert!(!one.is_so());
        one.begin("remove it");
        one.begin("remove it");
        other.begin("");
        assert_eq!((one.remedy().unwrap().as_str(), gauge.get()), ("remove it", 2));
        one.end();
        one.end();
        assert_eq!((one.is_so(), gauge.get()), (false, 1));
        drop(other);
        assert_eq!(gauge.get(), 0, "a reload that drops it");
    }

    #[test]
    fn suspicions_are_seen_later_too() {
        let returning = Returning::unknown();
        let mut suspicions = returning.suspicions();
        returning.suspect();
        assert!(suspicions.has_changed().unwrap());
        suspicions.mark_unchanged();
        assert!(!suspicions.has_changed().unwrap());
        drop(returning);
        assert!(suspicions.has_changed().is_err());
    }
}
