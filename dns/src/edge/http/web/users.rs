//! Names and passwords (RFC 7617).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::HeaderValue;

use super::Flaw;

/// Compared with for users that do not exist, so that they take as long as those who do. Of no known password.
const NOBODY: &str = "$2b$10$408JinrnrYb5yXNTdiOTPeqmm8MBJRft7cQ4vXgytbzIKKy4.C7ke";

/// The highest cost of a hash: 18 takes seconds, and each step twice as long.
const MAX_COST: u32 = 18;

/// Who may read, by bcrypt hashes of their passwords; without users everybody.
#[derive(Clone, Default, Debug)]
pub(super) struct Users(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    hashes: BTreeMap<String, String>,
    /// A keyed digest of each user's password that was right: a hash takes long on purpose.
    seen: std::sync::Mutex<HashMap<String, u64>>,
    digest: RandomState,
    /// One hash at a time, so that guessing keeps one processor busy at most.
    turn: tokio::sync::Mutex<()>,
}

impl Users {
    /// Checks the hashes.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Result<Self, Flaw> {
        for (name, hash) in &hashes {
            let cost = hash.parse::<bcrypt::HashParts>().map(|parts| parts.get_cost());
            let problem = match cost {
                Ok(cost) if cost <= MAX_COST => continue,
                Ok(cost) => format!(
                    "a cost of {cost} takes minutes for each request; at most {MAX_COST} is allowed, 10 is usual"
                ),
                Err(error) => {
                    format!("is no bcrypt hash ({error}); make one with `htpasswd -nBC 10 \"\"`")
                }
            };
            return Err(Flaw::new(format!("basic_auth_users.{name}"), problem));
        }
        let known = |hashes| Known {
            hashes,
            seen: std::sync::Mutex::default(),
            digest: RandomState::new(),
            turn: tokio::sync::Mutex::default(),
        };
        Ok(Self((!hashes.is_empty()).then(|| Arc::new(known(hashes)))))
    }

    /// Says whether this `Authorization` suffices.
    pub(super) async fn allow(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some(known) = &self.0 else { return true };
        let Some((name, password)) = authorization.and_then(credentials) else { return false };
        known.is_right(name, password).await
    }
}

impl Known {
    async fn is_right(self: &Arc<Self>, name: String, password: String) -> bool {
        let digest = self.digest.hash_one((&name, &password));
        let seen = |known: &Self| {
            let seen = known.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.get(&name) == Some(&digest)
        };
        if seen(self) {
            return true;
        }
        let _turn = self.turn.lock().await;
        // Somebody may have been right meanwhile.
        if seen(self) {
            return true;
        }
        let known = self.hashes.get(&name);
        let (is_known, hash) = (known.is_some(), known.map_or(NOBODY, String::as_str).to_owned());
        let compared = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let is_right = is_known && matches!(compared.await, Ok(Ok(true)));
        if is_right {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name, digest);
        }
        is_right
    }
}

/// Reads `Basic BASE64(NAME:PASSWORD)`.
fn credentials(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(hash: &str) -> Result<Users, Flaw> {
        Users::new(BTreeMap::from([("ann".to_owned(), hash.to_owned())]))
    }

    fn basic(text: &str) -> HeaderValue {
        format!("Basic {}", BASE64_STANDARD.encode(text)).parse().unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user() {
        let users = users(&bcrypt::hash("se:cret", 4).unwrap()).unwrap();
        assert!(!users.allow(None).await);
        for round in 0..2 {
            for (text, allowed) in [
                ("ann:se:cret", true),
                ("ann:secret", false),
                ("ann:", false),
                ("ann", false),
                ("bob:se:cret", false),
                (":", false),
            ] {
                assert_eq!(users.allow(Some(&basic(text))).await, allowed, "{text}, {round}");
            }
        }
        for header in ["Basic", "Basic !", "Bearer YW5uOnNlOmNyZXQ=", "Basic /w=="] {
            assert!(!users.allow(Some(&HeaderValue::from_static(header))).await, "{header}");
        }
        assert!(users.allow(Some(&HeaderValue::from_static("basic YW5uOnNlOmNyZXQ="))).await);
        assert!(Users::default().allow(None).await, "without users everybody may read");
    }

    #[test]
    fn hashes_are_checked() {
        assert!(users(NOBODY).is_ok());
        let flaw = users("secret").unwrap_err();
        assert_eq!(flaw.key, "basic_auth_users.ann");
        assert!(flaw.problem.contains("is no bcrypt hash"), "{}", flaw.problem);
        let flaw = users(&NOBODY.replacen("10", "31", 1)).unwrap_err();
        assert!(flaw.problem.contains("a cost of 31"), "{}", flaw.problem);
    }
}
