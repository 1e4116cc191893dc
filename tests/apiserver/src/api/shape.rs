//! The shape every object has: kind, version, namespace, name (Kubernetes API conventions,
//! "Metadata").

use std::net::IpAddr;

use serde_json::Value;

use super::metadata;
use super::status::Refusal;
use crate::resource::{RBAC, Resource};

/// Checks what every object has, and fills in kind, version and namespace when they are left out.
///
/// # Errors
/// 400 for anything that does not fit the request.
pub fn check(resource: &Resource, namespace: &str, object: &mut Value) -> Result<(), Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the body is not an object"));
    }
    let (version, kind) = (resource.api_version(), resource.kind.as_str());
    for (field, expected) in [("apiVersion", version.as_str()), ("kind", kind)] {
        if !is_set(&object[field]) {
            object[field] = expected.into();
        } else if object[field] != *expected {
            let message = format!("{field} {} does not match {expected}", object[field]);
            return Err(Refusal::bad_request(message));
        }
    }
    for pointer in ["/metadata", "/metadata/labels", "/metadata/annotations", "/spec", "/status"] {
        let field = object.pointer(pointer);
        if field.is_some_and(|field| !field.is_object() && !field.is_null()) {
            return Err(Refusal::bad_request(format!("{pointer} is not an object")));
        }
    }
    check_namespace(resource, namespace, object)
}

fn check_namespace(
    resource: &Resource,
    namespace: &str,
    object: &mut Value,
) -> Result<(), Refusal> {
    let metadata = &mut object["metadata"];
    if !resource.is_namespaced() {
        metadata::remove(metadata, "namespace");
    } else if !is_set(&metadata["namespace"]) {
        metadata["namespace"] = namespace.into();
    } else if metadata["namespace"] != *namespace {
        let message = "the namespace of the provided object does not match the namespace sent \
                       on the request";
        return Err(Refusal::bad_request(message));
    }
    Ok(())
}

/// Fields that never change once they are set, by the kind's identity (`ValidateNodeUpdate`, `ValidateIPAddressUpdate`).
const IMMUTABLE: &[(&str, &str)] =
    &[("nodes", "/spec/podCIDRs"), ("ipaddresses.networking.k8s.io", "/spec/parentRef")];

/// Checks that fields stay that never change once they are set.
///
/// # Errors
/// 422 when one would change.
pub fn check_immutable(resource: &Resource, old: &Value, new: &Value) -> Result<(), Refusal> {
    for (id, pointer) in IMMUTABLE {
        let before = old.pointer(pointer).filter(|value| is_set(value));
        if resource.id() == *id && before.is_some() && new.pointer(pointer) != before {
            let name = old["metadata"]["name"].as_str().unwrap_or_default();
            let why = format!("{pointer}: Forbidden: may not be changed once it is set");
            return Err(Refusal::invalid(&resource.kind, name, &why));
        }
    }
    Ok(())
}

/// Returns the name of a new object, generating it when asked to.
///
/// # Errors
/// 422 when there is none or it is not a DNS subdomain.
pub fn name_of_new(resource: &Resource, object: &mut Value) -> Result<String, Refusal> {
    let metadata = &mut object["metadata"];
    if !is_set(&metadata["name"]) {
        let Some(prefix) = metadata["generateName"].as_str() else {
            let why = "metadata.name: Required value: name or generateName is required";
            return Err(Refusal::invalid(&resource.kind, "", why));
        };
        metadata["name"] = metadata::generated_name(prefix).into();
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    // DNS subdomain, RFC 1123; the API is stricter for some kinds. An IPAddress is named by its address, a role by what
    // can stand in a path.
    let is_subdomain = !name.is_empty() && name.len() <= 253 && name.split('.').all(is_dns_label);
    let is_address = resource.plural == "ipaddresses" && name.parse::<IpAddr>().is_ok();
    let is_role = resource.group == RBAC && !name.is_empty() && !name.contains(['/', '%']);
    let is_valid = is_subdomain || is_address || is_role;
    if !is_valid {
        let why = format!("metadata.name: Invalid value: {name:?}: not a DNS-1123 subdomain");
        return Err(Refusal::invalid(&resource.kind, &name, &why));
    }
    Ok(name)
}

fn is_dns_label(label: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty()
        && label.bytes().all(is_inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether a field is there and not empty text.
pub fn is_set(value: &Value) -> bool {
    !value.is_null() && value != ""
}
