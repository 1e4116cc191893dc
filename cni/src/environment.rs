//! The environment of a call: `CNI_COMMAND` and what belongs to it (CNI SPEC 1.1.0, "Parameters").

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::identifier::shorten;
use crate::{Code, Error};

/// What is asked of a plugin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Attach an interface.
    Add,
    /// Undo an ADD, if there is anything to undo.
    Del,
    /// Check that an attachment is as it was made; from 0.4.0.
    Check,
    /// Free what belongs to no attachment that still is valid; from 1.1.0.
    Gc,
    /// Say whether ADD can be served; from 1.1.0.
    Status,
    /// Say which versions are spoken.
    Version,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 6] =
        [Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];

    /// Returns the value of `CNI_COMMAND`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// Returns the variables that the verb cannot do without. `CNI_PATH`, which CNI's library also wants, is missed
    /// only when another plugin has to be called.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Add | Self::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
            Self::Del => &["CNI_CONTAINERID", "CNI_IFNAME"],
            Self::Gc | Self::Status | Self::Version => &[],
        }
    }
}

/// The variables of a call. Empty ones are as if they were not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub verb: Verb,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`, the path of the container's network namespace.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `CNI_ARGS`.
    pub arguments: String,
    /// `CNI_PATH`, the folders that plugins are in, separated by `:`.
    pub path: OsString,
    /// `CNI_NETNS_OVERRIDE`: the plugin's own namespace is allowed as the container's.
    pub allows_own_netns: bool,
}

impl Environment {
    /// Reads the variables that a function finds.
    ///
    /// # Errors
    /// `CNI_COMMAND` is missing or unknown, variables are missing, all of which are named, or one is not UTF-8: code 4.
    pub fn read(find: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let find = |name: &str| find(name).filter(|value| !value.is_empty());
        let text = |name: &str| find(name).map(|value| utf8(name, &value)).transpose();
        let command = text("CNI_COMMAND")?;
        let Some(command) = command else {
            return Err(missing(&["CNI_COMMAND"]));
        };
        let Some(verb) = Verb::ALL.into_iter().find(|verb| verb.as_str() == command) else {
            let all = Verb::ALL.map(Verb::as_str).join(", ");
            let message = format!("unknown CNI_COMMAND: {}", shorten(&command));
            return Err(Error::new(Code::INVALID_ENVIRONMENT, message)
                .with_details(format!("there is {all}")));
        };
        let required = verb.required().iter().copied();
        let absent: Vec<&str> = required.filter(|name| find(name).is_none()).collect();
        if !absent.is_empty() {
            return Err(missing(&absent));
        }
        let override_text = text("CNI_NETNS_OVERRIDE")?.unwrap_or_default();
        Ok(Self {
            verb,
            container_id: text("CNI_CONTAINERID")?.unwrap_or_default(),
            netns: find("CNI_NETNS").map(PathBuf::from),
            ifname: text("CNI_IFNAME")?.unwrap_or_default(),
            arguments: text("CNI_ARGS")?.unwrap_or_default(),
            path: find("CNI_PATH").unwrap_or_default(),
            allows_own_netns: override_text == "1" || override_text.eq_ignore_ascii_case("true"),
        })
    }
}

fn utf8(name: &str, value: &OsStr) -> Result<String, Error> {
    value.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(Code::INVALID_ENVIRONMENT, format!("{name} is not UTF-8"))
            .with_details(shorten(&value.to_string_lossy()))
    })
}

fn missing(names: &[&str]) -> Error {
    Error::new(Code::INVALID_ENVIRONMENT, "required env variables missing")
        .with_details(format!("set {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Environment, Error> {
        Environment::read(|name| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn all_missing_variables_are_named_at_once() {
        for (verb, missing) in [
            ("ADD", "set CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME"),
            ("CHECK", "set CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME"),
            ("DEL", "set CNI_CONTAINERID, CNI_IFNAME"),
            ("", "set CNI_COMMAND"),
            ("add", "there is ADD, DEL, CHECK, GC, STATUS, VERSION"),
        ] {
            let error = read(&[("CNI_COMMAND", verb)]).unwrap_err();
            assert_eq!((error.code, error.details.as_str()), (Code::INVALID_ENVIRONMENT, missing));
        }
        for verb in ["GC", "STATUS", "VERSION"] {
            assert_eq!(read(&[("CNI_COMMAND", verb)]).unwrap().verb.as_str(), verb);
        }
    }

    #[test]
    fn del_needs_no_namespace() {
        let environment =
            read(&[("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "a"), ("CNI_IFNAME", "eth0")]);
        assert_eq!(environment.unwrap().netns, None);
    }
}
