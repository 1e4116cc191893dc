//! CoreDNS's command line: its flags as Go reads them, and the binary under CoreDNS's name.
//!
//! ```text
//! /coredns -conf=F -quiet=true -p 53   ─▶  /coredns dns --conf=F --quiet -p=53
//! portolan dns -conf F                 ─▶  portolan dns --conf F
//! ```

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

/// The name under which the binary is CoreDNS.
const COREDNS: &str = "coredns";

/// The long flags with a value, which are understood with one dash, too. The first three are CoreDNS's.
const WITH_VALUE: [&str; 8] =
    ["conf", "dns.port", "pidfile", "admin", "listen", "log-format", "manifests", "node-local"];

/// Those without one.
const ALONE: [&str; 6] = ["plugins", "quiet", "version", "takeover", "help", "node-local-remove"];

/// Go's words for yes and no (`strconv.ParseBool`).
const YES: [&str; 6] = ["1", "t", "T", "true", "TRUE", "True"];
const NO: [&str; 6] = ["0", "f", "F", "false", "FALSE", "False"];

/// Returns the arguments as the parser of [`Cli`](crate::cli::Cli) reads them: called as `coredns` means `portolan dns`,
/// and CoreDNS's flags get their second dash.
///
/// # Errors
/// The binary is called as `coredns`, and there are arguments that belong to no flag, which ends CoreDNS with 1.
pub(crate) fn normalize(mut arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    let is_coredns = name.is_some_and(|name| name == COREDNS);
    if is_coredns {
        arguments.insert(1, "dns".into());
    }
    if arguments.get(1).is_none_or(|role| role != "dns") {
        return Ok(arguments.into_iter().map(with_two_dashes).collect());
    }
    let mut rest = arguments.split_off(2).into_iter();
    while let Some(argument) = rest.next() {
        match flag(&argument) {
            Some(Flag::Said(said)) => arguments.extend(said),
            Some(Flag::WantsValue) => {
                arguments.push(with_two_dashes(argument));
                arguments.extend(rest.next());
            }
            // What is no flag here is one of nobody's, and Go reads no further.
            None if is_coredns && !looks_like_flag(&argument) => {
                let extra = std::iter::once(argument).chain(rest);
                let extra: Vec<_> = extra.map(|word| word.to_string_lossy().into_owned()).collect();
                bail!(
                    "extra command line arguments: [{}]; CoreDNS's command line has flags alone, such \
                     as -conf FILE",
                    extra.join(" ")
                );
            }
            None => arguments.push(argument),
        }
    }
    Ok(arguments)
}

enum Flag {
    /// Complete; none when it says no.
    Said(Option<OsString>),
    /// The next argument is its value.
    WantsValue,
}

/// Reads a flag with one dash or two, with `=` before its value or without; none for all that is no flag.
fn flag(argument: &OsString) -> Option<Flag> {
    let text = argument.to_str()?.strip_prefix('-')?;
    let text = text.strip_prefix('-').unwrap_or(text);
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if ALONE.contains(&name) {
        return Some(Flag::Said(match value {
            Some(value) if NO.contains(&value) => None,
            // The parser says that it is neither.
            Some(value) if !YES.contains(&value) => Some(format!("--{name}={value}").into()),
            Some(_) | None => Some(format!("--{name}").into()),
        }));
    }
    let dashes = if name == "p" { "-" } else { "--" };
    if name != "p" && !WITH_VALUE.contains(&name) {
        return None;
    }
    Some(match value {
        Some(value) => Flag::Said(Some(format!("{dashes}{name}={value}").into())),
        None => Flag::WantsValue,
    })
}

fn looks_like_flag(argument: &OsString) -> bool {
    argument.to_string_lossy().len() > 1 && argument.to_string_lossy().starts_with('-')
}

/// Gives a long flag its second dash, and `-p` its only one.
fn with_two_dashes(argument: OsString) -> OsString {
    let name = argument.to_str().and_then(|text| text.strip_prefix('-'));
    let Some(flag) = name else { return argument };
    let flag = flag.strip_prefix('-').unwrap_or(flag);
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    if name == "p" {
        format!("-{flag}").into()
    } else if WITH_VALUE.contains(&name) || ALONE.contains(&name) {
        format!("--{flag}").into()
    } else {
        argument
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn coredns_command_lines_are_understood() {
        for (given, expected) in [
            ("/coredns -conf /etc/coredns/Corefile", "/coredns dns --conf /etc/coredns/Corefile"),
            ("coredns -dns.port=1053 -quiet", "coredns dns --dns.port=1053 --quiet"),
            ("coredns -quiet=false -plugins=true", "coredns dns --plugins"),
            ("coredns -quiet=maybe", "coredns dns --quiet=maybe"),
            ("coredns --p 53 -p=54", "coredns dns -p 53 -p=54"),
            ("coredns -conf -quiet", "coredns dns --conf -quiet"),
            ("coredns -logtostderr", "coredns dns -logtostderr"),
            ("coredns -log-format json --takeover", "coredns dns --log-format json --takeover"),
            ("./coredns", "./coredns dns"),
            ("coredns2 check", "coredns2 check"),
            ("portolan dns -conf F -p 53", "portolan dns --conf F -p 53"),
            ("portolan dns --conf F", "portolan dns --conf F"),
            ("portolan dns surplus", "portolan dns surplus"),
            ("portolan explain dns a -confuse", "portolan explain dns a -confuse"),
            ("portolan explain dns a -conf F", "portolan explain dns a --conf F"),
        ] {
            assert_eq!(normalize(words(given)).unwrap(), words(expected), "{given}");
        }
    }

    #[test]
    fn coredns_has_no_positional_arguments() {
        for (given, said) in [
            ("coredns dns -conf F", "[dns -conf F]"),
            ("coredns -quiet Corefile", "[Corefile]"),
            ("coredns -", "[-]"),
        ] {
            let error = normalize(words(given)).unwrap_err().to_string();
            assert!(error.contains(&format!("extra command line arguments: {said}")), "{error}");
        }
    }
}
