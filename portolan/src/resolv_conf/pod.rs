//! The Pod: from a file, from manifests, or from the Kubernetes API.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use cluster_source::{
    FetchError, SourceError, Timing, Written, WrittenObject, fetch_pod, written_at,
};
use dns::pod_dns::{DnsOption, DnsPolicy, PodDns, PodDnsConfig};
use serde::Deserialize;

use crate::cli::{PodName, ResolvConfArguments};
use crate::words::several;

/// The largest text that is read from a file or the standard input: 16 MiB.
const MAX_TEXT: u64 = 16 << 20;

/// The kind, as manifests name it.
const POD: (&str, &str) = ("v1", "Pod");

#[derive(Deserialize)]
struct Wire {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Metadata {
    uid: Option<String>,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(rename = "dnsPolicy")]
    dns_policy: Option<String>,
    #[serde(rename = "hostNetwork")]
    host_network: Option<bool>,
    #[serde(rename = "dnsConfig")]
    dns_config: Option<DnsConfig>,
}

#[derive(Deserialize)]
struct DnsConfig {
    nameservers: Option<Vec<String>>,
    searches: Option<Vec<String>>,
    options: Option<Vec<OptionWire>>,
}

#[derive(Deserialize)]
struct OptionWire {
    name: Option<String>,
    value: Option<String>,
}

/// Returns the Pod that the arguments name, and how it is written.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn read(arguments: &ResolvConfArguments) -> Result<(PodDns, WrittenObject)> {
    let wanted = arguments.pod.as_ref();
    let object = if let Some(file) = &arguments.file {
        let (text, name) = text_of(file)?;
        choose(Written::read(&text, &name, POD), wanted, &name)?
    } else if let Some(path) = &arguments.origin.manifests {
        choose(written_at(path, POD)?, wanted, &path.display().to_string())?
    } else {
        let wanted = wanted.context(
            "no Pod is named; name it with --pod NAMESPACE/NAME, or the file that it is in with --file",
        )?;
        fetch(arguments, wanted)?
    };
    let pod = decode(&object).map_err(|problem| {
        let WrittenObject { namespace, name, place, .. } = &object;
        anyhow!("{place}: Pod {namespace}/{name}: {problem}")
    })?;
    Ok((pod, object))
}

/// Reads a whole file, or the standard input.
pub(super) fn text_of(file: &Path) -> Result<(String, String)> {
    let (mut text, name) = (Vec::new(), file.display().to_string());
    if file == Path::new("-") {
        let read = stdin().take(MAX_TEXT + 1).read_to_end(&mut text);
        read.context("cannot read the standard input")?;
        return Ok((checked(text, "stdin")?, "stdin".to_owned()));
    }
    let read = File::open(file).and_then(|file| file.take(MAX_TEXT + 1).read_to_end(&mut text));
    read.with_context(|| format!("cannot read {name}; name a readable file"))?;
    Ok((checked(text, &name)?, name))
}

fn checked(text: Vec<u8>, name: &str) -> Result<String> {
    if text.len() as u64 > MAX_TEXT {
        bail!("{name} has more than 16 MiB; give only the objects that are asked for");
    }
    String::from_utf8(text).map_err(|_| anyhow!("{name} is not UTF-8; save it as UTF-8"))
}

/// Returns the named Pod, or the only one. Of Pods with the same name the last counts, as in a directory of manifests.
fn choose(written: Written, wanted: Option<&PodName>, source: &str) -> Result<WrittenObject> {
    let Written { objects, problems } = written;
    let names: Vec<String> =
        objects.iter().map(|object| format!("{}/{}", object.namespace, object.name)).collect();
    let mut found = match wanted {
        Some(PodName { namespace, name }) => {
            let is_wanted =
                |object: &WrittenObject| (&object.namespace, &object.name) == (namespace, name);
            objects.into_iter().filter(is_wanted).collect()
        }
        None if objects.len() > 1 => {
            bail!("{source} has {}; name one with --pod", several("Pod", &names))
        }
        None => objects,
    };
    found.pop().ok_or_else(|| {
        let wanted = wanted.map(|pod| format!(" {pod}")).unwrap_or_default();
        let instead = match (problems.first(), names.as_slice()) {
            (Some(problem), _) => format!("part of it cannot be read: {problem}"),
            (None, []) => "add one: `apiVersion: v1`, `kind: Pod`".to_owned(),
            (None, names) => format!("it has {}", several("Pod", names)),
        };
        anyhow!("{source} has no Pod{wanted}; {instead}")
    })
}

