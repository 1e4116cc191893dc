//! `portolan-bench list`: sends the requests of a server that starts and only reads what comes. No start can be sooner.

use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use test_apiserver::{Access, ApiClient};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// In the bookmark that ends the initial events of a watch (KEP-3157).
const END: &[u8] = b"k8s.io/initial-events-end";

/// Sends requests, paths with queries, side by side. A watch with initial events is read until they end, one without
/// is left out, anything else is read to its end.
///
/// # Errors
/// The API server does not answer, or a stream ends early.
pub(crate) fn list(kubeconfig: &Path, requests: Vec<String>) -> anyhow::Result<()> {
    let client = ApiClient::new(&Access::read(kubeconfig)?)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for path in requests.into_iter().filter(|path| !is_mere_watch(path)) {
            let client = client.clone();
            all.spawn(async move { read(&client, &path).await.context(path) });
        }
        while let Some(done) = all.join_next().await {
            done.context("a request panicked")??;
        }
        Ok(())
    })
}

async fn read(client: &ApiClient, path: &str) -> anyhow::Result<()> {
    let request = Request::builder().uri(path).body(Bytes::new())?;
    let mut response = client.send(request).await?;
    ensure!(response.status().is_success(), "the API server says {}", response.status());
    let is_watch = path.contains("sendInitialEvents=true");
    let mut tail = Vec::new();
    while let Some(frame) = response.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if is_watch && ends_list(&mut tail, &data) {
            return Ok(());
        }
    }
    ensure!(!is_watch, "the list ends before its bookmark");
    Ok(())
}

fn is_mere_watch(path: &str) -> bool {
    path.contains("watch=") && !path.contains("sendInitialEvents=true")
}

/// Whether [`END`] is in what came so far; it may be in two parts, of which `tail` keeps the first.
fn ends_list(tail: &mut Vec<u8>, data: &[u8]) -> bool {
    // The bookmark is the last event so far, and shorter than this.
    const BOOKMARK: usize = 1024;
    tail.extend_from_slice(&data[data.len().saturating_sub(BOOKMARK)..]);
    let found = tail.windows(END.len()).any(|window| window == END);
    tail.drain(..tail.len().saturating_sub(BOOKMARK));
    found
}

#[cfg(test)]
mod tests {
    use super::{ends_list, is_mere_watch};

    #[test]
    fn the_end_may_come_in_parts() {
        let mut tail = Vec::new();
        assert!(!ends_list(&mut tail, &[b'x'; 5000]));
        assert!(!ends_list(&mut tail, b"{\"k8s.io/initial-"));
        assert!(ends_list(&mut tail, b"events-end\":\"true\"}\n"));
        assert!(tail.len() <= 1024);
    }

    #[test]
    fn a_watch_without_a_list_is_told_apart() {
        assert!(is_mere_watch("/api/v1/services?watch=true&resourceVersion=5"));
        assert!(!is_mere_watch("/api/v1/services?sendInitialEvents=true&watch=true"));
        assert!(!is_mere_watch("/api/v1/services?limit=500"));
    }
}
