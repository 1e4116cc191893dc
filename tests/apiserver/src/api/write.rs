//! Create, update, patch and apply: what the API does to an object on its way into the store.

use std::sync::Arc;

use serde_json::Value;

use super::defaults;
use super::metadata;
use super::patch::PatchFormat;
use super::shape;
use super::status::Refusal;
use crate::resource::{Resource, StatusRule};
use crate::store::State;
use crate::store::object::{Key, Object};

/// Which part of an object a write concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Main,
    /// The status alone.
    Status,
    /// Everything, as no client may: for tests that set up a state.
    Whole,
}

/// Whether a write is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Commit,
    /// It is only computed (`dryRun=All`).
    DryRun,
}

/// A write to one resource in one namespace.
pub struct Write<'a> {
    /// The locked store.
    pub state: &'a mut State,
    /// The resource.
    pub resource: &'a Resource,
    /// The namespace of the request, empty for cluster-scoped resources.
    pub namespace: &'a str,
    /// The part written.
    pub part: Part,
    /// Whether it is carried out.
    pub mode: Mode,
}

impl Write<'_> {
    /// Creates an object.
    ///
    /// # Errors
    /// 400 for a malformed object, 409 when the name is taken, 422 for an invalid one.
    pub fn create(&mut self, mut object: Value) -> Result<Arc<Object>, Refusal> {
        shape::check(self.resource, self.namespace, &mut object)?;
        if self.part == Part::Main && shape::is_set(&object["metadata"]["resourceVersion"]) {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Refusal::bad_request(message));
        }
        let name = shape::name_of_new(self.resource, &mut object)?;
        let key = self.key(&name);
        if self.state.get(&key).is_some() {
            return Err(Refusal::already_exists(&self.resource.id(), &name));
        }
        if self.part == Part::Main && self.resource.status == StatusRule::Reset {
            metadata::remove(&mut object, "status");
        }
        defaults::check_addresses(&object, &self.state.addresses)?;
        defaults::fill_in(self.resource, &mut object, &mut self.state.addresses)?;
        metadata::stamp_new(&mut object);
        Ok(self.put(key, object))
    }

    /// Replaces an object, or the part of it that the request is about.
    ///
    /// # Errors
    /// 404 when there is none, 409 when the resource version or the uid is not the current one.
    pub fn update(&mut self, name: &str, mut object: Value) -> Result<Arc<Object>, Refusal> {
        let key = self.key(name);
        let current = self.current(&key)?;
        shape::check(self.resource, self.namespace, &mut object)?;
        self.check_preconditions(&current, &object["metadata"])?;
        let old = &current.value;
        let mut new = self.merged_parts(old, object);
        if self.part != Part::Whole {
            shape::check_immutable(self.resource, old, &new)?;
        }
        metadata::keep_owned(old, &mut new);
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        defaults::keep_allocated(self.resource, old, &mut new);
        defaults::fill_in(self.resource, &mut new, &mut self.state.addresses)?;
        metadata::raise_generation(old, &mut new);
        if new == *old {
            return Ok(current);
        }
        let is_released =
            shape::is_set(&new["metadata"]["deletionTimestamp"]) && !metadata::has_finalizers(&new);
        let written = self.put(key.clone(), new);
        if is_released && self.mode == Mode::Commit {
            self.state.remove(&key);
        }
        Ok(written)
    }

    /// Patches an object; server-side apply creates it when there is none.
    ///
    /// # Errors
    /// As [`Write::update`], and when the patch does not apply.
    pub fn patch(
        &mut self,
        name: &str,
        format: PatchFormat,
        patch: &Value,
    ) -> Result<(Arc<Object>, Outcome), Refusal> {
        let key = self.key(name);
        let current = self.state.get(&key).cloned();
        match (format, current) {
            (PatchFormat::Apply, None) if self.part != Part::Status => {
                let mut object = patch.clone();
                shape::check(self.resource, self.namespace, &mut object)?;
                object["metadata"]["name"] = name.into();
                Ok((self.create(object)?, Outcome::Created))
            }
            (_, None) => Err(Refusal::not_found(&self.resource.id(), name)),
            (_, Some(current)) => {
                let mut object = current.value.clone();
                format.apply(&self.resource.kind, &mut object, patch)?;
                Ok((self.update(name, object)?, Outcome::Changed))
            }
        }
    }

    /// Returns the key of a name in this resource and namespace.
    pub fn key(&self, name: &str) -> Key {
        Key {
            resource: self.resource.id(),
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Returns the object at a key.
    ///
    /// # Errors
    /// 404 when there is none.
    pub fn current(&self, key: &Key) -> Result<Arc<Object>, Refusal> {
        let found = self.state.get(key).cloned();
        found.ok_or_else(|| Refusal::not_found(&self.resource.id(), &key.name))
    }

    /// Compares the `uid` and `resourceVersion` a client sent with the current ones.
    ///
    /// # Errors
    /// 409 when one was sent and differs.
    pub fn check_preconditions(&self, current: &Object, sent: &Value) -> Result<(), Refusal> {
        for field in ["uid", "resourceVersion"] {
            let wanted = sent[field].as_str().filter(|text| !text.is_empty());
            if wanted.is_some_and(|wanted| Some(wanted) != current.metadata(field)) {
                let why = "the object has been modified; please apply your changes to the latest \
                           version and try again";
                let (resource, name) = (self.resource.id(), &current.key.name);
                return Err(Refusal::conflict(&resource, name, why));
            }
        }
        Ok(())
    }

    fn put(&mut self, key: Key, object: Value) -> Arc<Object> {
        match self.mode {
            Mode::Commit => self.state.put(key, object),
            Mode::DryRun => Arc::new(Object::new(key, object, self.state.revision())),
        }
    }

    fn merged_parts(&self, old: &Value, mut new: Value) -> Value {
        let status_of = |object: &Value| object.get("status").cloned();
        let (mut kept, status) = match (self.part, self.resource.status) {
            (Part::Whole, _) | (Part::Main, StatusRule::Ordinary) => return new,
            (Part::Main, StatusRule::Reset | StatusRule::KeptOnCreate) => {
                (new.take(), status_of(old))
            }
            (Part::Status, _) => (old.clone(), status_of(&new)),
        };
        match status {
            Some(status) => kept["status"] = status,
            None => metadata::remove(&mut kept, "status"),
        }
        kept
    }
}

/// What a patch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no object; apply created it.
    Created,
    /// The object was there.
    Changed,
}
