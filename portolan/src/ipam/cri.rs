//! The container runtime as a witness: which sandboxes it knows, over its interface for kubelet (CRI v1, gRPC on a Unix
//! socket). One call, on hyper's HTTP/2: a client of gRPC would be more code than the call.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, TE};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixStream;

/// Sockets of runtimes, in the order in which they are tried, as by `crictl`; the last is that of k3s.
const SOCKETS: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/var/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
];

/// How long the runtime may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of its answer: some hundred for each sandbox and its annotations.
const MAX_ANSWER: usize = 64 << 20;

const LIST_POD_SANDBOX: &str = "/runtime.v1.RuntimeService/ListPodSandbox";

/// `ListPodSandboxResponse`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct ListPodSandboxResponse {
    #[prost(message, repeated, tag = "1")]
    items: Vec<PodSandbox>,
}

/// `PodSandbox`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct PodSandbox {
    #[prost(string, tag = "1")]
    id: String,
}

/// Returns the socket of the runtime: the one that was named, or the first of the usual ones that is there. None when
/// there is none, or it was told not to ask.
///
/// # Errors
/// The name is no path and no `unix://` URL.
pub(crate) fn socket(endpoint: Option<&str>) -> Result<Option<PathBuf>> {
    let Some(endpoint) = endpoint else {
        return Ok(SOCKETS.into_iter().map(PathBuf::from).find(|socket| socket.exists()));
    };
    if endpoint == "off" {
        return Ok(None);
    }
    let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
    ensure!(
        path.starts_with('/'),
        "{endpoint}: write unix:///path/of/the.sock, or `off` to ask no runtime"
    );
    Ok(Some(path.into()))
}

/// Asks the runtime for the ids of all its sandboxes. One that is not ready counts too: until it is removed, its network
/// may not have been taken down.
///
/// # Errors
/// The runtime does not answer in time, or with an error.
pub(crate) fn sandboxes(socket: &Path) -> Result<BTreeSet<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let call = call(socket, LIST_POD_SANDBOX);
        tokio::time::timeout(PATIENCE, call).await.context("it does not answer in time")?
    });
    let message = answer.with_context(|| {
        format!("cannot list the sandboxes of the runtime at {}", socket.display())
    })?;
    let list = ListPodSandboxResponse::decode(message.as_slice())
        .context("the runtime's list of sandboxes cannot be read")?;
    Ok(list.items.into_iter().map(|sandbox| sandbox.id).collect())
}

/// Calls a method with an empty message, and returns the message that is the answer.
async fn call(socket: &Path, method: &str) -> Result<Vec<u8>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    // Not compressed, no octets.
    let message = Bytes::from_static(&[0; 5]);
    let request = Request::post(format!("http://localhost{method}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(Full::new(message))?;
    read(sender.send_request(request).await?).await
}

async fn read(response: Response<Incoming>) -> Result<Vec<u8>> {
    ensure!(response.status().is_success(), "it answers with HTTP status {}", response.status());
    let head = response.headers().clone();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    // The error's type has no source that `?` takes.
    let body = body.map_err(|error| anyhow::anyhow!("its answer cannot be read: {error}"))?;
    check_status(body.trailers().unwrap_or(&head))?;
    let octets = body.to_bytes();
    let Some((&[compressed, a, b, c, d], message)) = octets.split_first_chunk() else {
        bail!("its answer has no message");
    };
    ensure!(compressed == 0, "its answer is compressed, which was not asked for");
    ensure!(u32::from_be_bytes([a, b, c, d]) as usize == message.len(), "its answer is cut off");
    Ok(message.to_vec())
}

fn check_status(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text("grpc-status") {
        "0" => Ok(()),
        "" => bail!("its answer has no status"),
        code => bail!("gRPC status {code}: {}", text("grpc-message")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_named_by_its_socket() {
        for (endpoint, expected) in [
            ("unix:///run/a.sock", Some("/run/a.sock")),
            ("/run/a.sock", Some("/run/a.sock")),
            ("off", None),
        ] {
            assert_eq!(socket(Some(endpoint)).unwrap(), expected.map(PathBuf::from));
        }
        for endpoint in ["", "tcp://10.0.0.1:2375", "run/a.sock"] {
            assert!(socket(Some(endpoint)).is_err(), "{endpoint}");
        }
    }
}
