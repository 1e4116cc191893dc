//! The configuration of `dnstap`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;

use super::tls_files::{TlsFiles, server_config};
use crate::corefile::{CorefileError, Directive, Files, Token};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;
use crate::plugin::log::LogFormat;

/// What `queue` counts, in messages.
const QUEUE_UNIT: usize = 10_000;

/// What `writebuffer` counts, in octets.
const WRITE_BUFFER_UNIT: usize = 1 << 20;

/// One `dnstap` directive of possibly several.
///
/// ```text
/// dnstap ENDPOINT [full] [WRITEBUFFER] [QUEUE] {
///     identity NAME
///     version TEXT
///     extra TEXT
///     skipverify
/// }
/// dnstap listen ENDPOINT [full] {
///     identity NAME
///     version TEXT
///     extra TEXT
///     tls CERT KEY [CA]
///     skipverify
/// }
/// ```
#[derive(Clone, Debug)]
pub struct DnstapConfig {
    /// Where messages go to.
    pub endpoint: Endpoint,
    /// Who connects to whom.
    pub role: Role,
    /// Whether messages have the octets of the DNS message.
    pub full: bool,
    /// The name of the server; the host's by default.
    pub identity: Option<String>,
    /// The version of the software; `Portolan-VERSION` by default.
    pub version: String,
    /// More information, with the placeholders of `log`.
    pub extra: Option<LogFormat>,
}

/// A place to connect to or to listen at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// A Unix socket; relative to the server's working directory.
    Unix(PathBuf),
    /// A host and port, `192.0.2.1:6000` or `tap.example:6000`.
    Tcp(String),
    /// Likewise, encrypted.
    Tls(String),
}

/// Who connects.
#[derive(Clone, Debug)]
pub enum Role {
    /// This server, to a receiver.
    Connect {
        /// The messages that wait at most; 10,000 by default.
        queue: usize,
        /// The send buffer of the socket in octets, for TCP; 1 MiB by default.
        write_buffer: usize,
        /// Whether the receiver's certificate is believed, whatever it is.
        skip_verify: bool,
    },
    /// Receivers, to this server.
    Listen {
        /// The server's certificate and who may connect, with TLS.
        tls: Option<Arc<ServerConfig>>,
    },
}

impl DnstapConfig {
    /// Reads a directive; the files of `tls` are read through `files`, now and never again.
    ///
    /// # Errors
    /// What cannot be understood, or files that cannot be used.
    pub fn parse(directive: &Directive, files: &dyn Files) -> Result<Self, CorefileError> {
        let head = Head::read(directive)?;
        let mut config = Self {
            endpoint: endpoint(head.endpoint, head.is_listening)?,
            role: Role::Listen { tls: None },
            full: head.full,
            identity: None,
            version: format!("Portolan-{}", env!("CARGO_PKG_VERSION")),
            extra: None,
        };
        let (mut tls, mut skip_verify) = (None, false);
        for line in directive.lines() {
            match line.name.text.as_str() {
                "identity" => config.identity = Some(arguments::single(line)?.text.clone()),
                "version" => config.version.clone_from(&arguments::single(line)?.text),
                "extra" => config.extra = Some(LogFormat::new(&arguments::single(line)?.text)),
                "skipverify" => {
                    arguments::none(line)?;
                    skip_verify = true;
                }
                "tls" => tls = Some(line),
                _ => {
                    let known = "'identity', 'version', 'extra', 'skipverify' and 'tls'";
                    return Err(unknown_option(line, known));
                }
            }
        }
        config.role = role(&head, &config.endpoint, tls, skip_verify, files)?;
        Ok(config)
    }
}

fn role(
    head: &Head<'_>,
    endpoint: &Endpoint,
    tls: Option<&Directive>,
    skip_verify: bool,
    files: &dyn Files,
) -> Result<Role, CorefileError> {
    if head.is_listening {
        let tls = tls.map(|line| tls_files(line, skip_verify)).transpose()?;
        return Ok(Role::Listen { tls: listener_tls(head.endpoint, endpoint, tls, files)? });
    }
    if let Some(line) = tls {
        let text = "'tls' is for 'dnstap listen'; remove it, tls:// alone encrypts";
        return Err(line.error(text));
    }
    Ok(Role::Connect { queue: head.queue, write_buffer: head.write_buffer, skip_verify })
}

