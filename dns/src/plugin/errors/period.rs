//! Durations as Go prints them, which is how log searches know them.

use std::time::Duration;

/// Writes a duration as Go's `time.Duration.String`: `20ms`, `30s`, `5m0s`, `1h30m0.5s`.
pub(super) fn period(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 3) + "µs",
        1_000_000..1_000_000_000 => decimal(nanos, 6) + "ms",
        _ => {
            let minutes = duration.as_secs() / 60;
            let seconds = decimal(nanos - u128::from(minutes) * 60_000_000_000, 9) + "s";
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// Writes a number with its decimal point moved to the left, without trailing zeros.
fn decimal(value: u128, places: usize) -> String {
    let digits = format!("{value:0width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_prints_them() {
        for (nanos, expected) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (20_000_000, "20ms"),
            (30_000_000_000, "30s"),
            (60_000_000_000, "1m0s"),
            (300_000_000_000, "5m0s"),
            (90_050_000_000, "1m30.05s"),
            (5_400_500_000_000, "1h30m0.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(period(Duration::from_nanos(nanos)), expected);
        }
    }
}
