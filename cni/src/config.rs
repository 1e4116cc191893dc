//! The network configuration of a call, as far as every plugin reads it (CNI SPEC 1.1.0, "Section 3").

use crate::{AddResult, Attachment, Code, Error, Field, FieldError, Json, NetworkName, Version};

/// A network configuration. What a plugin alone knows it reads from [`Config::root`].
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// `cniVersion`.
    pub version: Version,
    /// `name`.
    pub name: NetworkName,
    root: Json,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It is no JSON object: code 6; the name is missing or invalid: code 7; the version is not known: code 1. In this
    /// order, as in CNI's library.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let root = Json::parse(octets).map_err(|error| decoding(error.to_string()))?;
        if !matches!(root, Json::Object(_)) {
            return Err(decoding(format!("want an object, have {}", root.kind())));
        }
        let field = Field::root(&root);
        let text = |key| -> Result<Option<&str>, Error> {
            let value = field.get(key).ok().flatten();
            let text = value.map(|value| value.string()).transpose();
            text.map_err(|error| decoding(error.to_string()))
        };
        let version = text("cniVersion")?;
        let name = NetworkName::parse(text("name")?.unwrap_or_default())?;
        Ok(Self { version: Version::of_config(version)?, name, root })
    }

    /// Returns the version that the answer to a configuration should have, whatever else is wrong with it.
    pub fn version_of(octets: &[u8]) -> Version {
        let root = Json::parse(octets).unwrap_or(Json::Null);
        match root.get("cniVersion") {
            Some(Json::String(text)) => Version::of_config(Some(text)).unwrap_or(Version::NEWEST),
            _ => Version::V0_1_0,
        }
    }

    /// Returns the whole configuration.
    pub fn root(&self) -> Field<'_> {
        Field::root(&self.root)
    }

    /// Returns the value of a key of the root; none when it is missing or `null`.
    pub fn get(&self, key: &str) -> Option<Field<'_>> {
        self.root().get(key).expect("the root is an object since parse")
    }

    /// Returns what the runtime gives for a capability: `runtimeConfig.KEY`.
    ///
    /// # Errors
    /// `runtimeConfig` is no object.
    pub fn capability(&self, key: &str) -> Result<Option<Field<'_>>, FieldError> {
        self.get("runtimeConfig").map_or(Ok(None), |all| all.get(key))
    }

    /// Reads `prevResult`; none when there is none.
    ///
    /// # Errors
    /// It is no result: code 6.
    pub fn prev_result(&self) -> Result<Option<AddResult>, Error> {
        let Some(field) = self.get("prevResult") else { return Ok(None) };
        let result = AddResult::decode(&field, self.version);
        result.map(Some).map_err(|error| {
            Error::new(Code::DECODING, "prevResult cannot be read").with_details(error.to_string())
        })
    }

    /// Reads `cni.dev/valid-attachments`, or `cni.dev/attachments`, as the first draft called it. None when neither is
    /// there or both are `null`: nothing is known of what is valid.
    ///
    /// # Errors
    /// It is no list of attachments: code 7. One entry that cannot be read spoils the list: what it means might be
    /// freed.
    pub fn valid_attachments(&self) -> Result<Option<Vec<Attachment>>, Error> {
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let Some(list) = keys.into_iter().find_map(|key| self.get(key)) else { return Ok(None) };
        let attachment = |field: &Field<'_>| -> Result<Attachment, Error> {
            let text = |key: &str| -> Result<String, FieldError> {
                let value = field.get(key)?.map(|value| value.string()).transpose()?;
                value.map(str::to_owned).ok_or_else(|| field.error(format!("want a key {key}")))
            };
            Attachment::parse(&text("containerID")?, &text("ifname")?).map_err(|error| {
                let problem = format!("{}: {}", error.message, error.details);
                field.error(problem).into()
            })
        };
        list.list()?.iter().map(attachment).collect::<Result<_, _>>().map(Some)
    }
}

fn decoding(details: String) -> Error {
    Error::new(Code::DECODING, "the network configuration on stdin cannot be read")
        .with_details(details)
}
