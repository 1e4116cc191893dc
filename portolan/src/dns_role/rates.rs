//! How much is asked: what counters say from time to time becomes queries in a second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use dns::plugin::prometheus::DnsMetrics;
use tokio::time::MissedTickBehavior;

use crate::status::metrics::Families;

/// How often counters are read.
const STEP: Duration = Duration::from_secs(10);

/// The times over which rates are told.
pub(super) const SPANS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];

/// How many readings are kept: those of the longest span, and one from before it.
const READINGS: usize = 32;

/// What was counted since the start.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Counted {
    /// Queries, by type.
    pub types: BTreeMap<String, f64>,
    /// Replies, by rcode.
    pub rcodes: BTreeMap<String, f64>,
    /// Replies, by the plugin that made them; empty for the server itself.
    pub plugins: BTreeMap<String, f64>,
}

/// Readings of the counters, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<VecDeque<(Instant, Counted)>>);

/// How often something came.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rate {
    /// What.
    pub what: String,
    /// How often in a second, over each of [`SPANS`], or since the start while that is shorter.
    pub per_second: [f64; SPANS.len()],
    /// How often since the start.
    pub all: f64,
}

impl Counted {
    /// Reads the counters.
    pub(super) fn read(metrics: &DnsMetrics) -> Self {
        let families = Families::new(metrics.queries());
        let by = |family, label| {
            let mut sums = BTreeMap::new();
            for (labels, value) in families.values(family, &[label]) {
                *sums.entry(labels.concat()).or_default() += value;
            }
            sums
        };
        Self {
            types: by("coredns_dns_requests_total", "type"),
            rcodes: by("coredns_dns_responses_total", "rcode"),
            plugins: by("coredns_dns_responses_total", "plugin"),
        }
    }
}

impl Readings {
    /// Reads counters every now and then, until these are gone.
    pub(super) async fn follow(readings: Weak<Self>, metrics: DnsMetrics) {
        let mut step = tokio::time::interval(STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            step.tick().await;
            let Some(readings) = readings.upgrade() else { return };
            readings.add(Instant::now(), Counted::read(&metrics));
        }
    }

    /// Starts reading.
    pub(super) fn start(metrics: &DnsMetrics) -> Arc<Self> {
        let readings = Arc::new(Self::default());
        tokio::spawn(Self::follow(Arc::downgrade(&readings), metrics.clone()));
        readings
    }

    fn add(&self, at: Instant, counted: Counted) {
        // Nothing panics while it is held, here and below.
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if readings.len() == READINGS {
            readings.pop_front();
        }
        readings.push_back((at, counted));
    }

    /// Returns the rates of a part of what is counted, those that are highest in the last span first.
    pub(super) fn rates(
        &self,
        (now, counted): (Instant, &Counted),
        part: fn(&Counted) -> &BTreeMap<String, f64>,
    ) -> Vec<Rate> {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bases = SPANS.map(|span| base(&readings, now, span));
        let rate = |(what, all): (&String, &f64)| {
            let per_second = bases.map(|base| {
                let Some((at, before)) = base else { return 0.0 };
                let seconds = now.saturating_duration_since(*at).as_secs_f64();
                let more = all - part(before).get(what).copied().unwrap_or(0.0);
                if seconds > 0.0 { more.max(0.0) / seconds } else { 0.0 }
            });
            Rate { what: what.clone(), per_second, all: *all }
        };
        let mut rates: Vec<Rate> = part(counted).iter().map(rate).collect();
        rates.sort_by(|a, b| b.per_second[1].total_cmp(&a.per_second[1]));
        rates
    }
}

/// Returns the latest reading that is at least a span old; while there is none, the first.
fn base(
    readings: &VecDeque<(Instant, Counted)>,
    now: Instant,
    span: Duration,
) -> Option<&(Instant, Counted)> {
    let is_old = |(at, _): &&(Instant, Counted)| now.saturating_duration_since(*at) >= span;
    readings.iter().rev().find(is_old).or(readings.front())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(a: f64) -> Counted {
        let types = [("A".to_owned(), a), ("AAAA".to_owned(), 1.0)].into();
        Counted { types, ..Counted::default() }
    }

    /// Returns the rates of A after so many seconds of 5 queries a second and then 60 of 20.
    fn rates(seconds: u32) -> [f64; 2] {
        let (readings, start) = (Readings::default(), Instant::now());
        let all = |second: u32| {
            f64::from(second.min(seconds)) * 5.0 + f64::from(second.saturating_sub(seconds)) * 20.0
        };
        for second in (0..seconds + 60).step_by(10) {
            let at = start + Duration::from_secs(second.into());
            readings.add(at, counted(all(second)));
        }
        assert!(readings.0.lock().unwrap().len() <= READINGS);
        let now = start + Duration::from_secs((seconds + 60).into());
        let rates = readings.rates((now, &counted(all(seconds + 60))), |counted| &counted.types);
        assert_eq!((rates[0].what.as_str(), rates[1].what.as_str()), ("A", "AAAA"));
        assert_eq!(rates[1].per_second, [0.0, 0.0]);
        rates[0].per_second
    }

    #[test]
    fn rates_over_a_minute_and_over_five() {
        assert_eq!(rates(1_000), [20.0, (240.0 * 5.0 + 60.0 * 20.0) / 300.0]);
        // Of a shorter time it is told from the start on.
        assert_eq!(rates(60), [20.0, 12.5]);
    }

    #[test]
    fn at_once_after_the_start_there_is_no_rate() {
        let (readings, now) = (Readings::default(), Instant::now());
        let rates = |readings: &Readings| {
            readings.rates((now, &counted(7.0)), |counted| &counted.types).remove(0)
        };
        assert_eq!(rates(&readings), Rate { what: "A".into(), per_second: [0.0; 2], all: 7.0 });
        readings.add(now, counted(0.0));
        assert_eq!(rates(&readings).per_second, [0.0; 2]);
    }
}