fn fetch(arguments: &ResolvConfArguments, wanted: &PodName) -> Result<WrittenObject> {
    let access = arguments.origin.access();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let timing = Timing::default();
    let fetched = fetch_pod(access, &timing, &wanted.namespace, &wanted.name);
    runtime.block_on(fetched).map_err(|error| match error {
        FetchError::Access(SourceError::InCluster { source }) => anyhow!(
            "in-cluster access: {source}; say where the Pod is with --kubeconfig, --manifests or --file"
        ),
        error => error.into(),
    })
}

/// Reads the fields that decide; absent ones have the values that an API server would write.
fn decode(object: &WrittenObject) -> Result<PodDns, String> {
    let wire: Wire = object.decode()?;
    let spec = wire.spec.unwrap_or_default();
    Ok(PodDns {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: wire.metadata.and_then(|metadata| metadata.uid).unwrap_or_default(),
        policy: DnsPolicy::of_word(spec.dns_policy.as_deref().unwrap_or_default()),
        host_network: spec.host_network.unwrap_or(false),
        config: spec.dns_config.map(|config| PodDnsConfig {
            nameservers: config.nameservers.unwrap_or_default(),
            searches: config.searches.unwrap_or_default(),
            options: config.options.into_iter().flatten().map(option).collect(),
        }),
    })
}

fn option(wire: OptionWire) -> DnsOption {
    DnsOption { name: wire.name.unwrap_or_default(), value: wire.value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: &str = "kind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: n}\n---\n\
                        kind: Pod\napiVersion: v1\nmetadata: {name: b}\nspec: {dnsPolicy: Default}\n---\n\
                        kind: Pod\napiVersion: v1\nmetadata: {name: b}\nspec:\n  hostNetwork: true\n";

    fn found(text: &str, wanted: Option<&str>) -> Result<PodDns, String> {
        let wanted = wanted.map(|text| text.parse().unwrap());
        let object = choose(Written::read(text, "x.yaml", POD), wanted.as_ref(), "x.yaml");
        decode(&object.map_err(|error| error.to_string())?)
    }

    #[test]
    fn the_named_pod_is_read_and_of_two_the_last() {
        let pod = found(PODS, Some("b")).unwrap();
        assert_eq!((pod.policy, pod.host_network), (DnsPolicy::ClusterFirst, true));
        let pod = found(PODS, Some("n/a")).unwrap();
        assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("n", "a"));
        assert_eq!(pod.config, None);
    }

    #[test]
    fn a_pod_that_is_not_there_is_told_with_those_that_are() {
        let errors = [
            (PODS, Some("n/b"), "x.yaml has no Pod n/b; it has 3 Pods (n/a, default/b, default/b)"),
            (PODS, None, "x.yaml has 3 Pods (n/a, default/b, default/b); name one with --pod"),
            ("", None, "x.yaml has no Pod; add one: `apiVersion: v1`, `kind: Pod`"),
        ];
        for (text, wanted, error) in errors {
            assert_eq!(found(text, wanted).unwrap_err(), error);
        }
        let broken = found("kind: [", Some("a")).unwrap_err();
        assert!(
            broken.contains("part of it cannot be read: x.yaml:1: is not valid YAML"),
            "{broken}"
        );
    }

    #[test]
    fn options_are_text() {
        let text = |value: &str| {
            format!(
                "kind: Pod\napiVersion: v1\nmetadata: {{name: a}}\nspec:\n  dnsConfig:\n    options:\n    \
                 - name: ndots\n      value: {value}\n    - name: edns0\n"
            )
        };
        let options = found(&text("'2'"), None).unwrap().config.unwrap().options;
        assert_eq!(options.len(), 2);
        assert_eq!(options[0].value.as_deref(), Some("2"));
        let error = found(&text("2"), None).unwrap_err();
        assert!(error.starts_with("spec.dnsConfig.options[0].value: "), "{error}");
    }
}
