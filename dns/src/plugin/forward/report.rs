//! What happened to a query upstream, for the operator.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::bailiwick::Dropped;
use crate::edge::upstream::{Carriage, ExchangeError};
use crate::plugin::arguments::rcode_name;
use crate::{ExtendedErrorCode, Reply};

/// How many attempts a failure tells of.
const MAX_TOLD: usize = 4;

/// One question to one upstream.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) upstream: Arc<str>,
    /// What carried the answer, or else the question.
    pub(super) carriage: Carriage,
    /// Whether the upstream counted as healthy before.
    pub(super) was_healthy: bool,
    pub(super) elapsed: Duration,
    pub(super) result: Result<ResponseCode, ExchangeError>,
    /// Records that were not passed on.
    pub(super) dropped: Dropped,
}

/// Why a query got no reply from upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// No attempt was successful.
    NoReply,
    /// Every upstream leads back to this server; these are they.
    Looping(String),
    /// Every upstream is unhealthy and `failfast_all_unhealthy_upstreams` says not to try.
    AllUnhealthy,
    /// Every upstream is unhealthy, and enough queries ask one nevertheless.
    NoTrial,
    /// No address of an upstream is known, for the reasons given.
    Unresolved(String),
    /// As many sockets as allowed are in use.
    NoSocket,
    /// The query cannot be encoded.
    NotEncodable,
}

impl Failure {
    /// Returns the SERVFAIL that says why (RFC 8914 §4.23, §4.24): to the operator with the addresses of upstreams, to the
    /// client without.
    pub(super) fn reply(&self, attempts: &[Attempt]) -> Reply {
        let is_silence = |attempt: &Attempt| {
            matches!(attempt.result, Err(ExchangeError::TimedOut { ignored: None, .. }))
        };
        let (code, told, why) = match self {
            Self::NoReply if attempts.iter().all(is_silence) => {
                (ExtendedErrorCode::NoReachableAuthority, "no upstream answers", told(attempts))
            }
            Self::NoReply => {
                (ExtendedErrorCode::NetworkError, "no upstream gives an answer", told(attempts))
            }
            Self::AllUnhealthy => {
                let why = "every upstream is unhealthy";
                (ExtendedErrorCode::NoReachableAuthority, why, after(attempts, why))
            }
            Self::Looping(upstreams) => {
                let told = "every upstream leads back to this server";
                let why = after(attempts, &format!("{told}: {upstreams}"));
                (ExtendedErrorCode::NoReachableAuthority, told, why)
            }
            Self::NoTrial => {
                let why = "every upstream is unhealthy, and other queries are trying them";
                (ExtendedErrorCode::NoReachableAuthority, why, after(attempts, why))
            }
            Self::Unresolved(why) => {
                let told = "no address of an upstream is known";
                (ExtendedErrorCode::NoReachableAuthority, told, why.clone())
            }
            Self::NoSocket => {
                let why = "too many queries are being forwarded";
                (ExtendedErrorCode::Other, why, why.to_owned())
            }
            Self::NotEncodable => {
                let why = "the query cannot be encoded";
                (ExtendedErrorCode::Other, why, why.to_owned())
            }
        };
        let is_momentary = matches!(self, Self::NoTrial | Self::NoSocket);
        Reply { is_momentary, ..Reply::server_failure(code, why).telling(told) }
    }
}

/// Returns why no further attempt was made, after those that were.
fn after(attempts: &[Attempt], why: &str) -> String {
    if attempts.is_empty() { why.to_owned() } else { format!("{}; now {why}", told(attempts)) }
}

/// Returns for example `2 upstreams tried: 10.0.0.1:53: timed out after 2s; 10.0.0.2:53: connection refused`.
fn told(attempts: &[Attempt]) -> String {
    let upstreams: BTreeSet<&str> = attempts.iter().map(|attempt| &*attempt.upstream).collect();
    let plural = if upstreams.len() == 1 { "" } else { "s" };
    let mut text = format!("{} upstream{plural} tried", upstreams.len());
    if attempts.len() > upstreams.len() {
        text += &format!(" in {} attempts", attempts.len());
    }
    for (at, attempt) in attempts.iter().take(MAX_TOLD).enumerate() {
        text += if at == 0 { ": " } else { "; " };
        text += &format!("{}: {}", attempt.upstream, attempt.outcome());
    }
    if attempts.len() > MAX_TOLD {
        text += &format!("; and {} more", attempts.len() - MAX_TOLD);
    }
    text
}

impl Attempt {
    fn outcome(&self) -> String {
        match &self.result {
            Ok(rcode) => rcode_name(*rcode).to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

/// As `explain` shows it: `10.0.0.1:53 by udp: NOERROR in 1.2ms`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let health = if self.was_healthy { "" } else { " (unhealthy)" };
        let carriage = self.carriage.as_str();
        write!(f, "{}{health} by {carriage}: {}", self.upstream, self.outcome())?;
        match &self.result {
            // The error says it.
            Err(ExchangeError::TimedOut { .. }) => Ok(()),
            Ok(_) | Err(_) => write!(f, " in {:.1?}", self.elapsed),
        }?;
        for (section, records) in self.dropped.sections() {
            let plural = if records == 1 { "" } else { "s" };
            write!(
                f,
                ", {records} {section} record{plural} dropped that the question does not lead to"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn attempt(upstream: &str, result: Result<ResponseCode, ExchangeError>) -> Attempt {
        Attempt {
            upstream: upstream.into(),
            carriage: Carriage::Udp,
            was_healthy: true,
            elapsed: Duration::from_micros(1250),
            result,
            dropped: Dropped::default(),
        }
    }

    fn silence(milliseconds: u64) -> Result<ResponseCode, ExchangeError> {
        let after = Duration::from_millis(milliseconds);
        Err(ExchangeError::TimedOut { after, ignored: None })
    }

    #[test]
    fn failures_name_upstreams_and_reasons() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let attempts =
            [attempt("10.0.0.1:53", silence(2000)), attempt("[::1]:53", Err(refused.into()))];
        let reply = Failure::NoReply.reply(&attempts);
        assert_eq!(reply.rcode, ResponseCode::ServFail);
        assert_eq!(
            reply.error.as_deref(),
            Some(
                "2 upstreams tried: 10.0.0.1:53: timed out after 2s; [::1]:53: connection refused"
            )
        );
        assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NetworkError);
        assert_eq!(attempts[0].to_string(), "10.0.0.1:53 by udp: timed out after 2s");
        assert_eq!(attempts[1].to_string(), "[::1]:53 by udp: connection refused in 1.2ms");
    }

    #[test]
    fn many_attempts_are_told_shortly() {
        let attempts: Vec<_> = (0..6).map(|_| attempt("10.0.0.1:53", silence(1500))).collect();
        let reply = Failure::NoReply.reply(&attempts);
        let error = reply.error.unwrap();
        assert!(
            error.starts_with("1 upstream tried in 6 attempts: 10.0.0.1:53: timed out after 1.5s;")
        );
        assert!(error.ends_with("; and 2 more"), "{error}");
        assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NoReachableAuthority);
        let now = Failure::AllUnhealthy.reply(&attempts[..1]).error.unwrap();
        assert!(now.ends_with("; now every upstream is unhealthy"), "{now}");
    }
}
