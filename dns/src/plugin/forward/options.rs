//! Reads the `forward` directive and its options.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::config::{Carrier, DohMethod, ForwardConfig, LetterCase, ProbeConfig};
use super::endpoint::{parse_address, parse_scoped};
use super::target::{self, Host, Target};
use super::{Policy, resolv_conf};
use crate::corefile::{CorefileError, Directive, Files, Token};
use crate::plugin::arguments;
use crate::plugin::directive::unknown_option;

/// The options as an error lists them.
const OPTIONS: &str = "except, policy, force_tcp, prefer_udp, source_address, case_randomization, next, next_on_nodata, failover, \
    failfast_all_unhealthy_upstreams, health_check, tls, tls_servername, doh_method, resolver, expire, max_age, \
    max_idle_conns, resolve_interval, read_timeout, max_fails, max_connect_attempts and max_concurrent";

/// Where the host says which resolvers it uses.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Reads a directive with everything in its block.
pub(super) fn parse(
    directive: &Directive,
    files: &dyn Files,
) -> Result<ForwardConfig, CorefileError> {
    let [from, to @ ..] = directive.args.as_slice() else {
        return Err(directive.error(
            "forward needs a zone and at least one upstream; write for example 'forward . \
             /etc/resolv.conf'",
        ));
    };
    let from = arguments::zones(std::slice::from_ref(from))?;
    let mut config = ForwardConfig::new(from, target::parse(directive, to, files)?);
    config.position = Some(directive.name.position.clone());
    for line in directive.lines() {
        arguments::no_block(line)?;
        option(&mut config, line, files)?;
    }
    check_source(directive, &config)?;
    check_server_names(directive, &config)?;
    find_resolvers(directive, &mut config, files)?;
    Ok(config)
}

fn option(
    config: &mut ForwardConfig,
    line: &Directive,
    files: &dyn Files,
) -> Result<(), CorefileError> {
    match line.name.text.as_str() {
        "except" => config.except.extend(arguments::zones(arguments::some(line)?)?),
        "policy" => config.policy = policy(arguments::single(line)?)?,
        "force_tcp" => {
            arguments::none(line)?;
            config.carrier = Carrier::Tcp;
        }
        "prefer_udp" => {
            arguments::none(line)?;
            if config.carrier != Carrier::Tcp {
                config.carrier = Carrier::Udp;
            }
        }
        "source_address" => config.source = Some(address(arguments::single(line)?)?),
        "case_randomization" => {
            arguments::none(line)?;
            config.letter_case = LetterCase::Random;
        }
        "next" => config.next.extend(rcodes(line)?),
        "next_on_nodata" => {
            arguments::none(line)?;
            config.next_on_nodata = true;
        }
        "failover" => config.failover.extend(failover(line)?),
        "failfast_all_unhealthy_upstreams" => {
            arguments::none(line)?;
            config.failfast = true;
        }
        "health_check" => config.probe = health_check(line)?,
        "tls" => config.tls.read_files(line, files)?,
        "tls_servername" => config.tls.read_server_name(line)?,
        "doh_method" => config.doh_method = doh_method(arguments::single(line)?)?,
        // As in CoreDNS, the last line counts.
        "resolver" => config.resolvers = resolvers(line, files)?,
        _ => return limit(config, line),
    }
    Ok(())
}

/// Reads the options that are a number or a time.
fn limit(config: &mut ForwardConfig, line: &Directive) -> Result<(), CorefileError> {
    match line.name.text.as_str() {
        "expire" => config.idle.expire = arguments::duration(arguments::single(line)?)?,
        "max_age" => {
            let age = arguments::duration(arguments::single(line)?)?;
            config.idle.max_age = Some(age).filter(|age| !age.is_zero());
        }
        "max_idle_conns" => config.idle.max_connections = count(line)?,
        "resolve_interval" => {
            config.resolve_interval = positive_duration(arguments::single(line)?)?;
        }
        "read_timeout" => config.read_timeout = positive_duration(arguments::single(line)?)?,
        "max_fails" => config.max_fails = count(line)?,
        // Attempts are never unbounded: 0 keeps the default.
        "max_connect_attempts" => config.max_attempts = count(line)?,
        "max_concurrent" => config.max_concurrent = count(line)?,
        _ => return Err(unknown_option(line, OPTIONS)),
    }
    Ok(())
}

/// Reads a number of which 0 means none.
fn count(line: &Directive) -> Result<Option<NonZeroU32>, CorefileError> {
    arguments::number(arguments::single(line)?).map(NonZeroU32::new)
}

fn positive_duration(token: &Token) -> Result<Duration, CorefileError> {
    let duration = arguments::duration(token)?;
    if duration.is_zero() {
        return Err(token.error(format!("'{}' is no time; write more than 0", token.text)));
    }
    Ok(duration)
}

fn policy(token: &Token) -> Result<Policy, CorefileError> {
    match token.text.as_str() {
        "random" => Ok(Policy::Random),
        "round_robin" => Ok(Policy::RoundRobin),
        "sequential" => Ok(Policy::Sequential),
        text => {
            Err(token
                .error(format!("Unknown policy '{text}'; use random, round_robin or sequential")))
        }
    }
}

