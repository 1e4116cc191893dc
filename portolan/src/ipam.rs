//! The IPAM plugin under its own name, and the commands around its stores.

mod cri;
mod render;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Error, Result, anyhow, bail};
use cni::NetworkName;
use cni_ipam::edge::site::Site;
use cni_ipam::tools;
use serde::Serialize;

use crate::cli::{ExplainIpArguments, IpamArguments, IpamCommand, IpamGcArguments};
use crate::{node_blocks, print};

/// The name under which the binary is the IPAM plugin.
const PLUGIN: &str = "portolan-ipam";

/// Tells whether the binary was called as the IPAM plugin.
pub(crate) fn is_plugin(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    name.is_some_and(|name| name == PLUGIN)
}

/// Is the IPAM plugin: answers the call of a container runtime.
pub(crate) fn plugin() -> ExitCode {
    cni::edge::process::answer(cni_ipam::command::ABOUT, cni_ipam::command::serve)
}

/// Runs a command of `portolan ipam`.
///
/// # Errors
/// A store or the runtime cannot be asked, or there is no such network.
pub(crate) fn run(command: &IpamCommand) -> Result<ExitCode> {
    match command {
        IpamCommand::List(arguments) => list(arguments),
        IpamCommand::Gc(arguments) => gc(arguments),
        IpamCommand::Verify(arguments) => verify(arguments),
        IpamCommand::Plan(arguments) => node_blocks::plan(arguments),
    }
}

/// Explains an address.
///
/// # Errors
/// There is no store, or one cannot be read.
pub(crate) fn explain(arguments: &ExplainIpArguments) -> Result<()> {
    let site = site(&arguments.store_dir);
    if tools::networks(&site)?.is_empty() {
        return Err(no_store(&arguments.store_dir));
    }
    let explanation = tools::explain(&site, arguments.address)?;
    let mut neighbours = Vec::new();
    for finding in &explanation.networks {
        let network = NetworkName::parse(&finding.network)?;
        neighbours.extend(tools::list(&site, Some(&network))?.leases);
    }
    show(&explanation, arguments.json, || render::explanation(&explanation, &neighbours))
}

fn list(arguments: &IpamArguments) -> Result<ExitCode> {
    let (site, network) = chosen(arguments)?;
    let listing = tools::list(&site, network.as_ref())?;
    show(&listing, arguments.json, || render::leases(&listing.leases))?;
    Ok(ExitCode::SUCCESS)
}

fn gc(arguments: &IpamGcArguments) -> Result<ExitCode> {
    let (site, network) = chosen(&arguments.stores)?;
    let socket = cri::socket(arguments.runtime_endpoint.as_deref())?;
    if socket.is_none() && arguments.runtime_endpoint.is_none() {
        print::remark(
            "portolan: note: there is no socket of a container runtime at the usual places; the other witnesses \
             decide (--runtime-endpoint names one)\n",
        );
    }
    let sandboxes = socket.as_deref().map(cri::sandboxes).transpose().context(
        "nothing was freed; name the runtime's socket with --runtime-endpoint, or ask none with \
         --runtime-endpoint off",
    )?;
    let collected = tools::collect(&site, network.as_ref(), sandboxes.as_ref())?;
    show(&collected, arguments.stores.json, || render::collected(&collected))?;
    Ok(ExitCode::SUCCESS)
}

fn verify(arguments: &IpamArguments) -> Result<ExitCode> {
    let (site, network) = chosen(arguments)?;
    let verification = tools::verify(&site, network.as_ref())?;
    show(&verification, arguments.json, || render::verification(&verification))?;
    let is_sound = verification.stores.iter().all(|store| store.problems.is_empty());
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn site(store_dir: &Path) -> Site {
    Site { store_root: store_dir.to_owned(), ..Site::host() }
}

/// Returns the place of the stores, and the network that is meant; none: all of them.
fn chosen(arguments: &IpamArguments) -> Result<(Site, Option<NetworkName>)> {
    let site = site(&arguments.store_dir);
    let networks = tools::networks(&site)?;
    let Some(name) = &arguments.network else {
        if networks.is_empty() {
            // So it is on a node without pods, too.
            print::remark(&format!("portolan: note: {}\n", no_store(&arguments.store_dir)));
        }
        return Ok((site, None));
    };
    if let Some(network) = networks.iter().find(|network| network.as_str() == name) {
        return Ok((site, Some(network.clone())));
    }
    if networks.is_empty() {
        return Err(no_store(&arguments.store_dir));
    }
    let stores = arguments.store_dir.display();
    let names: Vec<&str> = networks.iter().map(NetworkName::as_str).collect();
    bail!("there is no store of the network {name} in {stores}; there is {}", names.join(", "));
}

fn no_store(folder: &Path) -> Error {
    let folder = folder.display();
    anyhow!("there is no store of a network in {folder}; --store-dir names another folder")
}

/// Prints an answer as JSON or as text.
fn show(answer: &impl Serialize, is_json: bool, text: impl FnOnce() -> String) -> Result<()> {
    if !is_json {
        return print::answer(&text());
    }
    print::answer(&(serde_json::to_string_pretty(answer)? + "\n"))
}
