//! The addresses that a caller asks for: `IP` of `CNI_ARGS`, then `args.cni.ips`, then `runtimeConfig.ips`, one after the
//! other as host-local appends them. A prefix length is ignored.

use std::net::IpAddr;

use cni::{AttachmentRequest, Field, FieldError};
use ipnet::IpNet;

use crate::address::canonical;
use crate::failure::Failure;

/// The keys of `CNI_ARGS` that need no `IgnoreUnknown`.
pub(super) const KNOWN_ARGUMENTS: [&str; 5] =
    ["IP", "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID"];

/// Most addresses that can be asked for.
pub(super) const MAX_REQUESTED: usize = 64;

/// Returns the addresses that are asked for, each once.
///
/// # Errors
/// One of them is no address, there are too many, or `CNI_ARGS` has unknown keys.
pub fn requested(request: &AttachmentRequest) -> Result<Vec<IpAddr>, Failure> {
    request.arguments.check_known(&KNOWN_ARGUMENTS)?;
    let mut found = Vec::new();
    if let Some(text) = request.arguments.get("IP").filter(|text| !text.is_empty()) {
        found.push(
            parse(text).ok_or_else(|| Failure::Arguments(format!("IP={text} is no address")))?,
        );
    }
    let cni = request.config.get("args").map_or(Ok(None), |args| args.get("cni"))?;
    if let Some(list) = cni.map_or(Ok(None), |cni| cni.get("ips"))? {
        append(&mut found, &list)?;
    }
    if let Some(list) = request.config.capability("ips")? {
        append(&mut found, &list)?;
    }
    if found.len() > MAX_REQUESTED {
        let problem = format!("{} addresses are asked for", found.len());
        return Err(Failure::config(problem, format!("at most {MAX_REQUESTED} are allowed")));
    }
    let mut unique = Vec::new();
    found.into_iter().for_each(|address| {
        if !unique.contains(&address) {
            unique.push(address);
        }
    });
    Ok(unique)
}

fn append(found: &mut Vec<IpAddr>, list: &Field<'_>) -> Result<(), FieldError> {
    for item in list.list()? {
        let text = item.string()?;
        let address = parse(text).ok_or_else(|| {
            item.error(format!("want an address such as 10.0.0.5 or 10.0.0.5/24, have {text:?}"))
        })?;
        found.push(address);
    }
    Ok(())
}

fn parse(text: &str) -> Option<IpAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => {
            let (address, length) = text.split_once('/')?;
            IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?.addr()
        }
    };
    Some(canonical(address))
}
