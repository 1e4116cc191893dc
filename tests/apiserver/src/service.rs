//! The seam between the layers: something that answers a request.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use hyper::{Request, Response};

use crate::body::Body;

/// The answer on its way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// Answers requests whose body has been read in full.
///
/// Two ends implement it, the API over the store and the forwarder to a real cluster, and so do
/// the layers in front of them: log, authentication, faults.
pub trait Service: Send + Sync + 'static {
    /// Answers one request; never fails, errors are answers too.
    fn call(&self, request: Request<Bytes>) -> Answering<'_>;
}
