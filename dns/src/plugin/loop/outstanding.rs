//! The probes that may still come back.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::rr::{LowerName, Name};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a probe is recognized after it was sent. Longer than it is waited for: copies that a loop has made of
/// it are then still answered and not forwarded.
const LIFE: Duration = Duration::from_secs(10);

/// How many probes of a server block may be outstanding. An upstream has a handful at most.
const MAX_OUTSTANDING: usize = 1024;

/// The probes of a server block that were sent less than [`LIFE`] ago.
#[derive(Default)]
pub(crate) struct Outstanding(Mutex<Vec<Probe>>);

struct Probe {
    token: u128,
    until: Instant,
    /// Whoever waits for it to come back the first time.
    waiting: Option<oneshot::Sender<()>>,
}

impl Outstanding {
    /// Notes a probe as sent; what it returns learns when it comes back. None when there are too many.
    pub(crate) fn begin(&self, token: u128, now: Instant) -> Option<oneshot::Receiver<()>> {
        let mut probes = self.probes();
        probes.retain(|probe| now < probe.until);
        if probes.len() >= MAX_OUTSTANDING {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        probes.push(Probe { token, until: now + LIFE, waiting: Some(sender) });
        Some(receiver)
    }

    /// Says whether a token that came in is that of a probe, and lets its sender know.
    pub(crate) fn arrived(&self, token: u128, now: Instant) -> bool {
        let mut is_ours = false;
        // All are compared as whole numbers, so that the time tells nothing about how close a guess is.
        for probe in self.probes().iter_mut() {
            if (probe.token == token) & (now < probe.until) {
                is_ours = true;
                // Its sender may have given up.
                let _ = probe.waiting.take().map(|waiting| waiting.send(()));
            }
        }
        is_ours
    }

    fn probes(&self) -> MutexGuard<'_, Vec<Probe>> {
        // Nothing that is done under the lock can leave the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tokens are secret.
impl fmt::Debug for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outstanding").finish_non_exhaustive()
    }
}

/// Returns the name of a probe: two labels of 16 hexadecimal digits in a zone; none when the zone's name leaves no
/// room. Two, because some resolvers do not pass on names of a single label.
pub(crate) fn probe_name(token: u128, zone: &Name) -> Option<Name> {
    let digits = format!("{token:032x}");
    let (first, second) = digits.split_at_checked(16)?;
    zone.prepend_label(second).ok()?.prepend_label(first).ok()
}

/// Returns the token in a name that has the form of a probe's, whatever follows it: an upstream may append a search
/// domain.
pub(crate) fn token_of(name: &LowerName) -> Option<u128> {
    let mut labels = name.iter();
    let high = half(labels.next()?)?;
    let low = half(labels.next()?)?;
    Some((u128::from(high) << 64) | u128::from(low))
}

fn half(label: &[u8]) -> Option<u64> {
    if label.len() != 16 || !label.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(label).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lower(name: &str) -> LowerName {
        LowerName::new(&Name::from_ascii(name).unwrap())
    }

    proptest! {
        #[test]
        fn names_and_tokens_are_inverse(token: u128) {
            for zone in [".", "example.org.", "10.in-addr.arpa."] {
                let name = probe_name(token, &Name::from_ascii(zone).unwrap()).unwrap();
                prop_assert_eq!(token_of(&LowerName::new(&name)), Some(token));
            }
        }
    }

    #[test]
    fn names_of_another_form_have_no_token() {
        for name in [
            ".",
            "0123456789abcdef.",
            "0123456789abcdef.0123456789abcde.",
            "0123456789abcdef.0123456789abcdeg.example.",
            "www.0123456789abcdef.0123456789abcdef.",
        ] {
            assert_eq!(token_of(&lower(name)), None, "{name}");
        }
        assert_eq!(half(b"+123456789abcdef"), None, "which is a number");
        assert_eq!(
            token_of(&lower("000000000000000A.00000000000000ff.a.b.")),
            Some((10 << 64) + 255)
        );
        let long = Name::from_ascii(format!("{0}.{0}.{0}.{0}.", "a".repeat(60))).unwrap();
        assert_eq!(probe_name(1, &long), None);
    }

    #[test]
    fn a_probe_is_known_for_its_life_and_told_once() {
        let (outstanding, sent) = (Outstanding::default(), Instant::now());
        let mut first = outstanding.begin(1, sent).unwrap();
        let mut second = outstanding.begin(2, sent).unwrap();
        assert!(!outstanding.arrived(3, sent));
        assert!(first.try_recv().is_err());
        assert!(outstanding.arrived(1, sent) && outstanding.arrived(1, sent), "copies too");
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        assert!(!outstanding.arrived(2, sent + LIFE), "too late");
        assert!(second.try_recv().is_err());
        let _third = outstanding.begin(3, sent + LIFE).unwrap();
        assert_eq!(outstanding.probes().len(), 1, "expired ones are gone");
    }

    #[test]
    fn there_is_a_limit() {
        let (outstanding, now) = (Outstanding::default(), Instant::now());
        for token in 0..MAX_OUTSTANDING as u128 {
            assert!(outstanding.begin(token, now).is_some());
        }
        assert!(outstanding.begin(u128::MAX, now).is_none());
        assert!(outstanding.begin(u128::MAX, now + LIFE).is_some());
    }
}
