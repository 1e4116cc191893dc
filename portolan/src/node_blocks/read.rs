//! Reads Nodes, IPPools and NodeBlocks, from manifests or an API server.

use anyhow::{Result, anyhow};
use cluster_source::{FetchError, SourceError, Timing, WrittenObject, list_written, written_at};
use ipam_controller::blocks::Input;

use super::objects;
use crate::cli::{NodeBlocksArguments, OriginArguments};

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    /// The objects.
    pub(crate) inputs: Vec<Input>,
    /// What cannot be read, each with its place and remedy.
    pub(crate) problems: Vec<String>,
    /// Fields that there are not, each with its place and remedy. Their objects count.
    pub(crate) ignored: Vec<String>,
}

/// A kind: its API version, its name, its name in URLs, and how it is read.
type Kind = (&'static str, &'static str, &'static str, fn(&WrittenObject) -> Result<Input, String>);

/// Pools come first: what nodes have is looked for in them.
const KINDS: [Kind; 3] = [
    ("portolan.dev/v1alpha1", "IPPool", "ippools", objects::pool),
    ("v1", "Node", "nodes", objects::node),
    ("portolan.dev/v1alpha1", "NodeBlock", "nodeblocks", |object| {
        objects::record(object).map(Input::Record)
    }),
];

/// Returns every object of the kinds. One that cannot be used is a problem, and the others count.
///
/// # Errors
/// The manifests or the API server cannot be read.
pub(crate) fn objects(arguments: &NodeBlocksArguments) -> Result<Found> {
    let mut found = Found::default();
    for (api_version, kind, plural, decode) in KINDS {
        let (objects, problems) = written(&arguments.origin, (api_version, kind, plural))?;
        for problem in problems {
            // Each kind reads the same files.
            if !found.problems.contains(&problem) {
                found.problems.push(problem);
            }
        }
        for object in objects {
            let of_it = |said: &String| format!("{}: {kind} {}: {said}", object.place, object.name);
            found.ignored.extend(object.ignored.iter().map(of_it));
            match decode(&object) {
                Ok(input) => found.inputs.push(input),
                Err(problem) => found.problems.push(of_it(&problem)),
            }
        }
    }
    Ok(found)
}

/// Returns the objects of a kind (API version, name, name in URLs), and what could not be read beside them.
///
/// # Errors
/// The manifests or the API server cannot be read.
pub(crate) fn written(
    origin: &OriginArguments,
    (api_version, kind, plural): (&str, &str, &str),
) -> Result<(Vec<WrittenObject>, Vec<String>)> {
    match &origin.manifests {
        Some(path) => {
            let written = written_at(path, (api_version, kind))?;
            Ok((written.objects, written.problems))
        }
        None => Ok((fetch(origin, (api_version, plural))?, Vec::new())),
    }
}

fn fetch(origin: &OriginArguments, of: (&str, &str)) -> Result<Vec<WrittenObject>> {
    let access = origin.access();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(list_written(access, &Timing::default(), of)).map_err(|error| match error {
        FetchError::Access(SourceError::InCluster { source }) => {
            anyhow!("in-cluster access: {source}; say where the nodes are with --kubeconfig or --manifests")
        }
        error => error.into(),
    })
}
