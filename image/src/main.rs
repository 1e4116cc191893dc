//! `portolan-image`: the container image as one file, from binaries that are there.
//!
//! ```text
//! files ─▶ layer (tar, gzip) ─▶ configuration ─▶ manifest ─▶ index ─▶ archive
//! cargo metadata ─▶ bill of materials, licences ─┘
//! ```
//!
//! Equal input gives equal octets: names are sorted, every time is the one that is given, nobody owns anything. The
//! archive is an OCI image layout, and what `docker save` writes, in one.

mod archive;
mod layer;
mod licences;
mod materials;
mod packages;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use archive::{Image, Labels};
use layer::Layer;
use packages::Packages;

/// The program that the image runs, as in CoreDNS's image.
const ENTRYPOINT: &str = "/coredns";

/// Make the container image as one file: an OCI image layout that is a docker archive, too.
#[derive(Debug, Parser)]
#[command(name = "portolan-image", version)]
struct Arguments {
    /// The static binary of every role.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// The static binary of the IPAM plugin.
    #[arg(long, value_name = "FILE")]
    plugin: PathBuf,
    /// Certificates of authorities, for upstreams over TLS.
    #[arg(long, value_name = "FILE")]
    certificates: Option<PathBuf>,
    /// The licence of the project.
    #[arg(long, value_name = "FILE")]
    licence: PathBuf,
    /// What `cargo metadata --format-version 1` prints, of this platform alone.
    #[arg(long, value_name = "FILE")]
    metadata: PathBuf,
    /// The image's name and tag.
    #[arg(long, value_name = "NAME:TAG")]
    name: String,
    /// The commit that the binaries were built from.
    #[arg(long, value_name = "COMMIT", default_value = "unknown")]
    revision: String,
    /// The time of everything in the image, in seconds since 1970: SOURCE_DATE_EPOCH.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    time: u32,
    /// Fail when the archive gets larger.
    #[arg(long, value_name = "OCTETS", default_value_t = 25_000_000)]
    most: usize,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (name, tag) = arguments.name.rsplit_once(':').context("--name: write NAME:TAG")?;
    let created = OffsetDateTime::from_unix_timestamp(arguments.time.into())?.format(&Rfc3339)?;
    let packages = Packages::read(&read(&arguments.metadata)?)?;
    let layer = layer(&arguments, &packages, &created)?;
    let labels = Labels { version: tag, revision: &arguments.revision, created: &created };
    let image = Image::new(&layer, name, tag, ENTRYPOINT, &labels)?;
    let archive = image.archive(arguments.time)?;
    ensure!(
        archive.len() <= arguments.most,
        "the archive has {} octets, which is more than {}",
        archive.len(),
        arguments.most
    );
    fs::write(&arguments.output, &archive)
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    say(&format!(
        "{}: {} octets\n{name}:{tag}@{}\n",
        arguments.output.display(),
        archive.len(),
        image.digest()
    ))
}

/// Puts the files of the image together.
fn layer(arguments: &Arguments, packages: &Packages, created: &str) -> Result<Vec<u8>> {
    let mut layer = Layer::new(arguments.time);
    layer.program("portolan", read(&arguments.binary)?);
    layer.program("portolan-ipam", read(&arguments.plugin)?);
    layer.link("coredns", "portolan");
    layer.file("etc/passwd", "root:x:0:0::/:\nportolan:x:65532:65532::/:\n");
    layer.file("etc/group", "root:x:0:\nportolan:x:65532:\n");
    if let Some(certificates) = &arguments.certificates {
        layer.file("etc/ssl/certs/ca-certificates.crt", read(certificates)?);
    }
    let documents = "usr/share/doc/portolan";
    layer.file(&format!("{documents}/LICENSE"), read(&arguments.licence)?);
    layer.file(&format!("{documents}/licences.txt"), licences::of(packages)?);
    layer.file(&format!("{documents}/sbom.cdx.json"), materials::of(packages, created)?);
    layer.tar()
}

fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "what was made is the program's answer")]
fn say(text: &str) -> Result<()> {
    print!("{text}");
    Ok(())
}
