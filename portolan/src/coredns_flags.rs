//! CoreDNS's command line: long flags with one dash, and the binary under CoreDNS's name.

use std::ffi::OsString;
use std::path::Path;

/// CoreDNS's long flags. Go reads them with one dash or two, with `=` or a space before the value.
const LONG_FLAGS: [&str; 6] = ["conf", "dns.port", "pidfile", "plugins", "quiet", "version"];

/// Returns the arguments as the parser of [`Cli`](crate::cli::Cli) reads them: called as `coredns` means `portolan dns`,
/// and CoreDNS's flags get their second dash.
pub(crate) fn normalize(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    if name.is_some_and(|name| name == "coredns") {
        arguments.insert(1, "dns".into());
    }
    arguments.into_iter().map(with_two_dashes).collect()
}

fn with_two_dashes(argument: OsString) -> OsString {
    let flag = argument.to_str().and_then(|text| text.strip_prefix('-'));
    let name = flag.map(|flag| flag.split_once('=').map_or(flag, |(name, _)| name));
    match (flag, name) {
        (Some(flag), Some(name)) if LONG_FLAGS.contains(&name) => format!("--{flag}").into(),
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coredns_command_lines_are_understood() {
        let cases = [
            ("/coredns -conf /etc/coredns/Corefile", "/coredns dns --conf /etc/coredns/Corefile"),
            ("coredns -dns.port=1053 -quiet", "coredns dns --dns.port=1053 --quiet"),
            ("portolan dns -conf F -p 53", "portolan dns --conf F -p 53"),
            ("portolan dns --conf F", "portolan dns --conf F"),
            ("portolan explain dns a -confuse", "portolan explain dns a -confuse"),
        ];
        for (given, expected) in cases {
            let words: Vec<OsString> = given.split(' ').map(OsString::from).collect();
            let expected: Vec<OsString> = expected.split(' ').map(OsString::from).collect();
            assert_eq!(normalize(words), expected, "{given}");
        }
    }
}
