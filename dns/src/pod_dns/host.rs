//! The node's `resolv.conf`, read by kubelet's rules, which are not the C library's.

use thiserror::Error;

use super::merge::option_name;

/// A file has to be shorter than this, in octets: 10 MiB.
pub const MAX_HOST_FILE: usize = 10 << 20;

/// What the node's `resolv.conf` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostResolver {
    /// Of every `nameserver` line, as written.
    pub nameservers: Vec<String>,
    /// Of the last `search` line, without the dot at the end.
    pub searches: Vec<String>,
    /// Of every `options` line; of options with the same name the last.
    pub options: Vec<String>,
}

/// Why a `resolv.conf` cannot be used. With kubelet, no Pod starts on such a node, whatever its policy.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum HostFileError {
    /// The file is too long.
    #[error("has 10 MiB or more, which kubelet does not read; shorten it")]
    TooLong,
    /// A `nameserver` line names none.
    #[error("line {line}: `nameserver` without an address; add one or remove the line")]
    NoAddress {
        /// Counted from 1.
        line: usize,
    },
}

impl HostResolver {
    /// Reads a file: lines of words between white space.
    ///
    /// - Lines whose first character is `#` are comments; `;` begins none. What follows an address is ignored.
    /// - `nameserver` lines add up; nobody checks that an address is one.
    /// - The last `search` line counts, an empty one too. One dot at the end of a domain is dropped, so that a domain
    ///   with and without it is the same; `.` alone is left out.
    /// - `options` lines add up, by the name before the colon; the last value counts, at the place of the first.
    /// - `domain`, `sortlist` and everything else is ignored.
    ///
    /// # Errors
    /// The file is too long, or a `nameserver` line has no address; the first such line is named.
    pub fn parse(file: &[u8]) -> Result<Self, HostFileError> {
        if file.len() >= MAX_HOST_FILE {
            return Err(HostFileError::TooLong);
        }
        let mut resolver = Self::default();
        for (at, line) in String::from_utf8_lossy(file).split('\n').enumerate() {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().ok_or(HostFileError::NoAddress { line: at + 1 })?;
                    resolver.nameservers.push(address.to_owned());
                }
                Some("search") => resolver.searches = words.filter_map(domain).collect(),
                Some("options") => words.for_each(|option| resolver.set_option(option)),
                _ => {}
            }
        }
        Ok(resolver)
    }

    fn set_option(&mut self, option: &str) {
        let is_same = |other: &&mut String| option_name(other) == option_name(option);
        match self.options.iter_mut().find(is_same) {
            Some(earlier) => option.clone_into(earlier),
            None => self.options.push(option.to_owned()),
        }
    }
}

fn domain(word: &str) -> Option<String> {
    (word != ".").then(|| word.strip_suffix('.').unwrap_or(word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_not_be_too_long() {
        let comment = |length| vec![b'#'; length];
        assert!(HostResolver::parse(&comment(MAX_HOST_FILE - 1)).is_ok());
        assert_eq!(HostResolver::parse(&comment(MAX_HOST_FILE)), Err(HostFileError::TooLong));
    }

    #[test]
    fn a_line_without_an_address_is_named() {
        let error =
            HostResolver::parse(b"# no\n\nnameserver 192.0.2.1\nnameserver \n").unwrap_err();
        assert_eq!(error, HostFileError::NoAddress { line: 4 });
        assert!(error.to_string().ends_with("add one or remove the line"), "{error}");
    }

    #[test]
    fn comments_in_another_charset_do_no_harm() {
        let read = HostResolver::parse(b"# caf\xe9\nsearch a.example\xff.\n").unwrap();
        assert_eq!(read.searches, ["a.example\u{fffd}"]);
    }
}
