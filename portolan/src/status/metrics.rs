//! Numbers out of metrics, for what a role counts already.

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// The families of a registry, or of a part of it.
#[derive(Debug)]
pub(crate) struct Families(Vec<MetricFamily>);

impl Families {
    /// Returns these.
    pub(crate) fn new(families: Vec<MetricFamily>) -> Self {
        Self(families)
    }

    /// Returns the sum of a family's series; 0 of one that there is not.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.values(name, &[]).into_iter().map(|(_, value)| value).sum()
    }

    /// Returns the value of each series of a family with those of these labels, in the order of the family.
    pub(crate) fn values(&self, name: &str, labels: &[&str]) -> Vec<(Vec<String>, f64)> {
        let Some(family) = self.0.iter().find(|family| family.name() == name) else {
            return Vec::new();
        };
        let of = |metric: &Metric| {
            let value = match family.get_field_type() {
                MetricType::COUNTER => metric.get_counter().get_value(),
                MetricType::GAUGE => metric.get_gauge().get_value(),
                _ => 0.0,
            };
            (labels.iter().map(|label| label_of(metric, label)).collect(), value)
        };
        family.get_metric().iter().map(of).collect()
    }
}

fn label_of(metric: &Metric, name: &str) -> String {
    let found = metric.get_label().iter().find(|label| label.name() == name);
    found.map(|label| label.value().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

    use super::*;

    #[test]
    fn series_by_their_labels() {
        let registry = Registry::new();
        let gauge = IntGauge::new("a", "A.").unwrap();
        gauge.set(7);
        let counters = IntCounterVec::new(Opts::new("b_total", "B."), &["x", "y"]).unwrap();
        counters.with_label_values(&["1", "2"]).inc();
        counters.with_label_values(&["1", "3"]).inc_by(2);
        registry.register(Box::new(gauge)).unwrap();
        registry.register(Box::new(counters)).unwrap();
        let families = Families::new(registry.gather());
        assert_eq!(
            (families.sum("a"), families.sum("b_total"), families.sum("c")),
            (7.0, 3.0, 0.0)
        );
        let expected = [(vec!["2".to_owned()], 1.0), (vec!["3".to_owned()], 2.0)];
        assert_eq!(families.values("b_total", &["y"]), expected);
    }
}
