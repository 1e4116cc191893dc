//! The lines of a `kubernetes` block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use cluster::Selector;
use hickory_proto::rr::LowerName;
use ipam_controller::services::Ranges;
use ipnet::IpNet;

use super::config::{ClusterOrigin, KubernetesConfig, TlsFiles};
use crate::corefile::{CorefileError, Directive, Token};
use crate::kubernetes::PodMode;
use crate::plugin::Fallthrough;
use crate::plugin::arguments::{duration, none, number_in, single, some, zones};

/// The options as an error lists them.
const OPTIONS: &str = "endpoint, kubeconfig, manifests, tls, apiserver_qps, apiserver_burst, \
    apiserver_max_inflight, service_cidrs, namespaces, namespace_labels, labels, pods, ignore, ttl, startup_timeout, \
    fallthrough, multicluster, endpoint_pod_names, noendpoints, strict and zonal";

/// Where Services of manifests get their addresses from by default: kubeadm's `serviceSubnet`, and a unique local network.
const DEFAULT_RANGES: [(IpAddr, u8); 2] = [
    (IpAddr::V4(Ipv4Addr::new(10, 96, 0, 0)), 12),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0)), 112),
];

/// The largest `ttl` in seconds.
const MAX_TTL: u32 = 3600;

/// A configuration in the making.
pub(super) struct Draft {
    config: KubernetesConfig,
    /// `kubeconfig`, `endpoint` or `manifests`, as written.
    origin_word: Option<String>,
    tls: Option<TlsFiles>,
    /// The line `service_cidrs`, and what it says.
    service_ranges: Option<(Directive, Vec<IpNet>)>,
    /// The line of `namespaces` or `namespace_labels` that came beside the other.
    both_namespaces: Option<Directive>,
    namespace_labels_set: bool,
    /// The line of `zonal` or `noendpoints` that came beside the other.
    both_endpoints: Option<Directive>,
    /// The line `multicluster`, whose zones have to be among those of the block.
    multicluster: Vec<Token>,
}

impl Draft {
    pub(super) fn new(config: KubernetesConfig) -> Self {
        Self {
            config,
            origin_word: None,
            tls: None,
            service_ranges: None,
            both_namespaces: None,
            namespace_labels_set: false,
            both_endpoints: None,
            multicluster: Vec::new(),
        }
    }

    /// Reads one line.
    pub(super) fn read(&mut self, line: &Directive) -> Result<(), CorefileError> {
        match line.name.text.as_str() {
            "endpoint" | "kubeconfig" | "manifests" => self.origin(line),
            "tls" => self.tls(line),
            "apiserver_qps" | "apiserver_burst" | "apiserver_max_inflight" => self.limit(line),
            "service_cidrs" => self.service_cidrs(line),
            "namespaces" | "namespace_labels" | "labels" => self.selection(line),
            "pods" => self.pods(line),
            "ignore" => self.ignore(line),
            "ttl" => {
                self.config.options.ttl = number_in(single(line)?, 0..=MAX_TTL, "seconds")?;
                Ok(())
            }
            "startup_timeout" => {
                self.config.startup_timeout = duration(single(line)?)?;
                Ok(())
            }
            "fallthrough" => self.fallthrough(line),
            "multicluster" => self.multicluster(line),
            "endpoint_pod_names" | "noendpoints" | "strict" | "zonal" => self.flag(line),
            other => Err(line.error(refusal(other))),
        }
    }

