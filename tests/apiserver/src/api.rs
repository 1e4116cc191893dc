//! The Kubernetes API over the store: from a request to an answer.

pub mod admin;
pub mod call;
pub mod defaults;
pub mod delete;
pub mod discovery;
pub mod list;
pub mod metadata;
pub mod openapi;
pub mod patch;
pub mod request_body;
pub mod revision;
pub mod selection;
pub mod shape;
pub mod status;
pub mod watch;
pub mod write;

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Request, Response, StatusCode};

use crate::body::Body;
use crate::request_info::{RequestInfo, Verb};
use crate::service::{Answering, Service};
use crate::store::{State, Store};
use call::Call;
use list::Page;
use patch::PatchFormat;
use request_body::{content_type, json_or_yaml, options};
use selection::Selection;
use status::{Refusal, json_response};
use watch::{Watch, WatchTimes};
use write::{Outcome, Part};

/// Whether objects can be created in namespaces that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceCheck {
    /// They cannot, as in a cluster.
    Enforced,
    /// They can.
    Off,
}

/// Answers requests from the store.
pub struct Api {
    /// The objects.
    pub store: Arc<Store>,
    /// Bookmark interval and default duration of watches.
    pub times: WatchTimes,
    /// Whether a namespace has to exist.
    pub namespaces: NamespaceCheck,
}

impl Service for Api {
    fn call(&self, request: Request<Bytes>) -> Answering<'_> {
        let answer = self.answer(&request);
        Box::pin(async move { answer.unwrap_or_else(|refusal| refusal.response()) })
    }
}

impl Api {
    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Body>, Refusal> {
        let info = RequestInfo::new(request.method(), request.uri());
        if info.resource.is_empty() {
            return self.outside_resources(request);
        }
        let found = self.store.read().resources.by_path(&info.group, &info.version, &info.resource);
        let resource = found.ok_or_else(Refusal::no_such_path)?;
        let call = Call { request, info, resource };
        let part = call.part()?;
        match call.info.verb {
            Verb::List => self.list(&call),
            Verb::Watch => self.watch(call),
            Verb::Get => self.get(&call),
            Verb::Create => self.create(&call),
            Verb::Update => self.update(&call, part),
            Verb::Patch => self.patch(&call, part),
            Verb::Delete => self.delete(&call),
            Verb::DeleteCollection => self.delete_collection(&call),
            Verb::Other => Err(Refusal::method_not_allowed()),
        }
    }

    fn outside_resources(&self, request: &Request<Bytes>) -> Result<Response<Body>, Refusal> {
        let path = request.uri().path();
        if matches!(path, "/healthz" | "/readyz" | "/livez") {
            return Ok(Response::new(crate::body::full("ok")));
        }
        if let Some(document) = openapi::answer(path, request.headers()) {
            return Ok(document);
        }
        let answer = discovery::answer(path, &self.store.read().resources);
        answer.map(|found| ok(found.to_string())).ok_or_else(Refusal::no_such_path)
    }

    fn get(&self, call: &Call<'_>) -> Result<Response<Body>, Refusal> {
        self.store.write(|state| {
            let write = call.write(state, Part::Main);
            let object = write.current(&write.key(&call.info.name))?;
            Ok(ok(object.bytes.clone()))
        })
    }

    fn list(&self, call: &Call<'_>) -> Result<Response<Body>, Refusal> {
        let state = self.store.read();
        let page = list::page(&state, &call.resource, call.namespace(), &call.info.query)?;
        drop(state);
        Ok(json_body(page.body(&call.resource)))
    }

    fn watch(&self, call: Call<'_>) -> Result<Response<Body>, Refusal> {
        let namespace = call.namespace();
        let watch = Watch::parse(call.resource, namespace, &call.info.query, self.times)?;
        Ok(json_body(watch.run(Arc::clone(&self.store))))
    }

    fn create(&self, call: &Call<'_>) -> Result<Response<Body>, Refusal> {
        let object = json_or_yaml(call.request)?;
        self.store.write(|state| {
            self.check_namespace(state, call)?;
            let created = call.write(state, Part::Main).create(object)?;
            Ok(json_response(StatusCode::CREATED, created.bytes.clone()))
        })
    }

    fn update(&self, call: &Call<'_>, part: Part) -> Result<Response<Body>, Refusal> {
        let object = json_or_yaml(call.request)?;
        if object["metadata"]["name"] != *call.info.name {
            let message = "the name of the object does not match the name on the URL";
            return Err(Refusal::bad_request(message));
        }
        self.store.write(|state| {
            let updated = call.write(state, part).update(&call.info.name, object)?;
            Ok(ok(updated.bytes.clone()))
        })
    }

    fn patch(&self, call: &Call<'_>, part: Part) -> Result<Response<Body>, Refusal> {
        let given = content_type(call.request);
        let format = PatchFormat::parse(given);
        let is_known =
            |format: &PatchFormat| !(call.resource.custom && *format == PatchFormat::Strategic);
        let format =
            format.filter(is_known).ok_or_else(|| Refusal::unsupported_media_type(given))?;
        if format == PatchFormat::Apply && call.info.query.get("fieldManager").is_none() {
            let message = "fieldManager: Required value: is required for apply patch";
            return Err(Refusal::bad_request(message));
        }
        let patch = request_body::parse(call.request)?;
        self.store.write(|state| {
            if format == PatchFormat::Apply {
                self.check_namespace(state, call)?;
            }
            let mut write = call.write(state, part);
            let (object, outcome) = write.patch(&call.info.name, format, &patch)?;
            let code = match outcome {
                Outcome::Created => StatusCode::CREATED,
                Outcome::Changed => StatusCode::OK,
            };
            Ok(json_response(code, object.bytes.clone()))
        })
    }

    fn delete(&self, call: &Call<'_>) -> Result<Response<Body>, Refusal> {
        let options = options(call.request)?;
        self.store.write(|state| {
            let mut write = call.write(state, Part::Main);
            write.delete(&call.info.name, &options).map(|status| ok(status.to_string()))
        })
    }

    fn delete_collection(&self, call: &Call<'_>) -> Result<Response<Body>, Refusal> {
        let selection = Selection::parse(&call.info.query, &call.resource)?;
        self.store.write(|state| {
            let mut write = call.write(state, Part::Main);
            let deleted = write.delete_collection(call.namespace(), &selection);
            let page = Page::of(deleted, state.revision());
            Ok(json_body(page.body(&call.resource)))
        })
    }

    fn check_namespace(&self, state: &State, call: &Call<'_>) -> Result<(), Refusal> {
        if !call.resource.is_namespaced() {
            return Ok(());
        }
        if call.info.namespace.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        let key = crate::store::object::Key {
            resource: "namespaces".to_owned(),
            namespace: String::new(),
            name: call.info.namespace.clone(),
        };
        if self.namespaces == NamespaceCheck::Enforced && state.get(&key).is_none() {
            return Err(Refusal::not_found("namespaces", &call.info.namespace));
        }
        Ok(())
    }
}

fn ok(json: impl Into<Bytes>) -> Response<Body> {
    json_response(StatusCode::OK, json)
}

fn json_body(body: Body) -> Response<Body> {
    json_response(StatusCode::OK, Bytes::new()).map(|_| body)
}
