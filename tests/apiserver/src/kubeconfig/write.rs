//! Writes kubeconfigs for the server's clients.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Flavour;
use crate::authority::Authority;
use crate::error::Error;

/// What a kubeconfig has to know of a server.
pub struct Cluster<'a> {
    /// Base URL.
    pub url: String,
    /// Bearer token.
    pub token: String,
    /// Signs the server's certificate, and the client's if it has one.
    pub authority: &'a Authority,
}

/// Writes a kubeconfig into a directory. It is JSON, which every YAML parser reads.
///
/// # Errors
/// When a file cannot be written.
pub fn kubeconfig(
    directory: &Path,
    cluster: &Cluster<'_>,
    flavour: Flavour,
) -> Result<PathBuf, Error> {
    let (name, user) = match flavour {
        Flavour::Token => ("token", json!({"token": cluster.token})),
        Flavour::TokenFile => ("token-file", json!({"tokenFile": directory.join(TOKEN_FILE)})),
        Flavour::ClientCertificate => ("certificate", certificate(cluster.authority)?),
        Flavour::Exec => ("exec", exec(directory)?),
    };
    let authority = STANDARD.encode(cluster.authority.ca_pem());
    let server = json!({"server": cluster.url, "certificate-authority-data": authority});
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    let path = directory.join(format!("kubeconfig-{name}.yaml"));
    replace(&path, &format!("{config:#}\n"))?;
    Ok(path)
}

/// Writes the token where the token-file and exec flavours read it.
///
/// # Errors
/// When the file cannot be written.
pub fn token_file(directory: &Path, token: &str) -> Result<(), Error> {
    replace(&directory.join(TOKEN_FILE), token)
}

const TOKEN_FILE: &str = "token";

fn certificate(authority: &Authority) -> Result<Value, Error> {
    let identity = authority.client_identity("portolan-test")?;
    Ok(json!({
        "client-certificate-data": STANDARD.encode(identity.certificate_pem),
        "client-key-data": STANDARD.encode(identity.key_pem),
    }))
}

fn exec(directory: &Path) -> Result<Value, Error> {
    let script = directory.join("credential.sh");
    let token = directory.join(TOKEN_FILE);
    let version = "client.authentication.k8s.io/v1";
    let text = format!(
        "printf '{{\"apiVersion\":\"{version}\",\"kind\":\"ExecCredential\",\
         \"status\":{{\"token\":\"%s\"}}}}' \"$(cat '{}')\"\n",
        token.display()
    );
    replace(&script, &text)?;
    // Through the shell: executing a file just written can fail with ETXTBSY while another
    // thread forks.
    Ok(json!({"exec": {
        "apiVersion": version,
        "command": "/bin/sh",
        "args": [script],
        "interactiveMode": "Never",
        "provideClusterInfo": false,
    }}))
}

/// Writes beside the file and renames, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let beside = path.with_extension("new");
    fs::write(&beside, text).map_err(Error::io("write a file for clients"))?;
    fs::rename(&beside, path).map_err(Error::io("rename a file for clients"))
}
