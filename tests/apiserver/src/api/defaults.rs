//! What the API fills in: the defaults the project's code relies on, and no more.
//!
//! Services get addresses as on a dual-stack cluster whose first family is IPv4. Node ports are
//! not allocated.

use serde_json::{Value, json};

use super::status::Refusal;
use crate::resource::Resource;
use crate::store::addresses::{Addresses, Family};

/// Fills in the defaults of an object about to be stored.
///
/// # Errors
/// 422 when a Service asks for an address that is taken or the range is exhausted.
pub fn fill_in(
    resource: &Resource,
    object: &mut Value,
    addresses: &mut Addresses,
) -> Result<(), Refusal> {
    match resource.id().as_str() {
        "services" => service(object, addresses)?,
        "pods" => pod(object),
        "namespaces" => namespace(object),
        "endpointslices.discovery.k8s.io" => slice(object),
        "networkpolicies.networking.k8s.io" => policy(object),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(object),
        _ => {}
    }
    Ok(())
}

/// Carries the allocated addresses of a Service over an update that leaves them out.
pub fn keep_allocated(resource: &Resource, old: &Value, new: &mut Value) {
    let is_cluster_ip = |value: &Value| value["spec"]["type"] != "ExternalName";
    if resource.id() == "services" && is_cluster_ip(old) && is_cluster_ip(new) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            set_default(&mut new["spec"], field, old["spec"][field].clone());
        }
    }
}

fn service(object: &mut Value, addresses: &mut Addresses) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec = &mut object["spec"];
    set_default(spec, "type", json!("ClusterIP"));
    set_default(spec, "sessionAffinity", json!("None"));
    for port in elements(spec, "ports") {
        set_default(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set_default(port, "targetPort", number);
    }
    if spec["type"] == "ExternalName" {
        return Ok(());
    }
    set_default(spec, "internalTrafficPolicy", json!("Cluster"));
    if addresses.is_off {
        return Ok(());
    }
    let families = families(spec);
    let policy = if families.len() > 1 { "PreferDualStack" } else { "SingleStack" };
    set_default(spec, "ipFamilyPolicy", json!(policy));
    set_default(spec, "ipFamilies", json!(families));
    if spec["clusterIP"].is_null() && spec["clusterIPs"].is_null() {
        let list = allocate(&families, addresses)
            .ok_or_else(|| Refusal::invalid("Service", &name, "the address range is full"))?;
        spec["clusterIPs"] = json!(list);
    }
    let first = spec["clusterIPs"][0].clone();
    set_default(spec, "clusterIP", first);
    let only = json!([spec["clusterIP"]]);
    set_default(spec, "clusterIPs", only);
    Ok(())
}

/// Refuses a new Service whose chosen address another one has.
///
/// # Errors
/// 422 when the address is taken.
pub fn check_addresses(object: &Value, addresses: &Addresses) -> Result<(), Refusal> {
    let Some(address) = object.pointer("/spec/clusterIP").and_then(Value::as_str) else {
        return Ok(());
    };
    if object["kind"] == "Service" && address.parse().is_ok_and(|a| addresses.is_taken(a)) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let why = format!(
            "spec.clusterIPs: Invalid value: [{address:?}]: failed to allocate IP {address}: \
             provided IP is already allocated"
        );
        return Err(Refusal::invalid("Service", name, &why));
    }
    Ok(())
}

fn families(spec: &Value) -> Vec<String> {
    let asked = spec["ipFamilies"].as_array().into_iter().flatten();
    let mut families: Vec<String> = asked.filter_map(|f| Some(f.as_str()?.to_owned())).collect();
    if families.is_empty() {
        let is_v6 = spec["clusterIP"].as_str().is_some_and(|address| address.contains(':'));
        families.push(if is_v6 { "IPv6" } else { "IPv4" }.to_owned());
    }
    let is_dual =
        ["PreferDualStack", "RequireDualStack"].iter().any(|p| spec["ipFamilyPolicy"] == **p);
    if is_dual && families.len() == 1 {
        families.push(if families[0] == "IPv4" { "IPv6" } else { "IPv4" }.to_owned());
    }
    families
}

fn allocate(families: &[String], addresses: &mut Addresses) -> Option<Vec<String>> {
    let family = |name: &String| {
        if name == "IPv6" { Family::V6 } else { Family::V4 }
    };
    let list = families.iter().map(|name| Some(addresses.next(family(name))?.to_string()));
    list.collect()
}

fn pod(object: &mut Value) {
    let spec = &mut object["spec"];
    set_default(spec, "restartPolicy", json!("Always"));
    set_default(spec, "dnsPolicy", json!("ClusterFirst"));
    set_default(spec, "terminationGracePeriodSeconds", json!(30));
    for container in elements(spec, "containers") {
        for port in elements(container, "ports") {
            set_default(port, "protocol", json!("TCP"));
        }
    }
    set_default(&mut object["status"], "phase", json!("Pending"));
}

fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    set_default(&mut object["spec"], "finalizers", json!(["kubernetes"]));
    set_default(&mut object["status"], "phase", json!("Active"));
}

fn slice(object: &mut Value) {
    for port in elements(object, "ports") {
        set_default(port, "name", json!(""));
        set_default(port, "protocol", json!("TCP"));
    }
}

fn policy(object: &mut Value) {
    let spec = &mut object["spec"];
    let mut types = vec!["Ingress"];
    if !spec["egress"].is_null() {
        types.push("Egress");
    }
    set_default(spec, "policyTypes", json!(types));
    for rule in ["ingress", "egress"] {
        for rule in elements(spec, rule) {
            for port in elements(rule, "ports") {
                set_default(port, "protocol", json!("TCP"));
            }
        }
    }
}

fn definition(object: &mut Value) {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "Accepted"});
    let conditions = json!([condition("NamesAccepted"), condition("Established")]);
    object["status"]["acceptedNames"] = object["spec"]["names"].clone();
    set_default(&mut object["status"], "conditions", conditions);
}

fn set_default(object: &mut Value, field: &str, value: Value) {
    let is_absent = match &object[field] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    if is_absent && !value.is_null() {
        object[field] = value;
    }
}

/// Returns the elements of a list field that are objects, nothing when there is no such list.
fn elements<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = object.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter(|element| element.is_object())
}
