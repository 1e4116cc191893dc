//! What the binaries are made of, as `cargo metadata` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The packages that are built into the image.
const ROOTS: [&str; 2] = ["portolan", "portolan-cni-ipam"];

/// A package.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence, as an SPDX expression.
    pub(crate) licence: String,
    /// Where its code is.
    pub(crate) folder: PathBuf,
    /// Whether it is of this workspace.
    pub(crate) is_own: bool,
    /// The packages that it uses, by their references.
    pub(crate) uses: BTreeSet<String>,
}

/// The packages of the image, by `NAME@VERSION`.
#[derive(Debug)]
pub(crate) struct Packages(pub(crate) BTreeMap<String, Package>);

impl Packages {
    /// Reads the answer of `cargo metadata`, and leaves out what is for tests and builds alone.
    ///
    /// # Errors
    /// It is no such answer, or a package has no licence.
    pub(crate) fn read(json: &[u8]) -> Result<Self> {
        let all: Value = serde_json::from_slice(json).context("--metadata is no JSON")?;
        let mut packages = BTreeMap::new();
        for package in list(&all["packages"]) {
            packages.insert(text(&package["id"])?, package);
        }
        let mut uses = BTreeMap::new();
        for node in list(&all["resolve"]["nodes"]) {
            uses.insert(text(&node["id"])?, normal(node)?);
        }
        let is_root = |package: &Value| {
            package["source"].is_null() && ROOTS.iter().any(|root| package["name"] == *root)
        };
        let mut next: Vec<String> = packages
            .iter()
            .filter(|(_, package)| is_root(package))
            .map(|(id, _)| id.clone())
            .collect();
        ensure!(next.len() == ROOTS.len(), "--metadata is not that of Portolan");
        let mut found = BTreeMap::new();
        while let Some(id) = next.pop() {
            let package = packages.get(&id).context("a package is not described")?;
            let uses = uses.get(&id).context("the dependencies of a package are missing")?;
            let names = uses
                .iter()
                .map(|id| reference(packages.get(id).copied()))
                .collect::<Result<_>>()?;
            if found.insert(reference(Some(package))?, read(package, names)?).is_none() {
                next.extend(uses.iter().cloned());
            }
        }
        Ok(Self(found))
    }
}

fn read(package: &Value, uses: BTreeSet<String>) -> Result<Package> {
    let name = text(&package["name"])?;
    let licence = package["license"].as_str();
    // Its old form of OR.
    let licence = licence.with_context(|| format!("{name} has no licence"))?.replace('/', " OR ");
    let manifest = PathBuf::from(text(&package["manifest_path"])?);
    Ok(Package {
        version: text(&package["version"])?,
        licence,
        folder: manifest.parent().map(Into::into).unwrap_or_default(),
        is_own: package["source"].is_null(),
        name,
        uses,
    })
}

/// Returns the dependencies of a node that are built in.
fn normal(node: &Value) -> Result<Vec<String>> {
    let is_normal = |used: &&Value| list(&used["dep_kinds"]).any(|kind| kind["kind"].is_null());
    list(&node["deps"]).filter(is_normal).map(|used| text(&used["pkg"])).collect()
}

fn reference(package: Option<&Value>) -> Result<String> {
    let package = package.context("a package is not described")?;
    Ok(format!("{}@{}", text(&package["name"])?, text(&package["version"])?))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("--metadata is no answer of cargo metadata")
}
