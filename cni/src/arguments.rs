//! `CNI_ARGS`: `KEY=VALUE;KEY=VALUE` from the runtime, or from a user of it.

use crate::identifier::shorten;
use crate::{Code, Error};

/// The pairs of `CNI_ARGS`. Keys match exactly, as in CNI's library.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Arguments {
    pairs: Vec<(String, String)>,
    ignores_unknown: bool,
}

impl Arguments {
    /// Reads the text of the variable; an empty one has no pairs.
    ///
    /// # Errors
    /// A pair has no `=` or several, or `IgnoreUnknown` is no boolean: code 4.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut arguments = Self::default();
        if text.is_empty() {
            return Ok(arguments);
        }
        for pair in text.split(';') {
            let Some((key, value)) = pair.split_once('=').filter(|(_, value)| !value.contains('='))
            else {
                let problem = format!("the pair {} needs exactly one '='", shorten(pair));
                return Err(invalid(problem));
            };
            if key == "IgnoreUnknown" {
                arguments.ignores_unknown = boolean(value)?;
            } else {
                arguments.pairs.push((key.to_owned(), value.to_owned()));
            }
        }
        Ok(arguments)
    }

    /// Returns the value of a key; of repeated ones the last.
    pub fn get(&self, key: &str) -> Option<&str> {
        let pair = self.pairs.iter().rev().find(|(name, _)| name == key);
        pair.map(|(_, value)| value.as_str())
    }

    /// Checks that there is no other key than those that the plugin knows, unless `IgnoreUnknown` is true.
    ///
    /// # Errors
    /// There is: code 4.
    pub fn check_known(&self, known: &[&str]) -> Result<(), Error> {
        let unknown: Vec<String> = (self.pairs.iter())
            .filter(|(key, _)| !self.ignores_unknown && !known.contains(&key.as_str()))
            .map(|(key, _)| shorten(key))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let known = known.join(", ");
        Err(invalid(format!(
            "unknown keys {}; there is {known}, and IgnoreUnknown=1 allows others",
            unknown.join(", ")
        )))
    }
}

fn boolean(value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(invalid(format!("IgnoreUnknown is {}; use 1, true, 0 or false", shorten(value)))),
    }
}

fn invalid(problem: String) -> Error {
    Error::new(Code::INVALID_ENVIRONMENT, "invalid CNI_ARGS").with_details(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_by_the_library() {
        for (text, known, refused) in [
            ("", &[][..], None),
            ("IP=10.0.0.5", &["IP"], None),
            ("IP=", &["IP"], None),
            ("IgnoreUnknown=1;FOO=bar", &["IP"], None),
            ("FOO=bar;IgnoreUnknown=TRUE", &["IP"], None),
            ("FOO=bar", &["IP"], Some("unknown keys \"FOO\"")),
            ("ip=10.0.0.5", &["IP"], Some("unknown keys \"ip\"")),
            ("IgnoreUnknown=0;FOO=bar", &["IP"], Some("unknown keys \"FOO\"")),
            ("IgnoreUnknown=yes", &[], Some("use 1, true, 0 or false")),
            ("IP", &["IP"], Some("exactly one '='")),
            ("IP=1=2", &["IP"], Some("exactly one '='")),
            ("IP=10.0.0.5;", &["IP"], Some("exactly one '='")),
        ] {
            let read = Arguments::parse(text).and_then(|arguments| arguments.check_known(known));
            match (read, refused) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => {
                    assert_eq!(error.code, Code::INVALID_ENVIRONMENT, "{text}");
                    assert!(error.details.contains(words), "{text}: {error}");
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        let arguments = Arguments::parse("IP=10.0.0.5;K8S_POD_NAME=a;IP=10.0.0.6").unwrap();
        assert_eq!(arguments.get("IP"), Some("10.0.0.6"));
        assert_eq!(arguments.get("K8S_POD_NAME"), Some("a"));
        assert_eq!(arguments.get("ip"), None);
    }
}
