//! The secrets of the server's cookies, and the time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::cookie::{Cookie, Secret};
use crate::plugin::cookie::{CookieConfig, CookieSecrets};

/// How long the server makes cookies with one random secret, in seconds (RFC 7873 §7.1 advises a day). The one before
/// stays good as long, so that no cookie ends with its secret.
const ROTATION: u32 = 24 * 3600;

/// A random secret that changes, and the one before it.
#[derive(Debug)]
pub(super) struct Cookies {
    own: ArcSwap<OwnSecrets>,
    random: fn() -> Secret,
}

struct OwnSecrets {
    /// The one in use first.
    secrets: [Secret; 2],
    /// When the one in use came into use, in seconds.
    since: u32,
}

impl Cookies {
    pub(super) fn new() -> Self {
        Self::with(now(), rand::random)
    }

    fn with(now: u32, random: fn() -> Secret) -> Self {
        let own = OwnSecrets { secrets: [random(), random()], since: now };
        Self { own: ArcSwap::from_pointee(own), random }
    }

    /// Returns a client's cookie with what the server makes of it.
    pub(super) fn check(&self, cookie: Cookie, client: IpAddr, config: &CookieConfig) -> Cookie {
        self.check_at(cookie, client, config, now())
    }

    fn check_at(&self, cookie: Cookie, client: IpAddr, config: &CookieConfig, now: u32) -> Cookie {
        match &config.secrets {
            CookieSecrets::Own => cookie.checked(&self.own_secrets(now), client, now),
            CookieSecrets::Shared(secrets) => cookie.checked(secrets, client, now),
            CookieSecrets::Off => cookie,
        }
    }

    fn own_secrets(&self, now: u32) -> [Secret; 2] {
        let own = self.own.load();
        if !own.is_over(now) {
            return own.secrets;
        }
        drop(own);
        // Of several that find it over one makes the next.
        self.own
            .rcu(|own| if own.is_over(now) { own.next(now, self.random) } else { Arc::clone(own) });
        self.own.load().secrets
    }
}

impl OwnSecrets {
    /// Says whether it is time for another one; a clock that went back is none.
    fn is_over(&self, now: u32) -> bool {
        now.wrapping_sub(self.since).cast_signed() >= ROTATION.cast_signed()
    }

    fn next(&self, now: u32, random: fn() -> Secret) -> Arc<Self> {
        Arc::new(Self { secrets: [random(), self.secrets[0]], since: now })
    }
}

/// Keeps secrets out of logs.
impl std::fmt::Debug for OwnSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnSecrets").field("since", &self.since).finish_non_exhaustive()
    }
}

/// Returns the seconds since 1970, modulo 2^32 (RFC 9018 §4.3).
fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Below 2^32 after the remainder.
    u32::try_from(since.as_secs() % (1 << 32)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::ServerCookie;

    /// A cookie of the last minute of a secret is good for its hour, and one of two secrets ago is not.
    #[test]
    fn the_secret_changes_every_day() {
        let start = 1_000_000;
        let cookies = Cookies::with(start, rand::random);
        let config = CookieConfig::default();
        let address = "192.0.2.1".parse().unwrap();
        let ask = |server, now| {
            let cookie = Cookie { client: [1; 8], server, checked: None };
            cookies.check_at(cookie, address, &config, now).checked.unwrap()
        };
        let (before, after) = (start + ROTATION - 60, start + ROTATION + 60);
        let old = ask(ServerCookie::Absent, before).reply;
        assert_eq!(ask(ServerCookie::Given(old), before).reply, old);
        let first = cookies.own_secrets(before);
        let again = ask(ServerCookie::Given(old), after);
        assert!(again.is_valid && again.reply != old);
        let second = cookies.own_secrets(after);
        assert!(second[0] != first[0] && second[1] == first[0]);
        assert_eq!(cookies.own_secrets(after + ROTATION)[1], second[0]);
    }

    #[test]
    fn off_is_off() {
        let cookie = Cookie { client: [1; 8], server: ServerCookie::Absent, checked: None };
        let config = CookieConfig { secrets: CookieSecrets::Off, ..CookieConfig::default() };
        let checked = Cookies::new().check(cookie, "192.0.2.1".parse().unwrap(), &config);
        assert_eq!(checked, cookie);
    }
}
