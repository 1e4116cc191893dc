//! The truth table of some pods: who reaches whom.

mod html;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, ObjectKey, Pod};

use crate::{Decision, Family, Flow, Options, Traffic, Verdict, pod_at, verdict};

/// The most pods of a table.
pub const MOST_PODS: usize = 100;

/// What stands in place of a table without pods.
const NO_PODS: &str = "no pod has an address of its own";

/// Who of some pods reaches whom with one kind of traffic, as policies have it.
///
/// `Display` writes it as text, [`Matrix::html`] as a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matrix {
    traffic: Traffic,
    pods: Vec<ObjectKey>,
    /// A row for each source, with a cell for each destination.
    rows: Vec<Vec<Cell>>,
    /// Pods that there is no room for.
    left_out: usize,
}

/// What becomes of the traffic from one pod to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cell {
    /// It passes.
    Passes,
    /// The policies of the source deny it.
    DeniedByEgress,
    /// The policies of the destination deny it.
    DeniedByIngress,
    /// The policies of both deny it.
    DeniedByBoth,
    /// It passes because a namespace is audited only.
    Audited,
    /// Over IPv4 and IPv6, different things become of it.
    Differs,
    /// The pods have no addresses of one family.
    Unconnected,
}

impl Matrix {
    /// Asks about every pair of the pods of a namespace, or of all pods.
    pub fn of(
        cluster: &Cluster,
        options: &Options,
        namespace: Option<&str>,
        traffic: Traffic,
    ) -> Self {
        let mut pods: Vec<&Arc<Pod>> = cluster
            .pods()
            .filter(|pod| namespace.is_none_or(|name| *pod.key.namespace == *name))
            .filter(|pod| !addresses(cluster, pod).is_empty())
            .collect();
        pods.sort_by(|a, b| a.key.cmp(&b.key));
        let left_out = pods.len().saturating_sub(MOST_PODS);
        pods.truncate(MOST_PODS);
        let own: Vec<Vec<IpAddr>> = pods.iter().map(|pod| addresses(cluster, pod)).collect();
        let row = |source: &Vec<IpAddr>| {
            own.iter().map(|to| cell(cluster, options, source, to, traffic)).collect()
        };
        let rows = own.iter().map(row).collect();
        let pods = pods.into_iter().map(|pod| pod.key.clone()).collect();
        Self { traffic, pods, rows, left_out }
    }

    /// Returns the pods, sorted: of the rows as of the columns.
    pub fn pods(&self) -> &[ObjectKey] {
        &self.pods
    }

    /// Returns how many pods there is no room for: all beyond [`MOST_PODS`].
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Returns what becomes of the traffic between two pods, by their places.
    pub fn cell(&self, source: usize, destination: usize) -> Option<Cell> {
        self.rows.get(source)?.get(destination).copied()
    }
}

/// Returns the addresses that are the pod's own.
fn addresses(cluster: &Cluster, pod: &Pod) -> Vec<IpAddr> {
    let is_own = |ip: &&IpAddr| pod_at(cluster, **ip).is_some_and(|holder| holder.key == pod.key);
    pod.ips.iter().filter(is_own).copied().collect()
}

fn cell(
    cluster: &Cluster,
    options: &Options,
    sources: &[IpAddr],
    destinations: &[IpAddr],
    traffic: Traffic,
) -> Cell {
    let first = |addresses: &[IpAddr], family| {
        addresses.iter().find(|address| Family::of(**address) == family).copied()
    };
    let mut cells = Family::ALL.into_iter().filter_map(|family| {
        let (source, destination) = (first(sources, family)?, first(destinations, family)?);
        let flow = Flow::between(cluster, options, source, destination, traffic);
        Some(Cell::of(&verdict(cluster, options, &flow)))
    });
    match (cells.next(), cells.next()) {
        (None, _) => Cell::Unconnected,
        (Some(only), None) => only,
        (Some(one), Some(other)) if one == other => one,
        (Some(_), Some(_)) => Cell::Differs,
    }
}

impl Cell {
    /// Every cell.
    pub const ALL: [Self; 7] = [
        Self::Passes,
        Self::DeniedByEgress,
        Self::DeniedByIngress,
        Self::DeniedByBoth,
        Self::Audited,
        Self::Differs,
        Self::Unconnected,
    ];

    fn of(verdict: &Verdict) -> Self {
        let (egress, ingress) = (&verdict.egress.decision, &verdict.ingress.decision);
        let is_audited = |decision| matches!(decision, &Decision::Audited(_));
        match (egress.passes(), ingress.passes()) {
            (false, false) => Self::DeniedByBoth,
            (false, true) => Self::DeniedByEgress,
            (true, false) => Self::DeniedByIngress,
            (true, true) if is_audited(egress) || is_audited(ingress) => Self::Audited,
            (true, true) => Self::Passes,
        }
    }

