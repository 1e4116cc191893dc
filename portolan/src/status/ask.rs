//! Asks running roles what they say of themselves.

use std::time::Duration;

use anyhow::{Context, Result};

use super::json;
use super::view::View;
use crate::admin_client;
use crate::words::plain;

/// How long a role may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How large a view may be, in octets: a truth table of a hundred pods with long names.
const MAX_BODY: usize = 16 << 20;

/// Returns what the roles at these admin addresses say, in this order. Of one that does not answer, that is the problem.
pub(super) async fn all(addresses: &[String]) -> Vec<View> {
    let mut views = Vec::new();
    for address in addresses.iter().filter(|address| *address != "off") {
        views.push(one(address).await.unwrap_or_else(|error| silent(address, &error)));
    }
    views
}

async fn one(address: &str) -> Result<View> {
    let body = tokio::time::timeout(TIMEOUT, admin_client::get(address, "/status.json", MAX_BODY));
    let body = body.await.context("it does not answer in time")??;
    json::read(&body)
}

fn silent(address: &str, error: &anyhow::Error) -> View {
    let problem = format!(
        "{}; is a role running there? --admin names the admin addresses of others",
        plain(&format!("{error:#}"))
    );
    View {
        role: "no answer".to_owned(),
        host: address.to_owned(),
        version: String::new(),
        uptime: None,
        problems: vec![problem],
        sections: Vec::new(),
    }
}
