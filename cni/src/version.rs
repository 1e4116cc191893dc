//! The versions of CNI.

use std::fmt;
use std::str::FromStr;

use crate::{Code, Error};

/// A version of the protocol, in order of their age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// 0.1.0, also what a configuration without version has.
    V0_1_0,
    /// 0.2.0
    V0_2_0,
    /// 0.3.0: results with lists of interfaces and addresses.
    V0_3_0,
    /// 0.3.1
    V0_3_1,
    /// 0.4.0: CHECK, and `prevResult` with DEL.
    V0_4_0,
    /// 1.0.0: addresses without `version`.
    V1_0_0,
    /// 1.1.0: GC and STATUS.
    V1_1_0,
}

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// The newest version.
    pub const NEWEST: Self = Self::V1_1_0;

    /// Returns the text of `cniVersion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Returns the version of a configuration's `cniVersion`; without one, or with an empty one, it is 0.1.0.
    ///
    /// # Errors
    /// The version is none of [`Version::ALL`]: code 1.
    pub fn of_config(text: Option<&str>) -> Result<Self, Error> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or("0.1.0");
        text.parse().map_err(|()| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::new(Code::INCOMPATIBLE_VERSION, "incompatible CNI versions").with_details(
                format!(
                    "config is \"{}\", plugin supports {all}; write one of these as cniVersion",
                    text.escape_debug()
                ),
            )
        })
    }
}

impl FromStr for Version {
    type Err = ();

    /// Reads exactly one of the texts of [`Version::as_str`].
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|version| version.as_str() == text).ok_or(())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
