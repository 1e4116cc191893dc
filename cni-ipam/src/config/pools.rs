//! Pools: ranges with a name, and which of them an attachment gets.

use cni::{AttachmentRequest, Config, Field, FieldError, Route, Version};

use super::{ranges, routes};
use crate::address::Family;
use crate::failure::Failure;
use crate::range_set::RangeSet;

/// The annotation of a pod that names its pool.
pub const POOL_ANNOTATION: &str = "portolan.dev/ipam-pool";

/// The capability that runtimes give the annotations of a pod with.
const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

/// Range sets and who gets their addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    /// The name; empty for the ranges of the section itself and the blocks of the node.
    pub name: String,
    /// The namespaces whose pods get it without asking.
    pub namespaces: Vec<String>,
    /// An attachment gets one address of each set; there is at least one set.
    pub sets: Vec<RangeSet>,
    /// Routes of the result.
    pub routes: Vec<Route>,
}

impl Pool {
    /// Returns how messages call it.
    pub fn title(&self) -> String {
        if self.name.is_empty() {
            let sets: Vec<String> = self.sets.iter().map(ToString::to_string).collect();
            return format!("the ranges {}", sets.join(" and "));
        }
        format!("the pool {}", self.name)
    }

    /// Checks what no set can know alone.
    pub(super) fn check(&self, version: Version) -> Result<(), Failure> {
        for (at, set) in self.sets.iter().enumerate() {
            if let Some((one, other)) = self.sets[..at].iter().find_map(|other| other.overlap(set))
            {
                let problem = format!("range sets {one} and {other} overlap");
                return Err(Failure::config(problem, "give each set addresses of its own"));
            }
        }
        let is_crowded = |family| self.sets.iter().filter(|set| set.family() == family).count() > 1;
        if version < Version::V0_3_0 && [Family::V4, Family::V6].into_iter().any(is_crowded) {
            let problem = format!("CNI version {version} takes one address of each family");
            return Err(Failure::config(
                problem,
                "write cniVersion 0.3.0 or newer, or remove range sets",
            ));
        }
        Ok(())
    }
}

/// Reads the pools; that of the section itself, if it has ranges, is the last.
pub(super) fn parse(
    config: &Config,
    ipam: &Field<'_>,
    common_routes: &[Route],
) -> Result<Vec<Pool>, FieldError> {
    let mut pools: Vec<Pool> = Vec::new();
    if let Some(list) = ipam.get("pools")? {
        let exclusions = ranges::exclusions(ipam)?;
        for field in list.list()? {
            let pool = pool(config, &field, &exclusions, common_routes)?;
            if pools.iter().any(|other| other.name == pool.name) {
                return Err(field.error(format!("there is a pool {:?} already", pool.name)));
            }
            pools.push(pool);
        }
    }
    let sets = ranges::top_level(config, ipam)?;
    if !sets.is_empty() {
        let routes = common_routes.to_vec();
        pools.push(Pool { name: String::new(), namespaces: Vec::new(), sets, routes });
    }
    Ok(pools)
}

fn pool(
    config: &Config,
    field: &Field<'_>,
    exclusions: &[ranges::Exclusion],
    common_routes: &[Route],
) -> Result<Pool, FieldError> {
    let name = field.get("name")?.map(|name| name.string()).transpose()?.unwrap_or_default();
    if name.is_empty() {
        return Err(field.error("a pool needs a key name"));
    }
    let mut all = exclusions.to_vec();
    all.append(&mut ranges::exclusions(field)?);
    let mut sets = ranges::of_runtime(config, &all)?;
    if let Some(list) = field.get("ranges")? {
        sets.append(&mut ranges::sets(&list, &all)?);
    }
    if sets.is_empty() {
        return Err(field.error("a pool needs a key ranges with at least one range set"));
    }
    let namespaces = match field.get("namespaces")? {
        Some(list) => list
            .list()?
            .iter()
            .map(|item| item.string().map(str::to_owned))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let routes =
        if field.get("routes")?.is_some() { routes(field)? } else { common_routes.to_vec() };
    Ok(Pool { name: name.to_owned(), namespaces, sets, routes })
}

/// Returns the pool of an attachment.
pub(super) fn choose<'a>(
    pools: &'a [Pool],
    request: &AttachmentRequest,
) -> Result<&'a Pool, Failure> {
    if let Some(name) = annotation(&request.config)? {
        let named = pools.iter().find(|pool| !pool.name.is_empty() && pool.name == name);
        return named.ok_or_else(|| {
            let problem = format!(
                "the pod's annotation {POOL_ANNOTATION} names the pool {name:?}, which there is not"
            );
            Failure::config(problem, format!("use one of {}", names(pools)))
        });
    }
    let namespace = request.arguments.get("K8S_POD_NAMESPACE").unwrap_or_default();
    let is_meant = |pool: &&Pool| pool.namespaces.iter().any(|listed| listed == namespace);
    let default = || pools.iter().find(|pool| pool.name.is_empty());
    pools.iter().find(is_meant).or_else(default).ok_or_else(|| {
        let problem = format!("no pool is meant for pods of the namespace {namespace:?}");
        let remedy = format!(
            "add ranges to ipam for all others, the namespace to one of {}, or the annotation {POOL_ANNOTATION} to the pod",
            names(pools)
        );
        Failure::config(problem, remedy)
    })
}

fn names(pools: &[Pool]) -> String {
    let names: Vec<&str> =
        pools.iter().map(|pool| pool.name.as_str()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "no pools: ipam has no key pools".to_owned() } else { names.join(", ") }
}

fn annotation(config: &Config) -> Result<Option<&str>, FieldError> {
    let Some(annotations) = config.capability(ANNOTATIONS)? else { return Ok(None) };
    // Keys of annotations are data: they match exactly.
    let found = annotations.entries()?.into_iter().rev().find(|(key, _)| *key == POOL_ANNOTATION);
    found.map(|(_, value)| value.string()).transpose()
}
