//! Times as the Kubernetes API writes them.

use std::time::Duration;

use time::OffsetDateTime;

/// Writes a time since 1970 as a `MicroTime`: `2026-11-22T01:02:03.000004Z`.
pub(crate) fn micro_time(unix: Duration) -> String {
    let nanos = i128::try_from(unix.as_nanos()).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_of_a_second() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_709_164_800_000_004_999, "2024-02-29T00:00:00.000004Z"),
        ] {
            assert_eq!(micro_time(Duration::from_nanos(nanos)), text);
        }
    }
}
