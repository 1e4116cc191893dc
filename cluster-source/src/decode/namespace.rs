//! Namespaces.

use cluster::{Labels, Namespace};
use serde::Deserialize;

use super::metadata::Metadata;
use super::{Context, Fault, Keep, wire};

/// The label that the API server puts on every Namespace (KEP-2161), so that selectors can name one.
pub(crate) const NAME_LABEL: &str = "kubernetes.io/metadata.name";

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

pub(super) fn decode(json: &str, context: &mut Context<'_>) -> Result<Namespace, Fault> {
    let wire: Wire<'_> = wire::parse(json)?;
    let name = wire.metadata.checked_name()?;
    let labels = context.labels(&wire.metadata);
    let labels = match context.labels {
        Keep::Labels => with_name(&labels, name),
        Keep::NoLabels => labels,
    };
    // A word that nobody knows must not switch policies off.
    let audit = wire.metadata.is_audited().unwrap_or_else(|fault| {
        context.dropped.push(fault.leaving_out("the annotation"));
        false
    });
    Ok(Namespace { labels, name: context.names.text(name), audit })
}

/// Returns the Namespace that is there because objects are in it.
pub(crate) fn implied(name: &str, keep: Keep) -> Namespace {
    let labels = match keep {
        Keep::Labels => with_name(&Labels::default(), name),
        Keep::NoLabels => Labels::default(),
    };
    Namespace { name: name.into(), labels, audit: false }
}

fn with_name(labels: &Labels, name: &str) -> Labels {
    labels.iter().chain([(NAME_LABEL, name)]).collect()
}
