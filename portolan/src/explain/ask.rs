//! Asks a running server for an explanation.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Explanation, Question};

/// How long the server may take: longer than it gives its own upstreams.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How large an explanation may be, in octets.
const MAX_BODY: usize = 16 << 20;

/// Asks the server with this admin address.
///
/// # Errors
/// It cannot be reached, or does not answer with an explanation.
pub(crate) async fn running_server(address: &str, question: &Question) -> Result<Explanation> {
    let remedy = || {
        format!(
            "no answer from a server at {address}: start `portolan dns`, name its admin address with \
             --server, or explain offline with --conf or --manifests"
        )
    };
    let body = tokio::time::timeout(TIMEOUT, fetch(address, question)).await;
    let body = body.with_context(remedy)?.with_context(remedy)?;
    serde_json::from_slice(&body)
        .context("the server's explanation cannot be read; is it another version?")
}

async fn fetch(address: &str, question: &Question) -> Result<Bytes> {
    let stream = TcpStream::connect(address).await?;
    // Not the name: the server refuses names that are not its own.
    let host = stream.peer_addr()?.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (name, qtype, client) = (encoded(question), question.qtype(), question.client);
    let uri = format!("/debug/explain?name={name}&type={qtype}&client={client}");
    let request = Request::get(uri).header("host", host).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    if status != StatusCode::OK {
        bail!("HTTP {status}: {}", String::from_utf8_lossy(&body).trim());
    }
    Ok(body)
}

/// Returns the name with everything escaped that has a meaning in a URL.
fn encoded(question: &Question) -> String {
    let name = question.name();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    name.bytes()
        .map(
            |byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") },
        )
        .collect()
}
