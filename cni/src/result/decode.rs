//! Reading a result of any version: `prevResult`, and what a delegate answers.

use std::net::IpAddr;

use super::{AddResult, Interface, IpConfig, Route};
use crate::{Dns, Field, FieldError, Version};

impl AddResult {
    /// Reads a result. Its own `cniVersion` says how, and `version` when it has none, as libcni does.
    ///
    /// # Errors
    /// A member is missing or of another kind, or the version is not known.
    pub fn decode(field: &Field<'_>, version: Version) -> Result<Self, FieldError> {
        let version = match field.get("cniVersion")? {
            Some(own) => own.parse("a version of CNI")?,
            None => version,
        };
        let dns = field.get("dns")?.map(|dns| Dns::decode(&dns)).transpose()?.unwrap_or_default();
        let mut result = Self { dns, ..Self::default() };
        if version < Version::V0_3_0 {
            for key in ["ip4", "ip6"] {
                let Some(ip) = field.get(key)? else { continue };
                result.ips.push(IpConfig::decode(&ip, "ip")?);
                result.routes.append(&mut items(&ip, "routes", Route::decode)?);
            }
            return Ok(result);
        }
        result.interfaces = items(field, "interfaces", Interface::decode)?;
        result.ips = items(field, "ips", |ip| IpConfig::decode(ip, "address"))?;
        result.routes = items(field, "routes", Route::decode)?;
        Ok(result)
    }
}

impl Interface {
    fn decode(field: &Field<'_>) -> Result<Self, FieldError> {
        let text = |key| -> Result<String, FieldError> {
            let value = field.get(key)?.map(|value| value.string()).transpose()?;
            Ok(value.unwrap_or_default().to_owned())
        };
        Ok(Self {
            name: text("name")?,
            mac: text("mac")?,
            mtu: number(field, "mtu")?,
            sandbox: text("sandbox")?,
            socket_path: text("socketPath")?,
            pci_id: text("pciID")?,
        })
    }
}

impl IpConfig {
    fn decode(field: &Field<'_>, key: &str) -> Result<Self, FieldError> {
        let Some(address) = field.get(key)? else {
            return Err(field.error(format!("want a key {key}")));
        };
        let interface = field.get("interface")?.map(|index| index.unsigned()).transpose()?;
        Ok(Self {
            interface: interface.and_then(|index| index.try_into().ok()),
            address: address.network()?,
            gateway: gateway(field, "gateway")?,
        })
    }
}

impl Route {
    /// Reads a route of a result, or of a configuration, where it is the same.
    ///
    /// # Errors
    /// `dst` is missing, or a member is of another kind.
    pub fn decode(field: &Field<'_>) -> Result<Self, FieldError> {
        let Some(destination) = field.get("dst")? else {
            return Err(field.error("a route needs a key dst, such as \"0.0.0.0/0\""));
        };
        Ok(Self {
            destination: destination.network()?,
            gateway: gateway(field, "gw")?,
            mtu: number(field, "mtu")?,
            advmss: number(field, "advmss")?,
            priority: number(field, "priority")?,
            table: number(field, "table")?,
            scope: number(field, "scope")?,
        })
    }
}

fn items<T>(
    field: &Field<'_>,
    key: &str,
    decode: impl Fn(&Field<'_>) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let Some(list) = field.get(key)? else { return Ok(Vec::new()) };
    list.list()?.iter().map(decode).collect()
}

/// Reads an address that may be missing, or empty, which Go's library reads as missing too.
fn gateway(field: &Field<'_>, key: &str) -> Result<Option<IpAddr>, FieldError> {
    let Some(gateway) = field.get(key)? else { return Ok(None) };
    if gateway.string()?.is_empty() {
        return Ok(None);
    }
    gateway.parse("an IP address").map(Some)
}

fn number(field: &Field<'_>, key: &str) -> Result<Option<u32>, FieldError> {
    let Some(number) = field.get(key)? else { return Ok(None) };
    let value = number.unsigned()?;
    let value = u32::try_from(value).map_err(|_| number.error(format!("{value} is too large")))?;
    Ok(Some(value))
}
