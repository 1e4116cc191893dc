//! The target `ipam`: what a runtime gives the IPAM plugin, and what becomes of the answer.

use std::ffi::OsString;

use cni::{AddResult, Code, Error, Field, Json, Request, Version, plugin};
use cni_ipam::config::Placement;
use cni_ipam::range::Range;
use cni_ipam::range_set::RangeSet;
use cni_ipam::{IpamConfig, Site, tools, verbs};
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

/// Serves a call on a store of its own, unless the configuration names another place: the file system of whoever fuzzes
/// stays as it is.
fn serve(request: &Request) -> Result<Option<AddResult>, Error> {
    let config = match request {
        Request::Add(request) | Request::Check(request) | Request::Del(request) => &request.config,
        Request::Gc(request) => &request.config,
        Request::Status(config) => config,
        Request::Version => return Ok(None),
    };
    if let Some(result) = config.prev_result()? {
        comes_back(&result);
    }
    let ipam = IpamConfig::parse(config)?;
    if ipam.placement != Placement::default() || ipam.resolv_conf.is_some() {
        return Err(Error::new(Code::INTERNAL, "not fuzzed"));
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Site {
        store_root: folder.path().join("stores"),
        node_blocks: folder.path().join("blocks"),
        result_caches: Vec::new(),
        ..Site::host()
    };
    let answer = answer(request, &site);
    // To look at each of millions of addresses takes long.
    let sets = ipam.pools.iter().flat_map(|pool| &pool.sets);
    let is_large = |range: &Range| (1 << 20..=1 << 24).contains(&range.span().count());
    if !sets.flat_map(RangeSet::ranges).any(is_large) {
        let sound = tools::verify(&site, None).unwrap();
        assert!(sound.stores.iter().all(|store| store.problems.is_empty()), "{sound:?}");
    }
    answer
}

/// Serves a call; an ADD twice, and then the DEL, after which nothing is held.
fn answer(request: &Request, site: &Site) -> Result<Option<AddResult>, Error> {
    let held = || {
        let leases = tools::list(site, None).unwrap().leases;
        leases.into_iter().filter(|lease| lease.state == "held").count()
    };
    match request {
        Request::Add(request) => {
            let added = verbs::add(request, site);
            let held_before = held();
            match &added {
                Ok(result) => {
                    assert!(
                        !result.ips.is_empty() && result.ips.len() == held_before,
                        "{result:?}"
                    );
                    assert_eq!(&verbs::add(request, site).unwrap(), result);
                    comes_back(result);
                }
                Err(_) => assert_eq!(held_before, 0, "a refused ADD leaves nothing"),
            }
            verbs::del(request, site)?;
            assert_eq!(held(), 0);
            return Ok(Some(added?));
        }
        Request::Del(request) => verbs::del(request, site)?,
        Request::Check(request) => verbs::check(request, site)?,
        Request::Gc(request) => verbs::gc(request, site)?,
        Request::Status(config) => verbs::status(config, site)?,
        Request::Version => {}
    }
    Ok(None)
}

/// Checks that a result is read as it was written.
fn comes_back(result: &AddResult) {
    let text = result.encode(Version::NEWEST).unwrap();
    let json = Json::parse(text.as_bytes()).unwrap();
    let read = AddResult::decode(&Field::root(&json), Version::V0_1_0).unwrap();
    assert_eq!(&read, result);
}
