//! The bill of materials: CycloneDX 1.5, as JSON.

use anyhow::Result;
use serde_json::{Value, json};

use super::packages::{Package, Packages};

/// Returns the bill.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn of(packages: &Packages, created: &str) -> Result<Vec<u8>> {
    let version = packages.0.values().find(|package| package.name == "portolan");
    let version = version.map(|package| package.version.as_str()).unwrap_or_default();
    let components: Vec<Value> =
        packages.0.iter().map(|(reference, package)| component(reference, package)).collect();
    let mut dependencies: Vec<Value> = packages
        .0
        .iter()
        .map(|(reference, package)| json!({"ref": reference, "dependsOn": package.uses}))
        .collect();
    let roots: Vec<&String> =
        packages.0.iter().filter(|(_, package)| package.is_own).map(|(name, _)| name).collect();
    dependencies.push(json!({"ref": "image", "dependsOn": roots}));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": "portolan",
                "version": version,
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    let mut octets = serde_json::to_vec_pretty(&bill)?;
    octets.push(b'\n');
    Ok(octets)
}

fn component(reference: &str, package: &Package) -> Value {
    let Package { name, version, licence, is_own, .. } = package;
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "licenses": [{"expression": licence}],
    });
    if !is_own {
        // Package URL specification, type `cargo`.
        component["purl"] = json!(format!("pkg:cargo/{name}@{version}"));
    }
    component
}
