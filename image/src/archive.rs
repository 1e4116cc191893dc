//! The image: blobs by their digests, and what names them, for two formats at once.
//!
//! ```text
//! oci-layout, index.json ─▶ blobs/sha256/MANIFEST ─▶ CONFIG, LAYER      OCI image layout 1.0
//! manifest.json ──────────────────────────────────▶ CONFIG, LAYER      docker save
//! ```

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use data_encoding::HEXLOWER;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::Builder;

use super::layer::header;

/// What labels of the image say of it.
#[derive(Debug)]
pub(crate) struct Labels<'a> {
    /// The version.
    pub(crate) version: &'a str,
    /// The commit.
    pub(crate) revision: &'a str,
    /// When, by RFC 3339.
    pub(crate) created: &'a str,
}

/// An image of one layer.
#[derive(Debug)]
pub(crate) struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    /// Digests in hexadecimal digits.
    manifest: String,
    config: String,
    layer: String,
    name: String,
    tag: String,
}

impl Image {
    /// Makes the image of a layer, which is a tar.
    ///
    /// # Errors
    /// Memory to compress in is missing.
    pub(crate) fn new(
        tar: &[u8],
        name: &str,
        tag: &str,
        entrypoint: &str,
        labels: &Labels<'_>,
    ) -> Result<Self> {
        let mut blobs = BTreeMap::new();
        let mut keep = |octets: Vec<u8>| {
            let digest = digest(&octets);
            let descriptor = (digest.clone(), octets.len());
            blobs.insert(digest, octets);
            descriptor
        };
        let (layer, layer_len) = keep(gzip(tar)?);
        let config = config(&digest(tar), entrypoint, labels);
        let (config, config_len) = keep(serde_json::to_vec(&config)?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config, config_len),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer, layer_len)],
        });
        let (manifest, _) = keep(serde_json::to_vec(&manifest)?);
        let (name, tag) = (name.to_owned(), tag.to_owned());
        Ok(Self { blobs, manifest, config, layer, name, tag })
    }

    /// Returns the digest by which a registry knows the image.
    pub(crate) fn digest(&self) -> String {
        format!("sha256:{}", self.manifest)
    }

    /// Returns the archive.
    ///
    /// # Errors
    /// A blob has no place in it.
    pub(crate) fn archive(&self, time: u32) -> Result<Vec<u8>> {
        let len = self.blobs[&self.manifest].len();
        let mut index =
            descriptor("application/vnd.oci.image.manifest.v1+json", &self.manifest, len);
        index["annotations"] = json!({
            "io.containerd.image.name": full_name(&self.name, &self.tag),
            "org.opencontainers.image.ref.name": self.tag,
        });
        index["platform"] = json!({"architecture": architecture(), "os": "linux"});
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [index],
        });
        let blob = |digest: &str| format!("blobs/sha256/{digest}");
        let docker = json!([{
            "Config": blob(&self.config),
            "RepoTags": [format!("{}:{}", self.name, self.tag)],
            "Layers": [blob(&self.layer)],
        }]);
        let mut tar = Builder::new(Vec::new());
        let mut add = |path: &str, octets: &[u8]| {
            tar.append_data(&mut header(time, 0o644, octets.len()), path, octets)
        };
        for (digest, octets) in &self.blobs {
            add(&blob(digest), octets)?;
        }
        add("index.json", &serde_json::to_vec(&index)?)?;
        add("manifest.json", &serde_json::to_vec(&docker)?)?;
        add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(tar.into_inner()?)
    }
}

fn config(diff_id: &str, entrypoint: &str, labels: &Labels<'_>) -> Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        "created": labels.created,
        "config": {
            "Entrypoint": [entrypoint],
            "Env": ["PATH=/"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.created": labels.created,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.revision": labels.revision,
                "org.opencontainers.image.title": "Portolan",
                "org.opencontainers.image.version": labels.version,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
        "history": [{"created": labels.created, "created_by": "portolan-image"}],
    })
}

fn descriptor(media_type: &str, digest: &str, len: usize) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": len})
}

/// Returns the name as containerd knows it, which kubelet asks for: one without a registry is Docker's.
fn full_name(name: &str, tag: &str) -> String {
    let first = name.split('/').next().unwrap_or_default();
    let has_registry = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (has_registry, name.contains('/')) {
        (true, _) => format!("{name}:{tag}"),
        (false, true) => format!("docker.io/{name}:{tag}"),
        (false, false) => format!("docker.io/library/{name}:{tag}"),
    }
}

/// Returns this machine's architecture by the name that images have for it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Compresses without a name and a time.
fn gzip(octets: &[u8]) -> Result<Vec<u8>> {
    // 255: no operating system in particular.
    let mut encoder =
        GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(octets)?;
    Ok(encoder.finish()?)
}

fn digest(octets: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_containerd() {
        for (name, full) in [
            ("portolan", "docker.io/library/portolan:1"),
            ("team/portolan", "docker.io/team/portolan:1"),
            ("registry.example/portolan", "registry.example/portolan:1"),
            ("registry:5000/a/portolan", "registry:5000/a/portolan:1"),
            ("localhost/portolan", "localhost/portolan:1"),
        ] {
            assert_eq!(full_name(name, "1"), full);
        }
    }
}