    /// Checks what only shows when every line is read.
    pub(super) fn finish(
        mut self,
        directive: &Directive,
    ) -> Result<KubernetesConfig, CorefileError> {
        if let Some(line) = &self.both_namespaces {
            return Err(
                line.error("`namespaces` and `namespace_labels` exclude each other; keep one")
            );
        }
        if let Some(line) = &self.both_endpoints {
            return Err(line.error(
                "`zonal` needs the endpoints that `noendpoints` leaves out; keep one of the two",
            ));
        }
        for token in &self.multicluster {
            for zone in zones(std::slice::from_ref(token))? {
                if !self.config.zones.contains(&zone) {
                    return Err(token.error(format!(
                        "'{zone}' is no zone of this block; add it behind `kubernetes`, or take it out of `multicluster`"
                    )));
                }
                self.config.options.multicluster.push(zone);
            }
        }
        self.config.service_ranges = self.service_ranges()?;
        match (&mut self.config.origin, self.tls.take()) {
            (_, None) => {}
            (ClusterOrigin::Endpoint { tls, .. }, files) => *tls = files,
            (
                ClusterOrigin::InCluster
                | ClusterOrigin::Kubeconfig { .. }
                | ClusterOrigin::Manifests(_),
                Some(_),
            ) => return Err(directive.error("`tls` needs `endpoint URL` beside it")),
        }
        Ok(self.config)
    }

    fn origin(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let word = line.name.text.clone();
        if let Some(first) = &self.origin_word {
            let text = format!(
                "`{word}` after `{first}`: objects come from one place; keep one of the two"
            );
            return Err(line.error(text));
        }
        self.config.origin = match (word.as_str(), line.args.as_slice()) {
            ("kubeconfig", [file]) => kubeconfig(file, None),
            ("kubeconfig", [file, context]) => kubeconfig(file, Some(context.text.clone())),
            // CoreDNS accepts several and uses the first.
            ("endpoint", [url, ..]) => {
                ClusterOrigin::Endpoint { url: api_server_url(url)?, tls: None }
            }
            ("manifests", [path]) => ClusterOrigin::Manifests(PathBuf::from(&path.text)),
            ("kubeconfig", _) => return Err(line.error("write `kubeconfig FILE [CONTEXT]`")),
            ("endpoint", _) => return Err(line.error("write `endpoint URL`")),
            _ => return Err(line.error("write `manifests PATH`, a YAML file or a directory")),
        };
        self.origin_word = Some(word);
        Ok(())
    }

    fn tls(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let [cert, key, ca] = line.args.as_slice() else {
            return Err(line.error("write `tls CERT KEY CACERT`, three files in PEM"));
        };
        let path = |token: &Token| PathBuf::from(&token.text);
        self.tls = Some(TlsFiles { cert: path(cert), key: path(key), ca: path(ca) });
        Ok(())
    }

    fn service_cidrs(&mut self, line: &Directive) -> Result<(), CorefileError> {
        if self.service_ranges.is_some() {
            return Err(line.error("`service_cidrs` stands twice; write all ranges in one line"));
        }
        let words = some(line)?;
        let networks = match words {
            [word] if word.text == "none" => Vec::new(),
            words => words.iter().map(range).collect::<Result<_, _>>()?,
        };
        self.service_ranges = Some((line.clone(), networks));
        Ok(())
    }

    /// Returns the ranges of Services; objects of an API server have their addresses.
    fn service_ranges(&mut self) -> Result<Vec<IpNet>, CorefileError> {
        match (&self.config.origin, self.service_ranges.take()) {
            (ClusterOrigin::Manifests(_), Some((_, ranges))) => Ok(ranges),
            (ClusterOrigin::Manifests(_), None) => Ok(DEFAULT_RANGES.map(|(ip, length)| IpNet::new_assert(ip, length)).into()),
            (_, Some((line, _))) => Err(line.error(
                "`service_cidrs` needs `manifests PATH` beside it; an API server gives Services their addresses",
            )),
            (_, None) => Ok(Vec::new()),
        }
    }

    fn limit(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let value = Some(number_in(single(line)?, 1..=1_000_000, "requests")?);
        let limits = &mut self.config.client_limits;
        match line.name.text.as_str() {
            "apiserver_qps" => limits.qps = value,
            "apiserver_burst" => limits.burst = value,
            _ => limits.max_inflight = value,
        }
        Ok(())
    }

    fn selection(&mut self, line: &Directive) -> Result<(), CorefileError> {
        some(line)?;
        match line.name.text.as_str() {
            "namespaces" => {
                let names = line.args.iter().map(|name| name.text.clone());
                self.config.options.namespaces.get_or_insert_default().extend(names);
            }
            "namespace_labels" => {
                self.config.namespace_labels = selector(line)?;
                self.namespace_labels_set = true;
            }
            _ => self.config.labels = selector(line)?,
        }
        let is_first = self.both_namespaces.is_none();
        if is_first && self.config.options.namespaces.is_some() && self.namespace_labels_set {
            self.both_namespaces = Some(line.clone());
        }
        Ok(())
    }