/// Reads a method of HTTP; letter case does not matter, as in CoreDNS.
fn doh_method(token: &Token) -> Result<DohMethod, CorefileError> {
    match token.text.to_ascii_uppercase().as_str() {
        "GET" => Ok(DohMethod::Get),
        "POST" => Ok(DohMethod::Post),
        _ => Err(token.error(format!("'{}' is no method for DoH; use GET or POST", token.text))),
    }
}

fn address(token: &Token) -> Result<IpAddr, CorefileError> {
    token.text.parse().map_err(|_| {
        token.error(format!("'{}' is no IP address; write one of this host", token.text))
    })
}

fn rcodes(line: &Directive) -> Result<Vec<ResponseCode>, CorefileError> {
    arguments::some(line)?.iter().map(arguments::rcode).collect()
}

fn failover(line: &Directive) -> Result<Vec<ResponseCode>, CorefileError> {
    let rcodes = rcodes(line)?;
    let noerror = rcodes.iter().position(|rcode| *rcode == ResponseCode::NoError);
    match noerror.and_then(|at| line.args.get(at)) {
        None => Ok(rcodes),
        Some(token) => Err(token.error(
            "failover with NOERROR would refuse every good answer; remove NOERROR (for empty answers \
             there is next_on_nodata)",
        )),
    }
}

/// Reads `health_check DURATION [no_rec] [domain FQDN]`.
fn health_check(line: &Directive) -> Result<ProbeConfig, CorefileError> {
    let [interval, rest @ ..] = arguments::some(line)? else {
        return Err(line.error("health_check needs a duration; write for example 0.5s"));
    };
    let mut probe = ProbeConfig {
        interval: positive_duration(interval)?,
        recursion_desired: true,
        name: hickory_proto::rr::Name::root(),
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "no_rec" => probe.recursion_desired = false,
            "domain" => {
                let missing =
                    || word.error("domain needs a name to ask for; write it after domain");
                probe.name = arguments::domain(rest.next().ok_or_else(missing)?)?;
            }
            text => {
                return Err(word.error(format!(
                    "Unknown argument '{text}' of health_check; use no_rec or domain NAME"
                )));
            }
        }
    }
    Ok(probe)
}

fn resolvers(line: &Directive, files: &dyn Files) -> Result<Vec<SocketAddr>, CorefileError> {
    let resolver = |token: &Token| {
        let text = &token.text;
        let scoped = parse_scoped(text, target::PORT, files);
        if let Some(address) = scoped.map_err(|error| token.error(format!("'{text}': {error}")))? {
            return Ok(address);
        }
        match parse_address(text, target::PORT) {
            Ok(Some(address)) => Ok(address),
            Ok(None) | Err(_) => Err(token.error(format!(
                "'{text}' is no resolver; write an IP address, with a port if it is not 53"
            ))),
        }
    };
    arguments::some(line)?.iter().map(resolver).collect()
}

/// Takes the host's resolvers when an upstream is a host name and the directive names none.
fn find_resolvers(
    directive: &Directive,
    config: &mut ForwardConfig,
    files: &dyn Files,
) -> Result<(), CorefileError> {
    let name = config.upstreams.iter().find(|target| matches!(target.host, Host::Name { .. }));
    let Some(name) = name.filter(|_| config.resolvers.is_empty()) else { return Ok(()) };
    let remedy = "name a server that knows it with 'resolver ADDRESS'";
    let refuse = |why: String| {
        directive.error(format!("the upstream {name} is a host name, and {why}; {remedy}"))
    };
    let bytes = files
        .read(Path::new(RESOLV_CONF))
        .map_err(|error| refuse(format!("{RESOLV_CONF} cannot be read ({error})")))?;
    let text = String::from_utf8_lossy(&bytes);
    config.resolvers = resolv_conf::nameservers(&text, files)
        .map_err(|error| refuse(format!("{RESOLV_CONF}:{error}")))?;
    if config.resolvers.is_empty() {
        return Err(refuse(format!("{RESOLV_CONF} has no nameserver")));
    }
    Ok(())
}

/// Refuses two names for one server.
fn check_server_names(directive: &Directive, config: &ForwardConfig) -> Result<(), CorefileError> {
    let named = config.upstreams.iter().find(|target| target.given_name().is_some());
    match (named, &config.tls.server_name) {
        (Some(target), Some(name)) => Err(directive.error(format!(
            "the upstream {target} has a server name after '%', and tls_servername says '{}'; remove \
             one of them",
            name.to_str()
        ))),
        _ => Ok(()),
    }
}

/// Refuses a source address from which an upstream is out of reach because it is of the other family.
fn check_source(directive: &Directive, config: &ForwardConfig) -> Result<(), CorefileError> {
    let Some(source) = config.source else { return Ok(()) };
    let is_other = |target: &&Target| {
        // Of the addresses of a name only those in reach are used.
        matches!(target.host, Host::Address(address) if address.is_ipv4() != source.is_ipv4())
    };
    let Some(target) = config.upstreams.iter().find(is_other) else { return Ok(()) };
    Err(directive.error(format!(
        "the upstream {target} cannot be reached from source_address {source}; use addresses of one \
         family, or a forward for each",
    )))
}
