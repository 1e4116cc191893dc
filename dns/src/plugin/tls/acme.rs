//! `tls { acme … }`: certificates that the server gets and renews itself (RFC 8555).

use std::path::PathBuf;

use http::Uri;

use super::domain::AcmeDomain;
use crate::corefile::{CorefileError, Directive, Token};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;
use crate::plugin::root::Root;

/// The authority without `ca`: Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Where accounts and certificates are without `storage`, below `root`.
const STORAGE: &str = ".coredns/acme";

/// The most names of one directive. Each is a certificate of its own.
pub const MAX_DOMAINS: usize = 100;

/// A `tls` directive without files.
///
/// ```text
/// tls {
///     acme DOMAIN...
///     email EMAIL
///     ca URL
///     storage DIRECTORY
///     ca_root FILE
///     resolver HOST:PORT
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcmeConfig {
    /// The names, each with a certificate of its own; clients that name no server get that of the first.
    pub domains: Vec<AcmeDomain>,
    /// The address that the authority writes to.
    pub email: Option<String>,
    /// The URL of the authority's directory (RFC 8555 §7.1.1).
    pub ca: String,
    /// The directory of accounts, certificates and keys.
    pub storage: PathBuf,
    /// More certificates, in PEM, that the authority's own may be signed by, beside those that the host trusts.
    pub ca_root: Option<PathBuf>,
    /// The name server that knows the authority's address: `HOST:PORT`. None: the resolver of the host.
    pub resolver: Option<String>,
}

/// What two directives for the same certificates have in common.
type Options<'a> = (
    Vec<&'a AcmeDomain>,
    &'a Option<String>,
    &'a str,
    &'a PathBuf,
    &'a Option<PathBuf>,
    &'a Option<String>,
);

impl AcmeConfig {
    /// Reads the block of a `tls` directive that has no arguments.
    ///
    /// # Errors
    /// No domain is named, an option stands twice or is none, or its value cannot be used.
    pub(super) fn parse(directive: &Directive) -> Result<Self, CorefileError> {
        let mut config = Self {
            domains: Vec::new(),
            email: None,
            ca: LETS_ENCRYPT.to_owned(),
            storage: PathBuf::from(STORAGE),
            ca_root: None,
            resolver: None,
        };
        let mut seen: Vec<&str> = Vec::new();
        for line in directive.lines() {
            let name = line.name.text.as_str();
            if seen.contains(&name) {
                let text =
                    format!("ACME option '{name}' can only be specified once; remove this one");
                return Err(line.error(text));
            }
            seen.push(name);
            match name {
                "acme" => config.domains = domains(line)?,
                "email" => config.email = Some(email(arguments::single(line)?)?),
                "ca" => config.ca = directory(arguments::single(line)?)?,
                "storage" => config.storage = path(arguments::single(line)?)?,
                "ca_root" => config.ca_root = Some(path(arguments::single(line)?)?),
                "resolver" => config.resolver = Some(resolver(arguments::single(line)?)?),
                _ => {
                    let known = "acme, email, ca, storage, ca_root and resolver";
                    return Err(unknown_option(line, known));
                }
            }
        }
        if config.domains.is_empty() {
            return Err(directive.error(
                "tls needs a certificate; write 'tls CERT KEY', or 'acme DOMAIN' in its block for one by ACME",
            ));
        }
        Ok(config)
    }

    /// Returns the same with relative paths below the root.
    pub(super) fn in_root(mut self, root: &Root) -> Self {
        self.storage = root.join(&self.storage);
        self.ca_root = self.ca_root.map(|path| root.join(path));
        self
    }

    /// Says whether both ask for the same certificates in the same way; the order of the names does not matter.
    pub fn is_same(&self, other: &Self) -> bool {
        self.options() == other.options()
    }

    /// Returns the name whose certificate a client gets; none when it asks for one that is not served.
    pub fn domain_for(&self, server_name: Option<&str>) -> Option<&AcmeDomain> {
        match server_name {
            None => self.domains.first(),
            Some(asked) => {
                // The name itself before `*.`.
                let named = |domain: &&AcmeDomain| domain.as_str().eq_ignore_ascii_case(asked);
                let exact = self.domains.iter().find(named);
                exact.or_else(|| self.domains.iter().find(|domain| domain.matches(asked)))
            }
        }
    }

