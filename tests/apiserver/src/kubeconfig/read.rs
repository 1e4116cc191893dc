//! Reads the kubeconfig of the cluster behind the proxy.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::authority::Identity;
use crate::error::Error;
use crate::manifest;

/// Where a cluster is and how to talk to it.
#[derive(Clone, Debug)]
pub struct Access {
    /// Base URL, without a slash at the end.
    pub url: String,
    /// Certificates the server's must be signed by.
    pub ca_pem: String,
    /// Bearer token.
    pub token: Option<String>,
    /// Client certificate.
    pub identity: Option<Identity>,
}

impl Access {
    /// Reads the current context of a kubeconfig.
    ///
    /// Tokens and client certificates are understood, exec and auth-provider plugins are not.
    ///
    /// # Errors
    /// When the file cannot be read or something is missing in it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = File { path };
        let text = fs::read_to_string(path).map_err(|error| file.error(error.to_string()))?;
        let config = manifest::document(&text).map_err(|error| file.error(error.to_string()))?;
        let context = file.named(&config, "context", &config["current-context"])?;
        let cluster = file.named(&config, "cluster", &context["cluster"])?;
        let user = file.named(&config, "user", &context["user"])?;
        let url = cluster["server"].as_str().ok_or_else(|| file.error("no server"))?;
        let ca_pem = file.text(cluster, "certificate-authority")?;
        let access = Self {
            url: url.trim_end_matches('/').to_owned(),
            ca_pem: ca_pem.ok_or_else(|| file.error("no certificate-authority"))?,
            token: file.token(user)?,
            identity: file.identity(user)?,
        };
        if access.token.is_none() && access.identity.is_none() {
            return Err(file.error("neither token nor client certificate; plugins are not run"));
        }
        Ok(access)
    }
}

struct File<'a> {
    path: &'a Path,
}

impl File<'_> {
    fn error(&self, reason: impl Into<String>) -> Error {
        Error::Kubeconfig { path: self.path.to_owned(), reason: reason.into() }
    }

    /// Finds `name` in the list `<kind>s`, and there the field `<kind>`.
    fn named<'v>(&self, config: &'v Value, kind: &str, name: &Value) -> Result<&'v Value, Error> {
        let mut list = config[format!("{kind}s")].as_array().into_iter().flatten();
        let found = list.find(|entry| entry["name"] == *name && !name.is_null());
        found.map(|entry| &entry[kind]).ok_or_else(|| self.error(format!("no {kind} {name}")))
    }

    fn token(&self, user: &Value) -> Result<Option<String>, Error> {
        if let Some(token) = user["token"].as_str() {
            return Ok(Some(token.to_owned()));
        }
        let file = user["tokenFile"].as_str();
        let token = file.map(|path| self.read(path)).transpose()?;
        Ok(token.map(|text| text.trim().to_owned()))
    }

    fn identity(&self, user: &Value) -> Result<Option<Identity>, Error> {
        let certificate = self.text(user, "client-certificate")?;
        let key = self.text(user, "client-key")?;
        Ok(certificate
            .zip(key)
            .map(|(certificate_pem, key_pem)| Identity { certificate_pem, key_pem }))
    }

    /// Returns what `<field>-data` holds or the file `<field>` names.
    fn text(&self, object: &Value, field: &str) -> Result<Option<String>, Error> {
        if let Some(data) = object[format!("{field}-data")].as_str() {
            let decoded = STANDARD.decode(data).ok().and_then(|text| String::from_utf8(text).ok());
            let text = decoded.ok_or_else(|| self.error(format!("{field}-data is not base64")))?;
            return Ok(Some(text));
        }
        object[field].as_str().map(|path| self.read(path)).transpose()
    }

    /// Reads a file named relative to the kubeconfig.
    fn read(&self, path: &str) -> Result<String, Error> {
        let directory = self.path.parent().map(PathBuf::from).unwrap_or_default();
        let path = directory.join(path);
        fs::read_to_string(&path)
            .map_err(|error| self.error(format!("{}: {error}", path.display())))
    }
}
