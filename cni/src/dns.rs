//! The `dns` of a result or a configuration (CNI SPEC 1.1.0, "dns").

use serde::Serialize;

use crate::{Field, FieldError};

/// What a container's `resolv.conf` should say; nothing of it is checked.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Dns {
    /// Addresses of servers, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// The search list, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Tells whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the `dns` of a configuration or result.
    ///
    /// # Errors
    /// A member is of another kind.
    pub fn decode(field: &Field<'_>) -> Result<Self, FieldError> {
        let strings = |key| -> Result<Vec<String>, FieldError> {
            let Some(list) = field.get(key)? else { return Ok(Vec::new()) };
            list.list()?.iter().map(|item| item.string().map(str::to_owned)).collect()
        };
        let domain = field.get("domain")?.map(|domain| domain.string()).transpose()?;
        Ok(Self {
            nameservers: strings("nameservers")?,
            domain: domain.unwrap_or_default().to_owned(),
            search: strings("search")?,
            options: strings("options")?,
        })
    }
}
