//! Asks a running server for an explanation.

use std::time::Duration;

use anyhow::{Context, Result};
use hyper::body::Bytes;

use super::{Explanation, Question};
use crate::admin_client;

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
    let (name, qtype, client) = (encoded(question), question.qtype(), question.client);
    let path = format!("/debug/explain?name={name}&type={qtype}&client={client}");
    admin_client::get(address, &path, MAX_BODY).await
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
