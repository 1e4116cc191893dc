//! Deletion: of one object, of a collection, and of what lives in a deleted namespace.
//!
//! Grace periods and owner references are ignored; finalizers are respected.

use std::sync::Arc;

use serde_json::{Value, json};

use super::metadata;
use super::selection::Selection;
use super::status::Refusal;
use super::write::{Mode, Write};
use crate::store::object::{Key, Object};
use crate::store::{Range, State};

impl Write<'_> {
    /// Deletes an object; returns the Status that confirms it, or the object while finalizers
    /// hold it back.
    ///
    /// # Errors
    /// 404 when there is none, 409 when a precondition of the `DeleteOptions` does not hold.
    pub fn delete(&mut self, name: &str, options: &Value) -> Result<Value, Refusal> {
        let key = self.key(name);
        let current = self.current(&key)?;
        self.check_preconditions(&current, &options["preconditions"])?;
        if self.mode == Mode::Commit
            && let Some(held) = self.remove(&key, &current)
        {
            return Ok(held.value.clone());
        }
        Ok(json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {
                "name": name,
                "group": self.resource.group,
                "kind": self.resource.plural,
                "uid": current.metadata("uid"),
            },
        }))
    }

    /// Deletes the selected objects of a collection; returns them.
    pub fn delete_collection(
        &mut self,
        namespace: Option<String>,
        selection: &Selection,
    ) -> Vec<Arc<Object>> {
        let range = Range { resource: self.resource.id(), namespace, after: None };
        let mut selected = objects(self.state, &range);
        selected.retain(|object| selection.matches(&object.value));
        if self.mode == Mode::Commit {
            for object in &selected {
                self.remove(&object.key, object);
            }
        }
        selected
    }

    fn remove(&mut self, key: &Key, current: &Object) -> Option<Arc<Object>> {
        if metadata::has_finalizers(&current.value) {
            let mut marked = current.value.clone();
            metadata::mark_deleted(&mut marked);
            return Some(self.state.put(key.clone(), marked));
        }
        match key.resource.as_str() {
            "namespaces" => empty_namespace(self.state, &key.name),
            crate::resource::CRD_ID => remove_custom(self.state, &current.value),
            _ => {}
        }
        self.state.remove(key);
        None
    }
}

fn empty_namespace(state: &mut State, namespace: &str) {
    let resources: Vec<String> = state.resources.iter().map(|resource| resource.id()).collect();
    for resource in resources {
        remove_all(state, resource, Some(namespace.to_owned()));
    }
}

fn remove_custom(state: &mut State, definition: &Value) {
    let spec = &definition["spec"];
    if let (Some(plural), Some(group)) = (spec["names"]["plural"].as_str(), spec["group"].as_str())
    {
        remove_all(state, format!("{plural}.{group}"), None);
    }
}

fn remove_all(state: &mut State, resource: String, namespace: Option<String>) {
    let range =
        Range { resource, namespace: namespace.filter(|name| !name.is_empty()), after: None };
    let namespaced_only = range.namespace.is_some();
    for object in objects(state, &range) {
        if !namespaced_only || !object.key.namespace.is_empty() {
            state.remove(&object.key);
        }
    }
}

fn objects(state: &State, range: &Range) -> Vec<Arc<Object>> {
    // The current revision is always in the window.
    state.scan(range, state.revision()).map(Iterator::collect).unwrap_or_default()
}
