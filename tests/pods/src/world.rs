//! The objects behind the pods, and edits of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::network::{NAMESPACES, NODE, OUTSIDE, PODS, address, name};
use super::probe::Transport;
use super::server::PORTS;

/// The name of the node that all pods run on.
pub const NODE_NAME: &str = "node-1";

/// Labels by key.
pub type Labels = BTreeMap<String, String>;

/// The objects of a cluster: the pods of the network, their namespaces and the node, and policies.
#[derive(Clone, PartialEq, Debug)]
pub struct World {
    namespaces: BTreeMap<String, Labels>,
    /// What namespaces have in the annotation `portolan.dev/netpol-mode`.
    modes: BTreeMap<String, String>,
    /// By `NAMESPACE/NAME`.
    pods: BTreeMap<String, Pod>,
    /// By `NAMESPACE/NAME`; the `spec`.
    policies: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, Debug)]
struct Pod {
    labels: Labels,
    /// The number of the place whose addresses it has.
    place: usize,
}

/// A change of objects.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Edit {
    /// Creates or changes a NetworkPolicy.
    Policy {
        /// `NAMESPACE/NAME`.
        name: String,
        /// The `spec`.
        spec: Value,
    },
    /// Deletes a NetworkPolicy, `NAMESPACE/NAME`.
    DeletePolicy(String),
    /// Gives a pod other labels.
    LabelPod {
        /// `NAMESPACE/NAME`.
        pod: String,
        /// All labels that it has from here on.
        labels: Labels,
    },
    /// Gives a namespace other labels, or creates it. `kubernetes.io/metadata.name` comes of itself.
    Namespace {
        /// The name.
        name: String,
        /// All other labels.
        labels: Labels,
    },
    /// Annotates a namespace with `portolan.dev/netpol-mode`.
    Mode {
        /// The name.
        namespace: String,
        /// The value.
        mode: String,
    },
    /// Deletes a namespace with its pods and policies.
    DeleteNamespace(String),
    /// Creates a pod.
    Pod {
        /// `NAMESPACE/NAME`.
        pod: String,
        /// Its labels.
        labels: Labels,
        /// Whose place it takes: the pod that had it has to be gone.
        place: String,
    },
    /// Deletes a pod, `NAMESPACE/NAME`.
    DeletePod(String),
}

impl World {
    /// Returns the pods with the labels that the cases name: `pod: NAME`, in namespaces with `ns: NAME`.
    pub fn new() -> Self {
        let label = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
        let namespaces = NAMESPACES.map(|name| (name.to_owned(), label("ns", name)));
        let pods = (0..OUTSIDE)
            .map(|place| (name(place), Pod { labels: label("pod", PODS[place % 3]), place }));
        Self {
            namespaces: namespaces.into(),
            modes: BTreeMap::new(),
            pods: pods.collect(),
            policies: BTreeMap::new(),
        }
    }

    /// Changes the objects.
    ///
    /// # Panics
    /// What is to be changed or deleted is not there, or the place of a pod is taken.
    pub fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Policy { name, spec } => {
                self.policies.insert(name.clone(), spec.clone());
            }
            Edit::DeletePolicy(name) => {
                assert!(self.policies.remove(name).is_some(), "there is no policy {name}");
            }
            Edit::LabelPod { pod, labels } => {
                self.pods.get_mut(pod).unwrap().labels.clone_from(labels);
            }
            Edit::Namespace { name, labels } => {
                self.namespaces.insert(name.clone(), labels.clone());
            }
            Edit::Mode { namespace, mode } => {
                assert!(self.namespaces.contains_key(namespace), "there is no {namespace}");
                self.modes.insert(namespace.clone(), mode.clone());
            }
            Edit::DeleteNamespace(name) => {
                assert!(self.namespaces.remove(name).is_some(), "there is no namespace {name}");
                let is_other = |key: &String| key.split('/').next() != Some(name);
                self.pods.retain(|key, _| is_other(key));
                self.policies.retain(|key, _| is_other(key));
            }
            Edit::Pod { pod, labels, place } => {
                let place = (0..OUTSIDE).find(|number| name(*number) == *place).unwrap();
                assert!(self.pods.values().all(|pod| pod.place != place), "{place} is taken");
                self.pods.insert(pod.clone(), Pod { labels: labels.clone(), place });
            }
            Edit::DeletePod(pod) => {
                assert!(self.pods.remove(pod).is_some(), "there is no pod {pod}");
            }
        }
    }

    /// Returns the names of the pods, `NAMESPACE/NAME`.
    pub fn pods(&self) -> Vec<&str> {
        self.pods.keys().map(String::as_str).collect()
    }

    /// Returns the names of the policies, `NAMESPACE/NAME`.
    pub fn policies(&self) -> Vec<&str> {
        self.policies.keys().map(String::as_str).collect()
    }

    /// Returns the places that no pod has.
    pub fn free_places(&self) -> Vec<String> {
        let is_free = |place: &usize| self.pods.values().all(|pod| pod.place != *place);
        (0..OUTSIDE).filter(is_free).map(name).collect()
    }

    /// Returns the objects as Kubernetes has them.
    pub fn objects(&self) -> Vec<Value> {
        let node = address(NODE);
        let mut objects = vec![json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME},
            "status": {"addresses": [
                {"type": "InternalIP", "address": node.v4},
                {"type": "InternalIP", "address": node.v6},
            ]},
        })];
        objects.extend(self.namespaces.iter().map(|(name, labels)| {
            let mut labels = labels.clone();
            labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
            let annotations = self
                .modes
                .get(name)
                .map_or_else(|| json!({}), |mode| json!({"portolan.dev/netpol-mode": mode}));
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": labels, "annotations": annotations},
            })
        }));
        objects.extend(self.pods.iter().map(|(key, pod)| pod_object(key, pod)));
        objects.extend(self.policies.iter().map(|(key, spec)| {
            let (namespace, name) = key.split_once('/').unwrap();
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": name, "namespace": namespace}, "spec": spec,
            })
        }));
        objects
    }

    /// Writes the objects as manifests. A reader of the file sees either the objects before or these.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn write(&self, file: &Path) {
        let documents: Vec<String> = self.objects().iter().map(Value::to_string).collect();
        let beside = file.with_extension("part");
        std::fs::write(&beside, documents.join("\n---\n")).unwrap();
        std::fs::rename(&beside, file).unwrap();
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn pod_object(key: &str, pod: &Pod) -> Value {
    let (namespace, name) = key.split_once('/').unwrap();
    let address = address(pod.place);
    let ports: Vec<Value> = (Transport::ALL.iter())
        .flat_map(|transport| {
            PORTS.map(|port| {
                let name = format!("serve-{port}-{}", transport.name().to_lowercase());
                json!({"name": name, "containerPort": port, "protocol": transport.name()})
            })
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": pod.labels},
        "spec": {"nodeName": NODE_NAME, "containers": [{"name": "agnhost", "ports": ports}]},
        "status": {
            "phase": "Running", "podIP": address.v4,
            "podIPs": [{"ip": address.v4}, {"ip": address.v6}],
        },
    })
}
