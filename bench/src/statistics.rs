//! What is made of many numbers.

use std::time::Duration;

/// Returns the middle one, the upper of two; none of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Returns the time that `share`, from 0 to 1, of the sorted times do not exceed; none of nothing.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Option<Duration> {
    #[expect(clippy::cast_possible_truncation, reason = "a share of a length is an index")]
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied()
}

/// Returns microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{median, percentile};

    #[test]
    fn the_median_does_not_follow_outliers() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn percentiles_are_of_the_list() {
        let times: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(percentile(&times, 0.5), Some(Duration::from_micros(101)));
        assert_eq!(percentile(&times, 0.99), Some(Duration::from_micros(199)));
        assert_eq!(percentile(&times[..1], 0.99), Some(Duration::from_micros(1)));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
