//! What the admin endpoints of all roles share.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use cluster_source::Source;
use dns::edge::http::{HttpListener, HttpReply};
use dns::plugin::{ListenAddress, ListenHost};
use hyper::StatusCode;

use crate::cli::DEFAULT_ADMIN;

/// Binds the admin address.
///
/// # Errors
/// The text is no address, or the address is taken.
pub(crate) async fn bind(text: &str) -> Result<Option<HttpListener>> {
    if text == "off" {
        return Ok(None);
    }
    let Ok(address) = text.parse::<ListenAddress>() else {
        bail!("--admin {text}: write an address such as {DEFAULT_ADMIN}, or off");
    };
    let listener = HttpListener::bind(&address).await?;
    let local: SocketAddr = listener.local_address();
    tracing::info!(address = %local, page = "admin", "HTTP endpoint");
    Ok(Some(listener))
}

/// Returns the name in an address, if it is one: requests may be for it.
pub(crate) fn name_in(text: &str) -> Option<String> {
    match text.parse::<ListenAddress>().ok()?.host {
        ListenHost::Name(name) => Some(name),
        ListenHost::Any | ListenHost::Address(_) => None,
    }
}

/// Returns the objects of a source as a Kubernetes List, which can be saved and used with `--manifests`.
pub(crate) fn objects(source: &Source) -> HttpReply {
    match serde_json::to_vec_pretty(&cluster_source::dump(&source.snapshot())) {
        Ok(body) => HttpReply::json(body),
        Err(error) => HttpReply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
