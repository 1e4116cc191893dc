//! What happened, in the operator's words.

use cluster::Kind;

use super::resource::{group, plural};
use super::step::{End, Refusal};

/// Says what a refusal means and what to do about it. Equal refusals give equal words, so that they are
/// logged once.
pub(crate) fn explain(kind: Kind, refusal: &Refusal) -> String {
    let Refusal { code, message, .. } = refusal;
    let remedy = match code {
        401 => "; give the client valid credentials".to_owned(),
        403 => format!(
            "; allow it in a ClusterRole: apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"list\", \"watch\"]",
            group(kind),
            plural(kind)
        ),
        404 if kind.is_optional() => format!(
            "; the cluster does not have this kind: install the CustomResourceDefinition {}.{}, or remove what asks for it",
            plural(kind),
            group(kind)
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
