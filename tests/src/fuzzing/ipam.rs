//! The target `ipam`: what a runtime gives the IPAM plugin, and what becomes of the answer.

use std::ffi::OsString;
use std::net::IpAddr;

use cni::{AddResult, Error, Field, IpConfig, Json, Request, Version, plugin};
use cni_ipam::IpamConfig;
use serde_json::Value;

/// Takes `CNI_COMMAND`, `CNI_ARGS` and a configuration, cut at NUL. Whatever they are, the answer is one JSON object or,
/// after success, nothing.
///
/// # Panics
/// The answer is something else, or what was read does not come back from what is written.
pub fn ipam(input: &[u8]) {
    let mut parts = input.splitn(3, |octet| *octet == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (verb, arguments, config) = (part(), part(), part());
    let variable = |name: &str| -> Option<OsString> {
        let text = |octets| Some(String::from_utf8_lossy(octets).into_owned().into());
        match name {
            "CNI_COMMAND" => text(verb),
            "CNI_ARGS" => text(arguments),
            "CNI_CONTAINERID" => Some("fuzz".into()),
            "CNI_IFNAME" => Some("eth0".into()),
            "CNI_NETNS" => Some("/nowhere".into()),
            _ => None,
        }
    };
    let mut is_add = false;
    let outcome = plugin::run("about", variable, config, |request| {
        is_add = matches!(request, Request::Add(_));
        serve(request)
    });
    assert_eq!(outcome.stderr.is_empty(), !verb.is_empty());
    if outcome.stdout.is_empty() {
        assert!(outcome.code == 0 && !is_add);
        return;
    }
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(answer["cniVersion"].as_str().unwrap().parse::<Version>().is_ok(), "{answer}");
    assert_eq!(answer["code"].is_u64(), outcome.code == 1, "{answer}");
}

/// Serves a call as far as nothing is written: the file system of whoever fuzzes stays as it is.
fn serve(request: &Request) -> Result<Option<AddResult>, Error> {
    let (config, arguments) = match request {
        Request::Add(request) | Request::Check(request) => (&request.config, Some(request)),
        Request::Del(request) => (&request.config, None),
        Request::Gc(request) => (&request.config, None),
        Request::Status(config) => (config, None),
        Request::Version => return Ok(None),
    };
    if let Some(result) = config.prev_result()? {
        comes_back(&result);
    }
    let ipam = IpamConfig::parse(config)?;
    let _ = arguments.map(cni_ipam::config::requested);
    // One address of each set, so that every result that can be made is.
    let ips = ipam.pools.iter().flat_map(|pool| &pool.sets).filter_map(|set| {
        let range = set.ranges().first()?;
        let address: IpAddr = range.subnet().addr();
        let address = ipnet::IpNet::new(address, range.subnet().prefix_len()).ok()?;
        Some(IpConfig { interface: None, address, gateway: range.gateway() })
    });
    let result = AddResult { ips: ips.collect(), routes: ipam.routes, ..AddResult::default() };
    comes_back(&result);
    Ok(matches!(request, Request::Add(_)).then_some(result))
}

/// Checks that a result is read as it was written.
fn comes_back(result: &AddResult) {
    let text = result.encode(Version::NEWEST).unwrap();
    let json = Json::parse(text.as_bytes()).unwrap();
    let read = AddResult::decode(&Field::root(&json), Version::V0_1_0).unwrap();
    assert_eq!(&read, result);
}
