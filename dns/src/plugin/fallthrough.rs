//! The option `fallthrough` of plugins that own zones.

use hickory_proto::rr::{LowerName, Name};

use super::arguments;
use crate::corefile::{CorefileError, Directive};

/// For which names that do not exist the next plugin is asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Fallthrough {
    /// For none.
    #[default]
    Never,
    /// For names in these zones; the root stands for every name.
    Zones(Vec<LowerName>),
}

impl Fallthrough {
    /// Reads `fallthrough [ZONES...]`; every name without zones.
    pub(crate) fn parse(line: &Directive) -> Result<Self, CorefileError> {
        arguments::no_block(line)?;
        Ok(Self::Zones(match line.args.as_slice() {
            [] => vec![Name::root().into()],
            zones => arguments::zones(zones)?,
        }))
    }

    /// Says whether the next plugin is asked for this name.
    pub fn lets_through(&self, name: &LowerName) -> bool {
        match self {
            Self::Never => false,
            Self::Zones(zones) => zones.iter().any(|zone| zone.zone_of(name)),
        }
    }
}