    /// Returns the letter that stands for it in a text.
    pub fn letter(self) -> char {
        match self {
            Self::Passes => '+',
            Self::DeniedByEgress => 'E',
            Self::DeniedByIngress => 'I',
            Self::DeniedByBoth => 'X',
            Self::Audited => '~',
            Self::Differs => '?',
            Self::Unconnected => '-',
        }
    }

    /// Returns what it means.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::DeniedByEgress => "denied by the egress of the source",
            Self::DeniedByIngress => "denied by the ingress of the destination",
            Self::DeniedByBoth => "denied by both",
            Self::Audited => "passes, only because a namespace is audited",
            Self::Differs => "differs between IPv4 and IPv6",
            Self::Unconnected => "no addresses of one family",
        }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.pods.len().to_string().len();
        let width = self.pods.iter().map(|pod| pod.to_string().len()).max().unwrap_or(0);
        writeln!(f, "{}: from the pods on the left to those of the numbers", self.traffic)?;
        write!(f, "{:width$}", "", width = count + width + 1)?;
        (1..=self.pods.len()).try_for_each(|number| write!(f, " {number:>count$}"))?;
        writeln!(f)?;
        for (number, (pod, row)) in self.pods.iter().zip(&self.rows).enumerate() {
            write!(f, "{:>count$} {:width$}", number + 1, pod.to_string())?;
            row.iter().try_for_each(|cell| write!(f, " {:>count$}", cell.letter()))?;
            writeln!(f)?;
        }
        for cell in
            Cell::ALL.into_iter().filter(|cell| self.rows.iter().flatten().any(|it| it == cell))
        {
            writeln!(f, "{} {}", cell.letter(), cell.words())?;
        }
        if self.pods.is_empty() {
            writeln!(f, "{NO_PODS}")?;
        }
        match self.left_out {
            0 => Ok(()),
            left_out => writeln!(f, "{left_out} more pods are left out; name a namespace"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, pods, rule, tcp};

    fn matrix(namespace: Option<&str>) -> Matrix {
        let world = World::new()
            .pod("x/a", "10.0.0.1 fd00::1", "pod=a")
            .pod("x/b", "10.0.0.2 fd00::2", "pod=b")
            .pod("y/c", "10.0.0.3", "pod=c")
            .pod("y/six", "fd00::4", "")
            .changed_pod("y/host", "192.0.2.1", "", |pod| pod.host_network = true)
            .ingress("x/in", "pod=a", vec![rule([pods("pod=b")], [tcp(80)])])
            .egress("y/out", "", vec![]);
        Matrix::of(world.cluster(), &Options::default(), namespace, Traffic::Tcp(80))
    }

    #[test]
    fn a_table_has_a_letter_for_every_pair() {
        let text = matrix(None).to_string();
        let expected = "\
80/tcp: from the pods on the left to those of the numbers
        1 2 3 4
1 x/a   + + + +
2 x/b   + + + +
3 y/c   X E + -
4 y/six X E - +
+ passes
E denied by the egress of the source
X denied by both
- no addresses of one family
";
        assert_eq!(text, expected);
        assert_eq!(matrix(Some("x")).pods().len(), 2);
        assert!(matrix(Some("z")).to_string().ends_with("\nno pod has an address of its own\n"));
        assert!(matrix(Some("z")).html().contains("<p>no pod has an address of its own</p>"));
        assert_eq!(matrix(None).cell(2, 0), Some(Cell::DeniedByBoth));
        assert_eq!(matrix(None).cell(9, 0), None);
    }

    #[test]
    fn a_table_has_room_for_so_many_pods() {
        let world = (0..=MOST_PODS).fold(World::new(), |world, n| {
            world.pod(&format!("x/p{n}"), &format!("10.0.{}.{}", n / 200, n % 200), "")
        });
        let matrix = Matrix::of(world.cluster(), &Options::default(), None, Traffic::Tcp(80));
        assert_eq!(matrix.pods().len(), MOST_PODS);
        assert!(matrix.to_string().ends_with("1 more pods are left out; name a namespace\n"));
    }

    #[test]
    fn a_page_shows_the_same_and_nothing_of_a_name_is_markup() {
        let world = World::new().pod("x/<b>&\"'", "10.0.0.1", "").egress("x/out", "", vec![]);
        let page = Matrix::of(world.cluster(), &Options::default(), None, Traffic::Udp(53)).html();
        assert!(
            page.starts_with("<!DOCTYPE html>") && page.contains("<title>53/udp</title>"),
            "{page}"
        );
        assert!(page.contains("x/&lt;b&gt;&amp;&quot;&#39;") && !page.contains("<b>"), "{page}");
        let page = matrix(None).html();
        for cell in ["passes", "denied by both", "no addresses of one family"] {
            assert!(page.contains(cell), "{cell}");
        }
        assert_eq!(page.matches("<td").count(), 16);
    }
}
