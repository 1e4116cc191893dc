//! The names that make an attachment: network, container and interface. All of them are safe as part of a file name.

use std::fmt;

use crate::{Code, Error};

/// Longest container id or network name, in octets: what a file name can hold with something around it.
pub const MAX_NAME: usize = 200;

/// Longest interface name in octets (`IFNAMSIZ` less the final NUL).
pub const MAX_INTERFACE_NAME: usize = 15;

/// The name of a network: ASCII letters, digits, `_`, `.` and `-`, the first a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NetworkName(String);

/// The id that a runtime gave a container; characters as in [`NetworkName`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContainerId(String);

/// The name of an interface in a container, as Linux takes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterfaceName(String);

/// One interface of one container. Within a network there is at most one of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Attachment {
    /// The container.
    pub container_id: ContainerId,
    /// Its interface.
    pub ifname: InterfaceName,
}

impl NetworkName {
    /// Reads a network name.
    ///
    /// # Errors
    /// It is missing, too long, or has other characters: code 7.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(Code::INVALID_CONFIG, "missing network name")
                .with_details("the configuration needs a key \"name\""));
        }
        check_name("network name", text, Code::INVALID_CONFIG).map(Self)
    }
}

impl ContainerId {
    /// Reads a container id.
    ///
    /// # Errors
    /// It is missing: code 3; it is too long or has other characters: code 4.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(Code::UNKNOWN_CONTAINER, "missing containerID")
                .with_details("set CNI_CONTAINERID to the container's id"));
        }
        check_name("containerID", text, Code::INVALID_ENVIRONMENT).map(Self)
    }
}

fn check_name(what: &str, text: &str, code: Code) -> Result<String, Error> {
    let shown = shorten(text);
    if text.len() > MAX_NAME {
        let details = format!("{shown}: {} octets; at most {MAX_NAME} are allowed", text.len());
        return Err(Error::new(code, format!("{what} is too long")).with_details(details));
    }
    let is_inner = |octet: u8| octet.is_ascii_alphanumeric() || b"_.-".contains(&octet);
    let is_good = text.bytes().all(is_inner) && text.as_bytes()[0].is_ascii_alphanumeric();
    if is_good {
        return Ok(text.to_owned());
    }
    let rule = "use ASCII letters, digits, '_', '.' and '-', and begin with a letter or digit";
    Err(Error::new(code, format!("invalid characters in {what}"))
        .with_details(format!("{shown}: {rule}")))
}

impl InterfaceName {
    /// Reads an interface name.
    ///
    /// # Errors
    /// Linux would not take it: code 4, with a message for each reason.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let details = if text.is_empty() {
            "interface name is empty; set CNI_IFNAME".to_owned()
        } else if text.len() > MAX_INTERFACE_NAME {
            format!(
                "interface name is too long: {} octets; Linux takes at most {MAX_INTERFACE_NAME}",
                text.len()
            )
        } else if text == "." || text == ".." {
            "interface name is . or ..; choose another name".to_owned()
        } else if text.contains(['/', ':']) || text.contains(is_space_or_control) {
            "interface name contains / or : or white space or a control character; \
             choose another name"
                .to_owned()
        } else {
            return Ok(Self(text.to_owned()));
        };
        let message = format!("invalid interface name {}", shorten(text));
        Err(Error::new(Code::INVALID_ENVIRONMENT, message).with_details(details))
    }
}

fn is_space_or_control(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

/// Quotes a text that somebody else chose, so that it fits into a message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{}\"", shown.escape_debug())
}

impl Attachment {
    /// Reads both names.
    ///
    /// # Errors
    /// As [`ContainerId::parse`] and [`InterfaceName::parse`].
    pub fn parse(container_id: &str, ifname: &str) -> Result<Self, Error> {
        Ok(Self {
            container_id: ContainerId::parse(container_id)?,
            ifname: InterfaceName::parse(ifname)?,
        })
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.container_id, self.ifname)
    }
}

impl NetworkName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ContainerId {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl InterfaceName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
