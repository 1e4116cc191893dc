//! Reads Nodes and IPPools, from manifests or an API server.

use anyhow::{Result, anyhow};
use cluster_source::{FetchError, SourceError, Timing, WrittenObject, list_written, written_at};
use ipam_controller::blocks::Input;

use super::objects;
use crate::cli::NodeBlocksArguments;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// The objects.
    pub(super) inputs: Vec<Input>,
    /// What cannot be read, each with its place and remedy.
    pub(super) problems: Vec<String>,
}

/// A kind: its API version, its name, its name in URLs, and how it is read.
type Kind = (&'static str, &'static str, &'static str, fn(&WrittenObject) -> Result<Input, String>);

/// Pools come first: what nodes have is looked for in them.
const KINDS: [Kind; 2] = [
    ("portolan.dev/v1alpha1", "IPPool", "ippools", objects::pool),
    ("v1", "Node", "nodes", objects::node),
];

/// Returns every object of both kinds. One that cannot be used is a problem, and the others count.
///
/// # Errors
/// The manifests or the API server cannot be read.
pub(super) fn objects(arguments: &NodeBlocksArguments) -> Result<Found> {
    let mut found = Found::default();
    for (api_version, kind, plural, decode) in KINDS {
        let objects = match &arguments.origin.manifests {
            Some(path) => {
                let written = written_at(path, (api_version, kind))?;
                for problem in written.problems {
                    // Each kind reads the same files.
                    if !found.problems.contains(&problem) {
                        found.problems.push(problem);
                    }
                }
                written.objects
            }
            None => fetch(arguments, (api_version, plural))?,
        };
        for object in objects {
            match decode(&object) {
                Ok(input) => found.inputs.push(input),
                Err(problem) => {
                    found
                        .problems
                        .push(format!("{}: {kind} {}: {problem}", object.place, object.name));
                }
            }
        }
    }
    Ok(found)
}

fn fetch(arguments: &NodeBlocksArguments, of: (&str, &str)) -> Result<Vec<WrittenObject>> {
    let access = arguments.origin.access();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(list_written(access, &Timing::default(), of)).map_err(|error| match error {
        FetchError::Access(SourceError::InCluster { source }) => {
            anyhow!("in-cluster access: {source}; say where the nodes are with --kubeconfig or --manifests")
        }
        error => error.into(),
    })
}
