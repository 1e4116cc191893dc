//! A write, as a request.

use http::{Method, Request, header};
use serde_json::{Value, json};

use super::resource::Target;

/// A write of one object.
#[derive(Clone, PartialEq, Debug)]
pub struct Write {
    /// The object.
    pub target: Target,
    /// What is to become of it.
    pub change: Change,
}

/// What is to become of an object.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// It is made. There must be none of the name.
    Create(Value),
    /// It becomes this, if it has the UID and the resource version that its metadata name.
    Replace(Value),
    /// Fields of it become these (a JSON merge patch, RFC 7396), if it is this one and has not changed since.
    Patch {
        /// The fields.
        fields: Value,
        /// `metadata.uid`.
        uid: String,
        /// `metadata.resourceVersion`.
        resource_version: String,
    },
    /// Fields of it become these whatever it has become.
    PatchAnyway(Value),
    /// It is deleted, if it is this one and has not changed since.
    Delete {
        /// `metadata.uid`.
        uid: String,
        /// `metadata.resourceVersion`.
        resource_version: String,
    },
}

impl Change {
    /// Returns the verb as RBAC rules name it.
    pub(crate) const fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Replace(_) => "update",
            Self::Patch { .. } | Self::PatchAnyway(_) => "patch",
            Self::Delete { .. } => "delete",
        }
    }
}

impl Write {
    /// Returns the request; none when its path is no URI.
    pub(crate) fn request(&self) -> Result<Request<Vec<u8>>, http::Error> {
        let own = || self.target.path();
        let (method, path, kind, body) = match &self.change {
            Change::Create(object) => {
                (Method::POST, self.target.collection(), JSON, object.clone())
            }
            Change::Replace(object) => (Method::PUT, own(), JSON, object.clone()),
            Change::Patch { fields, uid, resource_version } => {
                let mut fields = fields.clone();
                fields["metadata"]["uid"] = json!(uid);
                fields["metadata"]["resourceVersion"] = json!(resource_version);
                (Method::PATCH, own(), MERGE_PATCH, fields)
            }
            Change::PatchAnyway(fields) => (Method::PATCH, own(), MERGE_PATCH, fields.clone()),
            Change::Delete { uid, resource_version } => {
                let preconditions = json!({"uid": uid, "resourceVersion": resource_version});
                let options = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "preconditions": preconditions,
                });
                (Method::DELETE, own(), JSON, options)
            }
        };
        let request = Request::builder().method(method).uri(path);
        request.header(header::CONTENT_TYPE, kind).body(body.to_string().into_bytes())
    }
}

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Resource;

    #[test]
    fn preconditions_go_with_every_change_of_what_is_there() {
        let target = Resource { api_version: "v1", plural: "nodes" }.named("a");
        let sent = |change: Change| {
            let request = Write { target: target.clone(), change }.request().unwrap();
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            (request.method().to_string(), request.uri().to_string(), body)
        };
        let (uid, resource_version) = ("u".to_owned(), "7".to_owned());
        let fields = json!({"spec": {"x": 1}});
        let patch =
            Change::Patch { fields, uid: uid.clone(), resource_version: resource_version.clone() };
        let body = json!({"spec": {"x": 1}, "metadata": {"uid": "u", "resourceVersion": "7"}});
        assert_eq!(sent(patch), ("PATCH".to_owned(), "/api/v1/nodes/a".to_owned(), body));
        let (method, uri, body) = sent(Change::Delete { uid, resource_version });
        assert_eq!((&*method, &*uri), ("DELETE", "/api/v1/nodes/a"));
        assert_eq!(body["preconditions"], json!({"uid": "u", "resourceVersion": "7"}));
        assert_eq!(sent(Change::Create(json!({}))).1, "/api/v1/nodes");
    }
}
