//! A request to a resource: what of it the verbs share.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;

use super::status::Refusal;
use super::write::{Mode, Part, Write};
use crate::request_info::RequestInfo;
use crate::resource::{Resource, StatusRule};
use crate::store::State;

/// A request together with the resource its path names.
pub struct Call<'a> {
    /// The request.
    pub request: &'a Request<Bytes>,
    /// What its method and path say.
    pub info: RequestInfo,
    /// The resource.
    pub resource: Arc<Resource>,
}

impl<'a> Call<'a> {
    /// Returns the part of the object that the path names.
    ///
    /// # Errors
    /// 404 for a subresource that is not served.
    pub fn part(&self) -> Result<Part, Refusal> {
        let has_status = self.resource.status != StatusRule::Ordinary;
        match self.info.subresource.as_str() {
            "" => Ok(Part::Main),
            "status" if has_status => Ok(Part::Status),
            _ => Err(Refusal::no_such_path()),
        }
    }

    /// Returns the namespace of a collection, nothing for all of them.
    pub fn namespace(&self) -> Option<String> {
        let namespace = &self.info.namespace;
        (!namespace.is_empty()).then(|| namespace.clone())
    }

    /// Returns the write that the request asks for.
    pub fn write(&'a self, state: &'a mut State, part: Part) -> Write<'a> {
        let mode = match self.info.query.get("dryRun") {
            Some(_) => Mode::DryRun,
            None => Mode::Commit,
        };
        Write { state, resource: &self.resource, namespace: &self.info.namespace, part, mode }
    }
}
