//! YAML: manifests as `kubectl apply -f` reads them, bodies and kubeconfigs.

use serde_json::Value;

use crate::error::Error;

/// Reads one document.
///
/// # Errors
/// When the text is not YAML.
pub fn document(yaml: &str) -> Result<Value, Error> {
    let parsed = serde_saphyr::from_str_with_options(yaml, options());
    parsed.map_err(|error| Error::Manifest(error.to_string()))
}

/// Reads the objects of a YAML stream; empty documents are skipped and `List`s unfolded.
///
/// # Errors
/// When the text is not YAML.
pub fn objects(yaml: &str) -> Result<Vec<Value>, Error> {
    // JSON is YAML, too; a large cluster in one `List` is read sooner so, and without the limits of YAML's reader.
    if let Ok(object @ Value::Object(_)) = serde_json::from_str(yaml) {
        return Ok(unfold(object));
    }
    let parsed = serde_saphyr::from_multiple_with_options(yaml, options());
    let documents: Vec<Value> = parsed.map_err(|error| Error::Manifest(error.to_string()))?;
    let objects = documents.into_iter().filter(Value::is_object);
    Ok(objects.flat_map(unfold).collect())
}

fn unfold(object: Value) -> Vec<Value> {
    match object.get("items").and_then(Value::as_array) {
        Some(items) if object["kind"] == "List" => items.clone(),
        _ => vec![object],
    }
}

fn options() -> serde_saphyr::Options {
    // YAML 1.2: a node named `n` is not the truth value false.
    serde_saphyr::options! { strict_booleans: true }
}
