//! Who a request is for.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future;
use hyper::StatusCode;

use super::{Handler, HttpReply, HttpRequest};

/// Puts a look at the `Host` before a handler: it has to be an address, `localhost` or this name; else 421.
///
/// A page of the web can let its own name lead to this host and then read what the server says (DNS rebinding);
/// it cannot choose another `Host` than its name.
pub fn only_own_hosts(name: Option<String>, handler: Handler) -> Handler {
    Arc::new(move |request: HttpRequest| match &request.host {
        Some(host) if !is_own(host, name.as_deref()) => {
            let text = format!(
                "{host} is not served here: ask by address, such as http://127.0.0.1:9353\n"
            );
            let reply = HttpReply::text(StatusCode::MISDIRECTED_REQUEST, text);
            Box::pin(future::ready(reply))
        }
        _ => handler(request),
    })
}

fn is_own(host: &str, name: Option<&str>) -> bool {
    let host = without_port(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let is = |other: &str| host.eq_ignore_ascii_case(other);
    host.parse::<IpAddr>().is_ok() || is("localhost") || name.is_some_and(is)
}

/// `10.0.0.1:80`, `[::1]:80`, `localhost` without port and brackets.
fn without_port(host: &str) -> &str {
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return if rest.is_empty() || rest.starts_with(':') { address } else { host };
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_hosts() {
        for (host, own) in [
            ("127.0.0.1", true),
            ("10.0.0.1:9353", true),
            ("[::1]:9353", true),
            ("[fe80::1]", true),
            ("localhost", true),
            ("LocalHost.:9353", true),
            ("admin.internal:9353", true),
            ("evil.example", false),
            ("evil.example:9353", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:9353", false),
            ("[::1].evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_own(host, Some("admin.internal")), own, "{host}");
        }
        assert!(!is_own("admin.internal", None));
    }
}
