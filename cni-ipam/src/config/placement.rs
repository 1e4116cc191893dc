//! Where the store is, and what is beside it: all of the configuration that DEL needs.

use std::path::PathBuf;

use cni::{Config, Field, FieldError};

use super::{flag, path};

/// Where host-local keeps its files unless `dataDir` says otherwise.
pub(super) const HOST_LOCAL: &str = "/var/lib/cni/networks";

/// Where the store is and what is beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// `storeDir`: the directory that the network's is in; none: the place that the site has.
    pub store_dir: Option<PathBuf>,
    /// `durable`: the store outlives a reboot.
    pub is_durable: bool,
    /// `dataDir`: the directory of host-local that leases are imported from.
    pub data_dir: PathBuf,
    /// `keepHostLocal`: host-local's files are kept in step, so that it can be gone back to.
    pub keeps_host_local: bool,
    /// `resultCaches`: where the runtime keeps the results of CNI; none: the places that the site has.
    pub result_caches: Option<Vec<PathBuf>>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            store_dir: None,
            is_durable: false,
            data_dir: PathBuf::from(HOST_LOCAL),
            keeps_host_local: false,
            result_caches: None,
        }
    }
}

impl Placement {
    /// Reads the placement.
    ///
    /// # Errors
    /// A value is of another kind.
    pub fn parse(config: &Config) -> Result<Self, FieldError> {
        let Some(ipam) = config.get("ipam") else { return Ok(Self::default()) };
        Ok(Self {
            store_dir: absolute(&ipam, "storeDir")?,
            is_durable: flag(&ipam, "durable")?,
            data_dir: path(&ipam, "dataDir")?.unwrap_or_else(|| PathBuf::from(HOST_LOCAL)),
            keeps_host_local: flag(&ipam, "keepHostLocal")?,
            result_caches: caches(&ipam)?,
        })
    }

    /// Reads as much as can be read: for DEL, which has to work whatever became of the configuration.
    pub fn of(config: &Config) -> Self {
        let default = Self::default();
        let Some(ipam) = config.get("ipam") else { return default };
        Self {
            store_dir: absolute(&ipam, "storeDir").unwrap_or_default(),
            is_durable: flag(&ipam, "durable").unwrap_or_default(),
            data_dir: path(&ipam, "dataDir").ok().flatten().unwrap_or(default.data_dir),
            keeps_host_local: flag(&ipam, "keepHostLocal").unwrap_or_default(),
            result_caches: caches(&ipam).unwrap_or_default(),
        }
    }
}

/// Plugins run in a directory that nobody chose: a relative path would be another one each time.
fn absolute(field: &Field<'_>, key: &str) -> Result<Option<PathBuf>, FieldError> {
    let found = path(field, key)?;
    if let (Some(path), Some(value)) = (&found, field.get(key)?)
        && !path.is_absolute()
    {
        return Err(value.error("want an absolute path, which begins with /"));
    }
    Ok(found)
}

fn caches(ipam: &Field<'_>) -> Result<Option<Vec<PathBuf>>, FieldError> {
    let Some(list) = ipam.get("resultCaches")? else { return Ok(None) };
    let paths = list
        .list()?
        .iter()
        .map(|item| item.string().map(PathBuf::from))
        .collect::<Result<_, _>>()?;
    Ok(Some(paths))
}
