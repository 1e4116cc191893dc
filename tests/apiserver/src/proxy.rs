//! The fault proxy: the front of the in-process server before a real cluster.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use hyper::{Request, Response};

use crate::api::status::Refusal;
use crate::body::Body;
use crate::client::ApiClient;
use crate::error::Error;
use crate::front::Front;
use crate::kubeconfig::read::Access;
use crate::service::{Answering, Service};

/// Headers that concern one connection only (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 4] = [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE];

/// Forwards requests to an API server, with faults in between.
///
/// Its clients have its own token or certificate; it has those of the upstream's kubeconfig.
pub struct FaultProxy {
    front: Front,
}

impl FaultProxy {
    /// Starts a proxy on a free port of 127.0.0.1 before the cluster of a kubeconfig.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    #[allow(clippy::unused_async, reason = "starting is asynchronous for every kind of cluster")]
    pub async fn start(upstream_kubeconfig: &Path) -> Result<Self, Error> {
        let client = ApiClient::new(&Access::read(upstream_kubeconfig)?)?;
        let front = Front::start(0, Arc::new(Forward { client }))?;
        Ok(Self { front })
    }

    /// Returns the HTTPS front, with the kubeconfigs, the faults and the log.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.front
    }
}

struct Forward {
    client: ApiClient,
}

impl Service for Forward {
    fn call(&self, mut request: Request<Bytes>) -> Answering<'_> {
        strip(request.headers_mut());
        // What the front keeps for itself must not travel on.
        request.extensions_mut().clear();
        Box::pin(async move {
            match self.client.send(request).await {
                Ok(response) => answer(response),
                Err(error) => Refusal::new(502, "InternalError", error.to_string()).response(),
            }
        })
    }
}

fn answer(response: Response<hyper::body::Incoming>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    strip(&mut head.headers);
    // The version is that of the upstream connection; the client's may differ.
    head.version = hyper::Version::default();
    head.extensions.clear();
    Response::from_parts(head, body.map_err(Into::into).boxed_unsync())
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}
