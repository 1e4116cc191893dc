//! What a short name may have meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::{Cluster, ObjectKey, Service};
use hickory_proto::rr::Name;

use super::name;

/// How many names are offered.
const MOST: usize = 3;

/// Returns a question back for a name that found nothing: the whole names of Services that pods reach under it by
/// the search path of their resolv.conf. Each zone comes with the cluster that it serves.
pub(super) fn hint(asked: &Name, zones: &[(Name, Arc<Cluster>)]) -> Option<String> {
    let label = |number| {
        let label: Option<&[u8]> = asked.iter().nth(number);
        label.map(|label| String::from_utf8_lossy(label).to_lowercase())
    };
    let (service, namespace, kind) = (label(0)?, label(1), label(2));
    let is_short = asked.num_labels() <= 3 && kind.is_none_or(|kind| kind == "svc");
    if !is_short {
        return None;
    }
    let is_meant = |found: &Service| {
        *found.key.name == *service
            && namespace.as_ref().is_none_or(|wanted| *found.key.namespace == **wanted)
    };
    let mut wholes = BTreeSet::new();
    for (zone, cluster) in zones {
        for found in cluster.services().filter(|found| is_meant(found)) {
            let ObjectKey { namespace, name: service } = &found.key;
            wholes.insert(format!("{service}.{namespace}.svc.{}", name::write(zone)));
        }
    }
    let more = match wholes.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" ({more} more)"),
    };
    let offered: Vec<&str> =
        wholes.iter().take(MOST).map(|whole| whole.trim_end_matches('.')).collect();
    (!offered.is_empty()).then(|| format!("did you mean {}?{more}", offered.join(" or ")))
}

#[cfg(test)]
mod tests {
    use cluster::{Event, Labels, Object, ServiceAddress, ServiceType, Store};

    use super::*;

    fn cluster(services: &[(&str, &str)]) -> Arc<Cluster> {
        let mut store = Store::new();
        for (namespace, name) in services {
            let service = Service {
                key: ObjectKey::new(*namespace, *name),
                labels: Labels::default(),
                service_type: ServiceType::ClusterIp,
                address: ServiceAddress::Headless,
                ports: [].into(),
                external_ips: [].into(),
                load_balancer: [].into(),
            };
            store.apply(Event::Upsert(Object::Service(Arc::new(service))), 0);
        }
        store.snapshot()
    }

    #[test]
    fn whole_names_of_services() {
        let cluster = cluster(&[
            ("kube-system", "kube-dns"),
            ("alpha", "web"),
            ("beta", "web"),
            ("gamma", "web"),
            ("delta", "web"),
        ]);
        let zones = [(name::parse("cluster.local").unwrap(), cluster)];
        for (asked, expected) in [
            ("kube-dns", "did you mean kube-dns.kube-system.svc.cluster.local?"),
            ("KUBE-DNS.kube-system", "did you mean kube-dns.kube-system.svc.cluster.local?"),
            ("web.beta.svc", "did you mean web.beta.svc.cluster.local?"),
            (
                "web",
                "did you mean web.alpha.svc.cluster.local or web.beta.svc.cluster.local or \
                 web.delta.svc.cluster.local? (1 more)",
            ),
            ("none", ""),
            ("web.kube-system", ""),
            ("web.beta.pod", ""),
            ("web.beta.svc.cluster.local", ""),
            (".", ""),
        ] {
            let found = hint(&name::parse(asked).unwrap(), &zones).unwrap_or_default();
            assert_eq!(found, expected, "{asked}");
        }
    }
}
