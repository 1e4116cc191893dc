//! What happened, in the operator's words.

use cluster::Kind;

use super::resource::{group, plural};
use super::step::{End, Refusal};
use crate::WrittenKind;

/// Says what a refusal means and what to do about it. Equal refusals give equal words, so that they are
/// logged once.
pub(crate) fn explain(kind: Kind, refusal: &Refusal) -> String {
    in_full((group(kind), plural(kind)), kind.is_optional(), refusal)
}

/// Says the same of a kind that may be one of a CustomResourceDefinition.
pub(crate) fn explain_at(kind: WrittenKind, refusal: &Refusal) -> String {
    in_full((kind.group(), kind.plural), !kind.group().is_empty(), refusal)
}

fn in_full((group, plural): (&str, &str), is_optional: bool, refusal: &Refusal) -> String {
    let Refusal { code, message, .. } = refusal;
    let remedy = match code {
        401 => "; give the client valid credentials".to_owned(),
        403 => format!(
            "; allow it in a ClusterRole: apiGroups: [\"{group}\"], resources: [\"{plural}\"], verbs: [\"list\", \"watch\"]"
        ),
        404 if is_optional => format!(
            "; the cluster does not have this kind: install the CustomResourceDefinition {plural}.{group}, or remove what asks for it"
        ),
        404 => "; check the server's address and version".to_owned(),
        410 => "; listing again".to_owned(),
        _ => String::new(),
    };
    format!("HTTP {code}: {message}{remedy}")
}

/// Says why a response is over.
pub(crate) fn in_words(end: End) -> &'static str {
    match end {
        End::Ended => "the server ended the response",
        End::Idle => "nothing came for too long",
        End::Garbage => "what came is no Kubernetes API response",
        End::Failed => "the connection broke",
    }
}