    fn pods(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let mode = single(line)?;
        self.config.options.pods = match mode.text.as_str() {
            "disabled" => PodMode::Disabled,
            "insecure" => PodMode::Insecure,
            "verified" => PodMode::Verified,
            other => {
                let text =
                    format!("wrong value for pods: {other:?}; use disabled, insecure or verified");
                return Err(mode.error(text));
            }
        };
        Ok(())
    }

    fn ignore(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let word = single(line)?;
        if word.text != "empty_service" {
            return Err(word
                .error(format!("unable to ignore {:?}; only `empty_service` can be", word.text)));
        }
        self.config.options.ignore_empty_service = true;
        Ok(())
    }

    fn fallthrough(&mut self, line: &Directive) -> Result<(), CorefileError> {
        let zones = match line.args.as_slice() {
            [] => vec![LowerName::new(&hickory_proto::rr::Name::root())],
            args => zones(args)?,
        };
        self.config.fallthrough = Fallthrough::Zones(zones);
        Ok(())
    }

    fn multicluster(&mut self, line: &Directive) -> Result<(), CorefileError> {
        self.multicluster.extend_from_slice(some(line)?);
        Ok(())
    }

    fn flag(&mut self, line: &Directive) -> Result<(), CorefileError> {
        none(line)?;
        match line.name.text.as_str() {
            "endpoint_pod_names" => self.config.options.endpoint_pod_names = true,
            "noendpoints" => self.config.options.no_endpoints = true,
            "zonal" => self.config.options.zonal = true,
            _ => self.config.options.strict = true,
        }
        let is_first = self.both_endpoints.is_none();
        if is_first && self.config.options.zonal && self.config.options.no_endpoints {
            self.both_endpoints = Some(line.clone());
        }
        Ok(())
    }
}

fn kubeconfig(file: &Token, context: Option<String>) -> ClusterOrigin {
    ClusterOrigin::Kubeconfig { file: PathBuf::from(&file.text), context }
}

fn api_server_url(token: &Token) -> Result<String, CorefileError> {
    let url = &token.text;
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url.clone());
    }
    if url.contains("://") {
        return Err(
            token.error(format!("{url:?} is no URL of an API server; use https://HOST:PORT"))
        );
    }
    Ok(format!("http://{url}"))
}

/// Reads a range of `service_cidrs`.
fn range(word: &Token) -> Result<IpNet, CorefileError> {
    let network: IpNet = word.text.parse().map_err(|_| {
        word.error(format!("{:?} is no network; write for example 10.96.0.0/12", word.text))
    })?;
    Ranges::new(&[network]).map_err(|error| word.error(error.to_string()))?;
    Ok(network)
}

fn selector(line: &Directive) -> Result<Selector, CorefileError> {
    let words: Vec<&str> = line.args.iter().map(|word| word.text.as_str()).collect();
    Selector::parse(&words.join(" ")).map_err(|error| line.error(error.to_string()))
}

/// Says why a word is no option of the block.
fn refusal(word: &str) -> String {
    match word {
        "upstream" => {
            "`upstream` was removed in CoreDNS 1.7; remove the line: names are looked up \
                       through the server itself"
                .to_owned()
        }
        "resyncperiod" => {
            "`resyncperiod` was removed; remove the line: a watch that breaks is opened again by itself"
                .to_owned()
        }
        "transfer" => {
            "`transfer to` was replaced by the plugin `transfer`, which is not part of Portolan; take the line \
             out, and read the objects from the Kubernetes API instead of the zone"
                .to_owned()
        }
        "federation" => {
            "`federation` was removed from Kubernetes; remove the line: names of several clusters are what \
             `multicluster ZONES` serves"
                .to_owned()
        }
        other => format!("unknown property '{other}'; there is {OPTIONS}"),
    }
}

#[cfg(test)]
mod tests;
