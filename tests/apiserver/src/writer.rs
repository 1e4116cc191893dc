//! Writes a test's objects to a real cluster, around the proxy and its faults.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Method;
use serde_json::{Value, json};

use crate::client::ApiClient;
use crate::error::Error;
use crate::resource::{CRD_ID, Resource, Resources, StatusRule};

/// Query of server-side apply: who the writes are by, and that they win.
const APPLY_QUERY: &str = "fieldManager=portolan-test&force=true";

/// Writes objects of the built-in resources by server-side apply.
pub struct Writer {
    client: ApiClient,
    /// Those of definitions that it wrote, too.
    resources: Mutex<Resources>,
}

impl Writer {
    /// Returns a writer that sends its requests through a client.
    pub fn new(client: ApiClient) -> Self {
        Self { client, resources: Mutex::new(Resources::built_in()) }
    }

    /// Creates or changes an object, then its status when it has one; returns it as stored.
    ///
    /// # Errors
    /// When the kind is unknown or the API refuses the object.
    pub async fn apply(&self, object: &Value) -> Result<Value, Error> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        let resource = version.zip(kind).and_then(|(v, k)| self.resources().by_kind(v, k));
        let resource = resource
            .ok_or_else(|| Error::Manifest(format!("unknown kind {kind:?} in {version:?}")))?;
        let name = text("/metadata/name").unwrap_or_default();
        let path = path(&resource, text("/metadata/namespace").unwrap_or("default"), name);
        let body = object.to_string();
        let apply = format!("{path}?{APPLY_QUERY}");
        let stored = self.send(Method::PATCH, &apply, "application/apply-patch+yaml", body).await?;
        if resource.id() == CRD_ID {
            self.resources().define(object);
        }
        let status = object.get("status").filter(|_| resource.status != StatusRule::Ordinary);
        let Some(status) = status else {
            return Ok(stored);
        };
        let change = json!({"status": status}).to_string();
        let path = format!("{path}/status");
        self.send(Method::PATCH, &path, "application/merge-patch+json", change).await
    }

    /// Deletes an object at once, without grace; `kind` is a kind or a plural name.
    ///
    /// # Errors
    /// When the kind is unknown or there is no such object.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<(), Error> {
        let found = self.resources().iter().find(|r| r.kind == kind || r.plural == kind).cloned();
        let resource = found.ok_or_else(|| Error::Manifest(format!("unknown kind {kind:?}")))?;
        let path = path(&resource, namespace, name);
        let options = json!({"gracePeriodSeconds": 0}).to_string();
        self.send(Method::DELETE, &path, "application/json", options).await?;
        Ok(())
    }

    fn resources(&self) -> MutexGuard<'_, Resources> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: String,
    ) -> Result<Value, Error> {
        let (code, answer) = self.client.exchange(method, path, content_type, body).await?;
        if code < 300 {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        Err(Error::Refused { code, message })
    }
}

fn path(resource: &Resource, namespace: &str, name: &str) -> String {
    let root = if resource.group.is_empty() { "api" } else { "apis" };
    let plural = &resource.plural;
    let collection = if resource.is_namespaced() {
        format!("namespaces/{namespace}/{plural}")
    } else {
        plural.clone()
    };
    format!("/{root}/{}/{collection}/{name}", resource.api_version())
}
