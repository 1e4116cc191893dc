//! A call of a plugin: its environment and its configuration together.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::{Arguments, Attachment, Code, Config, Environment, Error, Verb, Version};

/// A call of a plugin.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// Attach an interface.
    Add(AttachmentRequest),
    /// Undo an ADD.
    Del(AttachmentRequest),
    /// Check an attachment.
    Check(AttachmentRequest),
    /// Free what belongs to nobody.
    Gc(GcRequest),
    /// Say whether ADD can be served.
    Status(Config),
    /// Say which versions are spoken.
    Version,
}

/// What ADD, DEL and CHECK come with.
#[derive(Clone, PartialEq, Debug)]
pub struct AttachmentRequest {
    /// The interface and its container.
    pub attachment: Attachment,
    /// The path of the container's network namespace; always there but with DEL.
    pub netns: Option<PathBuf>,
    /// The plugin's own namespace is allowed as the container's.
    pub allows_own_netns: bool,
    /// The pairs of `CNI_ARGS`. With DEL, which has to work whatever they are, none when they are malformed.
    pub arguments: Arguments,
    /// The configuration.
    pub config: Config,
}

/// What GC comes with.
#[derive(Clone, PartialEq, Debug)]
pub struct GcRequest {
    /// The attachments of this network that are valid, all others are not; none: nothing is known of any.
    pub valid: Option<Vec<Attachment>>,
    /// The configuration.
    pub config: Config,
}

impl Request {
    /// Puts a request together of the environment and what came on the standard input, which VERSION does not look at.
    ///
    /// # Errors
    /// The configuration, an identifier or `CNI_ARGS` is invalid, or the version has no such verb; in the order of CNI's
    /// library.
    pub fn parse(environment: &Environment, stdin: &[u8]) -> Result<Self, Error> {
        let verb = environment.verb;
        if verb == Verb::Version {
            return Ok(Self::Version);
        }
        let config = Config::parse(stdin);
        // What is wrong with the version comes last.
        let config = match config {
            Err(error) if error.code != Code::INCOMPATIBLE_VERSION => return Err(error),
            config => config,
        };
        let attachment = match verb {
            Verb::Add | Verb::Del | Verb::Check => {
                Some(Attachment::parse(&environment.container_id, &environment.ifname)?)
            }
            Verb::Gc | Verb::Status | Verb::Version => None,
        };
        let config = config?;
        check_verb(verb, config.version)?;
        let Some(attachment) = attachment else {
            return Ok(match verb {
                Verb::Gc => Self::Gc(GcRequest { valid: config.valid_attachments()?, config }),
                _ => Self::Status(config),
            });
        };
        let arguments = Arguments::parse(&environment.arguments);
        let arguments = match verb {
            Verb::Del => arguments.unwrap_or_default(),
            _ => arguments?,
        };
        let request = AttachmentRequest {
            attachment,
            netns: environment.netns.clone(),
            allows_own_netns: environment.allows_own_netns,
            arguments,
            config,
        };
        Ok(match verb {
            Verb::Add => Self::Add(request),
            Verb::Del => Self::Del(request),
            _ => Self::Check(request),
        })
    }
}

impl Request {
    /// Returns the version that the answer has to have.
    pub fn version(&self) -> Version {
        match self {
            Self::Add(request) | Self::Del(request) | Self::Check(request) => {
                request.config.version
            }
            Self::Gc(request) => request.config.version,
            Self::Status(config) => config.version,
            Self::Version => Version::NEWEST,
        }
    }
}

/// Checks that a version has a verb.
fn check_verb(verb: Verb, version: Version) -> Result<(), Error> {
    let since = match verb {
        Verb::Add | Verb::Del | Verb::Version => Version::V0_1_0,
        Verb::Check => Version::V0_4_0,
        Verb::Gc | Verb::Status => Version::V1_1_0,
    };
    if version >= since {
        return Ok(());
    }
    let message = format!("config version does not allow {}", verb.as_str());
    let details = format!("cniVersion is {version}; {} needs {since} or newer", verb.as_str());
    Err(Error::new(Code::INCOMPATIBLE_VERSION, message).with_details(details))
}
