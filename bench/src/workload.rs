//! What is asked.

use std::fmt::Write as _;

use crate::cluster::{Cluster, OUTSIDE, Service, namespace, outside};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) name: String,
    /// The type, as dnsperf reads it.
    pub(crate) kind: &'static str,
}

/// A stream of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Questions {
    /// A of Services.
    A,
    /// AAAA of Services.
    Aaaa,
    /// SRV of ports of Services.
    Srv,
    /// PTR of addresses of Services.
    Ptr,
    /// A of names that are not there, by chance: another name nearly each time, so that no cache has it.
    Miss,
    /// Names outside of the cluster through the search list of a pod with `ndots:5`: A and AAAA of each step but
    /// the last, which an upstream answers.
    Search,
    /// The same for a client whom `autopath` follows the search list for: A and AAAA of the first step.
    Autopath,
    /// A of names outside of the cluster that an upstream has answered before.
    Cached,
}

/// Which time questions are asked; chance differs between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Before anything is counted.
    Warm,
    /// As fast as the server answers, in several turns.
    Peak(u32),
    /// At half of that rate.
    Half,
}

impl Pass {
    fn number(self) -> u64 {
        match self {
            Self::Warm => 0,
            Self::Half => 1,
            Self::Peak(turn) => 2 + u64::from(turn),
        }
    }
}

/// How many questions of a workload there are at most, so that its file stays small.
const MOST: usize = 100_000;

/// How many of [`Questions::Miss`] there are: more than any server answers in a turn of half a second, so that names come
/// again late if at all.
const MISSES: u64 = 100_000;

/// A stride that is prime, so that neighbours in the data are not asked after one another.
const STRIDE: u32 = 7_919;

impl Questions {
    /// Returns the questions of a pass.
    pub(crate) fn list(self, cluster: Cluster, pass: Pass) -> Vec<Question> {
        match self {
            Self::A => of_services(cluster, |service| [question(service.host(), "A")]),
            Self::Aaaa => of_services(cluster, |service| [question(service.host(), "AAAA")]),
            Self::Srv => of_services(cluster, |service| {
                [question(format!("_http._tcp.{}", service.host()), "SRV")]
            }),
            Self::Ptr => of_services(cluster, |service| [question(service.reverse(), "PTR")]),
            Self::Miss => misses(cluster, pass),
            Self::Search => of_services(cluster, search_list),
            Self::Autopath => (0..OUTSIDE).flat_map(first_step).collect(),
            Self::Cached => (0..OUTSIDE).map(|number| question(outside(number), "A")).collect(),
        }
    }
}

/// Returns questions in dnsperf's format: a name and a type on each line.
pub(crate) fn text(questions: &[Question]) -> String {
    questions.iter().fold(String::new(), |mut text, question| {
        let _ = writeln!(text, "{} {}", question.name, question.kind);
        text
    })
}

fn question(name: String, kind: &'static str) -> Question {
    Question { name, kind }
}

fn of_services<const N: usize>(
    cluster: Cluster,
    ask: impl Fn(Service) -> [Question; N],
) -> Vec<Question> {
    scattered(cluster).flat_map(ask).take(MOST).collect()
}

fn misses(cluster: Cluster, pass: Pass) -> Vec<Question> {
    let namespaces = u64::from(cluster.namespaces());
    let seed = pass.number() << 32;
    (0..MISSES)
        .map(|i| {
            let random = scramble(seed + i);
            let namespace = namespace(u32::try_from(random % namespaces).unwrap_or_default());
            question(format!("{random:016x}.{namespace}.svc.cluster.local"), "A")
        })
        .collect()
}

/// The output function of SplitMix64: numbers without a pattern, the same in every run.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The steps of a search before its last one, from the namespace of a Service.
fn search_list(service: Service) -> [Question; 6] {
    let name = service.outside();
    let own = format!("{}.svc.cluster.local", service.namespace());
    let at = |domain: &str, kind| question(format!("{name}.{domain}"), kind);
    let (services, zone) = ("svc.cluster.local", "cluster.local");
    [
        at(&own, "A"),
        at(&own, "AAAA"),
        at(services, "A"),
        at(services, "AAAA"),
        at(zone, "A"),
        at(zone, "AAAA"),
    ]
}

/// The first step of a search from the namespace that the client is in.
fn first_step(number: u32) -> [Question; 2] {
    let name = format!("{}.{}.svc.cluster.local", outside(number), namespace(0));
    [question(name.clone(), "A"), question(name, "AAAA")]
}

fn scattered(cluster: Cluster) -> impl Iterator<Item = Service> {
    let number = u64::from(cluster.services.max(1));
    let services: Vec<_> = cluster.services().collect();
    (0..services.len() as u64).filter_map(move |i| {
        let at = i * u64::from(STRIDE) % number;
        services.get(usize::try_from(at).ok()?).copied()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Pass, Questions, text};
    use crate::cluster::Cluster;

    #[test]
    fn every_service_is_asked_for_once() {
        let list = Questions::A.list(Cluster { services: 1_000 }, Pass::Peak(0));
        assert_eq!(list.iter().collect::<HashSet<_>>().len(), 1_000);
        assert!(text(&list).contains("\nservice-999.namespace-9.svc.cluster.local A\n"));
    }

    #[test]
    fn a_large_cluster_makes_no_larger_list() {
        for questions in [Questions::A, Questions::Ptr, Questions::Search] {
            assert_eq!(questions.list(Cluster { services: 120_000 }, Pass::Peak(0)).len(), 100_000);
        }
    }

    #[test]
    fn no_miss_is_asked_for_twice() {
        let cluster = Cluster { services: 500 };
        let passes = [Pass::Warm, Pass::Peak(0), Pass::Half];
        let names: HashSet<_> =
            passes.into_iter().flat_map(|pass| Questions::Miss.list(cluster, pass)).collect();
        assert_eq!(names.len(), 300_000);
        assert_eq!(
            Questions::Miss.list(cluster, Pass::Peak(0))[..9],
            Questions::Miss.list(cluster, Pass::Peak(0))[..9]
        );
    }

    #[test]
    fn a_search_list_ends_before_the_name_itself() {
        let list = text(&Questions::Search.list(Cluster { services: 1 }, Pass::Peak(0)));
        assert_eq!(list.lines().count(), 6);
        assert!(list.starts_with("www-0.example.com.namespace-0.svc.cluster.local A\n"), "{list}");
        assert!(list.ends_with("www-0.example.com.cluster.local AAAA\n"), "{list}");
    }
}
