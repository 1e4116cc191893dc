//! Writes from inside the process, which may do what no client may: set a status on create,
//! write into a namespace that does not exist yet.

use std::sync::Arc;

use serde_json::{Value, json};

use super::status::Refusal;
use super::write::{Mode, Part, Write};
use crate::resource::Resource;
use crate::store::State;
use crate::store::object::Key;

/// Writes an object as a test may: all parts of it, creating its namespace when that is missing.
///
/// # Errors
/// 404 for an unknown kind, otherwise as creating or updating it.
pub fn put(state: &mut State, object: Value) -> Result<Value, Refusal> {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let found = state.resources.by_kind(&text("apiVersion"), &text("kind"));
    let resource = found.ok_or_else(|| {
        let (version, kind) = (text("apiVersion"), text("kind"));
        Refusal::new(404, "NotFound", format!("no matches for kind {kind:?} in {version:?}"))
    })?;
    let metadata = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
    let namespace = match (resource.is_namespaced(), metadata("namespace")) {
        (true, namespace) => namespace.unwrap_or_else(|| "default".to_owned()),
        (false, _) => String::new(),
    };
    if resource.is_namespaced() {
        ensure_namespace(state, &namespace)?;
    }
    let mut write = whole(state, &resource, &namespace);
    let name = metadata("name").unwrap_or_default();
    let written = match write.current(&write.key(&name)) {
        Ok(_) => write.update(&name, object)?,
        Err(_) => write.create(object)?,
    };
    Ok(written.value.clone())
}

/// Creates a namespace when it is missing.
///
/// # Errors
/// 422 when its name is not valid.
pub fn ensure_namespace(state: &mut State, name: &str) -> Result<(), Refusal> {
    let Some(resource) = state.resources.by_path("", "v1", "namespaces") else {
        return Ok(());
    };
    let mut write = whole(state, &resource, "");
    if write.current(&write.key(name)).is_err() {
        write.create(json!({"metadata": {"name": name}}))?;
    }
    Ok(())
}

/// Returns an object; `kind` is a kind or a plural name.
pub fn get(state: &State, kind: &str, namespace: &str, name: &str) -> Option<Value> {
    let resource = by_name(state, kind).ok()?;
    let key =
        Key { resource: resource.id(), namespace: namespace.to_owned(), name: name.to_owned() };
    Some(state.get(&key)?.value.clone())
}

/// Deletes an object; `kind` is a kind or a plural name.
///
/// # Errors
/// 404 when there is none.
pub fn delete(state: &mut State, kind: &str, namespace: &str, name: &str) -> Result<(), Refusal> {
    let resource = by_name(state, kind)?;
    whole(state, &resource, namespace).delete(name, &Value::Null)?;
    Ok(())
}

fn by_name(state: &State, kind: &str) -> Result<Arc<Resource>, Refusal> {
    let mut resources = state.resources.iter();
    let found = resources.find(|resource| resource.kind == kind || resource.plural == kind);
    found.cloned().ok_or_else(Refusal::no_such_path)
}

fn whole<'a>(state: &'a mut State, resource: &'a Resource, namespace: &'a str) -> Write<'a> {
    Write { state, resource, namespace, part: Part::Whole, mode: Mode::Commit }
}
