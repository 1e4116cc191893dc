//! `k8s_external`: names of Services outside the cluster.

mod config;

use std::sync::Arc;

use hickory_proto::rr::DNSClass;

pub use config::K8sExternalConfig;

use super::kubernetes::{ClusterView, reply_of};
use super::{Fallthrough, Handling, Outcome, Plugin};
use crate::Query;
use crate::engine::Context;
use crate::kubernetes::{ExternalZone, Question, Status, Zone, external_answer};

/// Answers questions about external names of one cluster.
#[derive(Debug)]
pub struct K8sExternal {
    external: ExternalZone,
    fallthrough: Fallthrough,
    zone: Zone,
    view: Arc<dyn ClusterView>,
}

impl K8sExternal {
    /// Returns the plugin of a block; `zone` and `view` are those of its `kubernetes` plugin.
    pub fn new(config: K8sExternalConfig, zone: Zone, view: Arc<dyn ClusterView>) -> Self {
        Self { external: config.external, fallthrough: config.fallthrough, zone, view }
    }
}

impl Plugin for K8sExternal {
    fn name(&self) -> &'static str {
        "k8s_external"
    }

    fn query<'a>(&'a self, query: &'a mut Query, context: &'a Context<'a>) -> Handling<'a> {
        let zone = self.external.matching(&query.lower);
        let Some(apex) = zone.filter(|_| query.qclass == DNSClass::IN) else {
            return Handling::NEXT;
        };
        let cluster = self.view.snapshot();
        let question = Question { name: &query.name, lower: &query.lower, qtype: query.qtype };
        let mut answer = external_answer(&cluster, &self.zone, &self.external, apex, question);
        context
            .note(self.name(), || format!("zone {apex}: {:?}: {}", answer.status, answer.ruling));
        let is_unknown = answer.status == Status::NameError;
        if is_unknown && self.fallthrough.lets_through(&query.lower) {
            context.note(self.name(), || "`fallthrough`: the next plugin is asked".into());
            return Handling::NEXT;
        }
        let Some(chase) = answer.chase.take() else { return Handling::reply(reply_of(answer)) };
        Handling::Later(Box::pin(async move {
            let inner = context.lookup(query.for_question(chase.target, query.qtype)).await;
            let mut reply = reply_of(answer);
            if let Some(inner) = inner {
                reply.answers.extend(inner.answers);
                reply.truncated |= inner.truncated;
            }
            Outcome::Reply(reply)
        }))
    }
}

#[cfg(test)]
mod tests {
    use cluster::{Cluster, Event, Kind, Labels, Namespace, Object, Store};
    use hickory_proto::op::ResponseCode;
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::Reply;
    use crate::kubernetes::ZoneOptions;
    use crate::plugin::testing::{answer, configure, query, record};

    fn cluster() -> Arc<Cluster> {
        let mut store = Store::new();
        let namespace =
            Namespace { name: "testns".into(), labels: Labels::default(), audit: false };
        for kind in Kind::ALL {
            store.apply(Event::ListStart(kind), 1);
            if kind == Kind::Namespace {
                store.apply(Event::Upsert(Object::Namespace(Arc::new(namespace.clone()))), 1);
            }
            store.apply(Event::ListEnd(kind), 1);
        }
        store.snapshot()
    }

    fn plugin(text: &str) -> K8sExternal {
        let config = configure(text, |all| K8sExternalConfig::parse(all, &[])).unwrap();
        let zone = Zone {
            zones: vec!["cluster.local.".parse().unwrap()],
            options: ZoneOptions::default(),
            own_addresses: vec!["10.9.0.1".parse().unwrap()],
        };
        K8sExternal::new(config, zone, Arc::new(cluster()))
    }

    #[tokio::test]
    async fn names_that_do_not_exist_may_fall_through() {
        let next = Reply {
            answers: vec![record("a.testns.example.org.", "192.0.2.1")],
            ..Reply::new(ResponseCode::NoError)
        };
        let ask =
            |text: &str, name: &str| answer(plugin(text), query(name, RecordType::A), next.clone());
        let denied = ask("k8s_external example.org", "a.testns.example.org.").await;
        assert_eq!((denied.rcode, denied.authorities.len()), (ResponseCode::NXDomain, 1));
        assert!(denied.authoritative);
        let through = "k8s_external example.org {\nfallthrough\n}";
        assert_eq!(ask(through, "a.testns.example.org.").await.answers, next.answers);
        assert!(ask(through, "testns.example.org.").await.answers.is_empty(), "NODATA stays");
        let elsewhere = "k8s_external example.org {\nfallthrough b.example.org\n}";
        assert_eq!(ask(elsewhere, "a.testns.example.org.").await.rcode, ResponseCode::NXDomain);
        assert_eq!(ask("k8s_external example.org", "a.test.").await.answers, next.answers);
    }

    #[tokio::test]
    async fn apex_and_ttl_show_in_the_answers() {
        let plugin = plugin("k8s_external example.org {\napex own\nttl 77\n}");
        let query = query("ns1.own.example.org.", RecordType::A);
        let reply = answer(plugin, query, Reply::new(ResponseCode::NoError)).await;
        assert_eq!(reply.answers.len(), 1);
        assert_eq!(
            (reply.answers[0].ttl, reply.answers[0].data.to_string()),
            (77, "10.9.0.1".into())
        );
    }
}