/// The arguments of a directive.
struct Head<'a> {
    is_listening: bool,
    endpoint: &'a Token,
    full: bool,
    write_buffer: usize,
    queue: usize,
}

impl<'a> Head<'a> {
    fn read(directive: &'a Directive) -> Result<Self, CorefileError> {
        let mut words = directive.args.as_slice();
        let is_listening = words.first().is_some_and(|word| word.text == "listen");
        words = &words[usize::from(is_listening)..];
        let Some((endpoint, mut words)) = words.split_first() else {
            let text = "dnstap needs an endpoint; write a path, unix://PATH, tcp://HOST:PORT or tls://HOST:PORT";
            return Err(directive.error(text));
        };
        let full = words.first().is_some_and(|word| word.text == "full");
        words = &words[usize::from(full)..];
        let most = if is_listening { 0 } else { 2 };
        if let Some(extra) = words.get(most) {
            return Err(
                extra.error(format!("'{}' is one argument too many; remove it", extra.text))
            );
        }
        let count = |at: usize, last, unit| match words.get(at) {
            None => Ok(1),
            Some(word) => arguments::number_in(word, 1..=last, unit),
        };
        let write_buffer = size(count(0, 1024, "MiB of write buffer")?, WRITE_BUFFER_UNIT);
        let queue = size(count(1, 4096, "times 10,000 messages")?, QUEUE_UNIT);
        Ok(Self { is_listening, endpoint, full, write_buffer, queue })
    }
}

fn size(count: u32, unit: usize) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(unit)
}

fn endpoint(token: &Token, is_listening: bool) -> Result<Endpoint, CorefileError> {
    let text = token.text.as_str();
    if let Some(host) = text.strip_prefix("tcp://") {
        return host_port(host, token, is_listening).map(Endpoint::Tcp);
    }
    if let Some(host) = text.strip_prefix("tls://") {
        return host_port(host, token, is_listening).map(Endpoint::Tls);
    }
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.is_empty() || path.contains("://") {
        let forms = "a path, unix://PATH, tcp://HOST:PORT or tls://HOST:PORT";
        return Err(token.error(format!("'{text}' is no endpoint; write {forms}")));
    }
    Ok(Endpoint::Unix(path.into()))
}

/// Reads `HOST:PORT`; a listener without a host listens at every address.
fn host_port(text: &str, token: &Token, is_listening: bool) -> Result<String, CorefileError> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if is_listening && let Some(port) = text.strip_prefix(':') {
        return host_port(&format!("[::]:{port}"), token, false);
    }
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        let is_host = !host.is_empty() && (host.starts_with('[') || !host.contains(':'));
        is_host && port.parse::<u16>().is_ok()
    });
    match parts {
        Some(_) => Ok(text.to_owned()),
        None => Err(token.error(format!(
            "'{}' names no host and port; write tcp://HOST:PORT or tls://HOST:PORT",
            token.text
        ))),
    }
}

fn tls_files(
    line: &Directive,
    skip_verify: bool,
) -> Result<(&Directive, TlsFiles<'_>), CorefileError> {
    let (certificate, key, ca) = match line.args.as_slice() {
        [certificate, key] => (certificate, key, None),
        [certificate, key, ca] => (certificate, key, Some(ca)),
        _ => return Err(line.error("tls takes CERT KEY [CA]; write the paths of the files")),
    };
    Ok((line, TlsFiles { certificate, key, ca: ca.filter(|_| !skip_verify) }))
}

fn listener_tls(
    token: &Token,
    endpoint: &Endpoint,
    tls: Option<(&Directive, TlsFiles<'_>)>,
    files: &dyn Files,
) -> Result<Option<Arc<ServerConfig>>, CorefileError> {
    match (endpoint, tls) {
        (Endpoint::Tls(_), Some((_, tls))) => server_config(tls, files).map(Some),
        (Endpoint::Tls(_), None) => {
            Err(token.error("a listener with tls:// needs a certificate; add 'tls CERT KEY'"))
        }
        (Endpoint::Unix(_) | Endpoint::Tcp(_), None) => Ok(None),
        (Endpoint::Unix(_) | Endpoint::Tcp(_), Some((line, _))) => {
            Err(line.error("'tls' needs an endpoint with tls://; change it, or remove 'tls'"))
        }
    }
}

/// As metrics and logs spell it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Tls(host) => write!(f, "tls://{host}"),
        }
    }
}

#[cfg(test)]
mod tests;
