//! The web configuration as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::Flaw;
use crate::plugin::arguments::parse_duration;

/// A web configuration. Unknown keys are refused.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) tls_server_config: Option<TlsSection>,
    http_server_config: Option<HttpSection>,
    pub(super) basic_auth_users: Option<BTreeMap<String, String>>,
    rate_limit: Option<RateSection>,
}

/// `tls_server_config`.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsSection {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) curve_preferences: Option<Vec<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// `http_server_config`.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct HttpSection {
    http2: Option<bool>,
    headers: Option<BTreeMap<String, String>>,
}

/// `rate_limit`.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct RateSection {
    interval: Option<String>,
    burst: Option<u32>,
}

/// The headers that may be set, and their values where there are few.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

impl Written {
    /// Reads the text.
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut options = serde_saphyr::Options::default();
        options.with_snippet = false;
        options.strict_booleans = true;
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            Flaw::new(format!("line {line}"), format!("{}; correct it", error.without_snippet()))
        })
    }

    /// Says whether HTTP/2 is offered.
    pub(super) fn http2(&self) -> bool {
        self.http_server_config.as_ref().and_then(|http| http.http2).unwrap_or(true)
    }

    /// Returns the headers of every reply; an empty value sets none.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Flaw> {
        let headers = self.http_server_config.as_ref().and_then(|http| http.headers.as_ref());
        let written = headers.into_iter().flatten();
        let read = written.map(|(name, value)| header(name, value));
        read.filter(|header| header.as_ref().map_or(true, |(_, value)| !value.is_empty())).collect()
    }

    /// Returns the interval and the burst of the limit of requests, if there is one.
    pub(super) fn rate(&self) -> Result<Option<(Duration, u32)>, Flaw> {
        let Some(section) = &self.rate_limit else { return Ok(None) };
        let text = section.interval.as_deref().unwrap_or("0");
        let interval = parse_duration(text).ok_or_else(|| {
            let problem = format!("'{text}' is no duration; write for example 1s");
            Flaw::new("rate_limit.interval", problem)
        })?;
        Ok((!interval.is_zero()).then_some((interval, section.burst.unwrap_or(0))))
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Flaw> {
    let key = format!("http_server_config.headers.{name}");
    let Some((_, values)) = HEADERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
        let problem = format!("this header cannot be set; there is {}", known.join(", "));
        return Err(Flaw::new(key, problem));
    };
    if !values.is_empty() && !values.contains(&value) {
        let problem = format!("'{value}' is no value of it; write {}", values.join(" or "));
        return Err(Flaw::new(key, problem));
    }
    let read = (HeaderName::try_from(name).ok()).zip(HeaderValue::try_from(value).ok());
    read.ok_or_else(|| Flaw::new(key, "the value has characters that no header can have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        for text in ["", "# nothing\n", "http_server_config:\nrate_limit:\n", "rate_limit: {}"] {
            let written = Written::parse(text).unwrap();
            assert!(written.http2() && written.headers().unwrap().is_empty(), "{text}");
            assert_eq!(written.rate().unwrap(), None);
        }
    }

    #[test]
    fn http_and_rate() {
        let text = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    \
                    X-XSS-Protection: ''\nrate_limit:\n  interval: 1.5s\n  burst: 20\n";
        let written = Written::parse(text).unwrap();
        assert!(!written.http2());
        let headers = written.headers().unwrap();
        assert_eq!(
            headers,
            [(HeaderName::from_static("x-frame-options"), "deny".parse().unwrap())]
        );
        assert_eq!(written.rate().unwrap(), Some((Duration::from_millis(1500), 20)));
        let written = Written::parse("rate_limit:\n  interval: 0\n  burst: 1\n").unwrap();
        assert_eq!(written.rate().unwrap(), None);
    }

    #[test]
    fn what_is_refused() {
        for (text, key, part) in [
            ("tls_server_config:\n  cert_fiel: x\n", "line 2", "cert_fiel"),
            ("a: [\n", "line ", "correct it"),
            ("basic_auth_users:\n  a: b\n  a: c\n", "line 3", "duplicate"),
            ("http_server_config:\n  http2: maybe\n", "line 2", "correct it"),
            (
                "http_server_config:\n  headers:\n    Server: x\n",
                "http_server_config.headers.Server",
                "cannot be set",
            ),
            (
                "http_server_config:\n  headers:\n    X-Frame-Options: allow\n",
                "http_server_config.headers.X-Frame-Options",
                "deny or sameorigin",
            ),
            ("rate_limit:\n  interval: fast\n", "rate_limit.interval", "is no duration"),
        ] {
            let flaw = Written::parse(text)
                .and_then(|written| written.headers().and(written.rate()).map(|_| ()))
                .unwrap_err();
            assert!(flaw.key.starts_with(key), "{text}: {flaw:?}");
            assert!(flaw.problem.contains(part), "{text}: {flaw:?}");
        }
    }
}