    fn options(&self) -> Options<'_> {
        let mut domains: Vec<&AcmeDomain> = self.domains.iter().collect();
        domains.sort_unstable();
        (domains, &self.email, &self.ca, &self.storage, &self.ca_root, &self.resolver)
    }
}

/// Finds domains that two directives ask for with other options (their `acme` lines), in the order of the Corefile.
pub(crate) fn conflicts(configured: &[(&AcmeConfig, &Directive)]) -> Vec<CorefileError> {
    let mut errors = Vec::new();
    for (at, (config, line)) in configured.iter().enumerate() {
        for domain in &config.domains {
            let owner = configured[..at].iter().find(|(other, _)| other.domains.contains(domain));
            if let Some((other, owner)) = owner
                && !other.is_same(config)
            {
                let position = &owner.name.position;
                errors.push(line.error(format!(
                    "ACME domain '{domain}' is configured with conflicting options at {position}; give both the \
                     same names and options, or take the domain out of one"
                )));
                break;
            }
        }
    }
    errors
}

fn domains(line: &Directive) -> Result<Vec<AcmeDomain>, CorefileError> {
    let mut domains = Vec::new();
    for token in arguments::some(line)? {
        let domain: AcmeDomain = token.text.parse().map_err(|remedy| {
            token.error(format!("invalid ACME domain '{}'; {remedy}", token.text))
        })?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
        if domains.len() > MAX_DOMAINS {
            return Err(token.error(format!(
                "acme takes at most {MAX_DOMAINS} domains; use '*.' and a name for many of them"
            )));
        }
    }
    Ok(domains)
}

fn email(token: &Token) -> Result<String, CorefileError> {
    let text = token.text.strip_prefix("mailto:").unwrap_or(&token.text);
    let parts = text.split_once('@');
    // What a mailto URL takes without escapes; the authority checks the rest (RFC 8555 §7.3).
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?,;:/\\%#&\"<>".contains(&byte));
    if !is_plain || parts.is_none_or(|(user, host)| user.is_empty() || host.is_empty()) {
        let text = format!(
            "'{}' is no mail address; write one such as hostmaster@example.org",
            token.text
        );
        return Err(token.error(text));
    }
    Ok(text.to_owned())
}

fn path(token: &Token) -> Result<PathBuf, CorefileError> {
    if token.text.is_empty() {
        return Err(token.error("the path is empty; write one"));
    }
    Ok(PathBuf::from(token.text.as_str()))
}

fn directory(token: &Token) -> Result<String, CorefileError> {
    let text = &token.text;
    let refused = |why: &str| token.error(format!("invalid ACME CA URL '{text}': {why}"));
    let example = "write the URL of a directory, such as https://ca.example/acme/directory";
    let url: Uri = text.parse().map_err(|_| refused(example))?;
    let (Some(scheme), Some(host)) = (url.scheme_str(), url.host().filter(|host| !host.is_empty()))
    else {
        return Err(refused(example));
    };
    match scheme {
        "https" => Ok(text.clone()),
        "http" if is_near(host) => Ok(text.clone()),
        "http" => Err(refused(
            "certificates are asked for over https:// only, except at private addresses",
        )),
        _ => Err(refused(example)),
    }
}

/// Says whether a host is on this machine or in this network, by its address or one of the names that are only known
/// there (RFC 6761, RFC 6762, RFC 8375).
fn is_near(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private(),
        Ok(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => {
            let name = bare.to_ascii_lowercase();
            let suffixes = [".localhost", ".local", ".internal", ".home.arpa"];
            name == "localhost" || suffixes.iter().any(|suffix| name.ends_with(suffix))
        }
    }
}

fn resolver(token: &Token) -> Result<String, CorefileError> {
    let text = &token.text;
    let refused = |why: &str| {
        token.error(format!(
            "invalid ACME resolver '{text}': {why}; write HOST:PORT such as 192.0.2.53:53"
        ))
    };
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return if address.port() == 0 { Err(refused("port 0 is none")) } else { Ok(text.clone()) };
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| refused("there is no port"))?;
    if host.is_empty() || host.contains([':', '[', ']']) {
        return Err(refused("there is no host"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(text.clone()),
        _ => Err(refused("the port is no number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests;
