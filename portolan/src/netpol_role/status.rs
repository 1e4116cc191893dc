//! What the role says of itself: `/status`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Instant, SystemTime};

use cluster::Cluster;
use cluster_source::Source;
use dns::edge::http::HttpRequest;
use netpol::{Cell, Matrix, Mode, Options, Traffic};

use super::admin::Told;
use super::denials::Denial;
use crate::cli::traffic;
use crate::status::metrics::Families;
use crate::status::{Column, Section, Unit, Value, View, Width, sources};

/// The label of the role's source.
pub(super) const SOURCE: &str = "netpol";

/// From more pods than this on, nobody reads the truth table of all.
const MOST_PODS: usize = 40;

/// How many namespaces can be chosen by a link.
const MOST_LINKS: usize = 50;

/// How many policies are told.
const MOST_POLICIES: usize = 50;

/// What the truth table is of.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Asked {
    namespace: Option<String>,
    traffic: Traffic,
}

/// Returns the view of the agent, whose metrics are fresh.
pub(super) fn view(told: &Told, request: &HttpRequest) -> View {
    let (followed, mut problems) = sources::read(SOURCE, &told.source, SystemTime::now());
    problems.extend(sources::problems(&followed));
    if problems.is_empty() {
        problems.extend(told.unready.borrow().clone());
    }
    let families = Families::new(told.registry.gather());
    problems.extend(bypassing(&families));
    let denials = told.recent.newest();
    let sections = vec![
        sources::section(&followed),
        enforcement(&families),
        policies(&families),
        recent(&denials, Instant::now(), &told.options),
        matrix_of(&told.source, &told.options, request),
    ];
    told.process.view(problems, sections)
}

fn bypassing(families: &Families) -> Option<String> {
    let pods = families.sum("portolan_netpol_bypassing_pods");
    (pods > 0.0).then(|| format!("{pods} pods are behind bridges whose packets pass the rules by"))
}

fn enforcement(families: &Families) -> Section {
    let columns = [("what", "What", Unit::Text), ("count", "Count", Unit::Count)];
    let row = |(what, family): (&str, &str)| [what.into(), Value::Number(families.sum(family))];
    Section::new("enforcement", "Enforcement", columns).with_rows(
        [
            ("seconds behind the cluster", "portolan_netpol_unsynced_seconds"),
            ("transactions", "portolan_netpol_transactions_total"),
            ("failed transactions", "portolan_netpol_transaction_failures_total"),
            ("elements in the kernel", "portolan_netpol_elements"),
            ("chains in the kernel", "portolan_netpol_chains"),
            ("live connections cut", "portolan_netpol_revoked_flows_total"),
            ("repairs", "portolan_netpol_drift_repairs_total"),
            ("denied packets", "portolan_netpol_denied_packets_total"),
        ]
        .map(row),
    )
}

/// Returns the policies that denied most.
fn policies(families: &Families) -> Section {
    let columns = [
        ("policy", "Policy", Unit::Text),
        ("direction", "Direction", Unit::Text),
        ("mode", "Mode", Unit::Text),
        ("packets", "Packets", Unit::Count),
    ];
    let labels = ["namespace", "policy", "direction", "mode"];
    let mut counted = families.values("portolan_netpol_policy_denied_packets_total", &labels);
    counted.retain(|(_, packets)| *packets > 0.0);
    counted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let row = |(labels, packets): (Vec<String>, f64)| {
        let [namespace, policy, direction, mode] =
            <[String; 4]>::try_from(labels).unwrap_or_default();
        [format!("{namespace}/{policy}").into(), direction.into(), mode.into(), packets.into()]
    };
    Section::new("policies", "Denied packets by policy", columns)
        .with_note("of several policies that isolate a pod, each counts the packet")
        .with_rows(counted.into_iter().take(MOST_POLICIES).map(row))
}

fn recent(denials: &[(Instant, Denial)], now: Instant, options: &Options) -> Section {
    let columns = [
        ("ago", "Ago", Unit::Seconds),
        ("pod", "Pod", Unit::Text),
        ("direction", "Direction", Unit::Text),
        ("peer", "Peer", Unit::Text),
        ("traffic", "Traffic", Unit::Text),
        ("verdict", "Verdict", Unit::Text),
        ("policies", "Policies", Unit::Text),
        ("source", "Source", Unit::Text),
        ("destination", "Destination", Unit::Text),
    ];
    let row = |(at, denial): &(Instant, Denial)| -> [Value; 9] {
        let verdict = match denial.mode {
            Mode::Enforce => Value::state("denied", false),
            Mode::Audit => "passed, audited".into(),
        };
        [
            now.saturating_duration_since(*at).into(),
            denial.pod.as_str().into(),
            denial.direction.name().into(),
            denial.peer.as_str().into(),
            denial.traffic.to_string().into(),
            verdict,
            denial.policy_names().into(),
            denial.source.to_string().into(),
            denial.destination.to_string().into(),
        ]
    };
    let note = match options.log {
        Some(_) => "those that had a log line: of a flow the first in 10 s",
        None => "denied packets are not logged",
    };
    Section::new("denials", "Recent denials", columns)
        .with_width(Width::Whole)
        .with_note(note)
        .with_rows(denials.iter().map(row))
}

fn matrix_of(source: &Source, options: &Options, request: &HttpRequest) -> Section {
    let cluster = source.snapshot();
    let asked = Asked::read(request);
    match asked {
        Ok(asked) => matrix(&cluster, options, &asked),
        Err(error) => empty_matrix(format!("port: {error}")),
    }
}

impl Asked {
    fn read(request: &HttpRequest) -> Result<Self, String> {
        let port = request.parameter("port").filter(|port| !port.is_empty());
        let namespace = request.parameter("namespace").filter(|name| !name.is_empty());
        Ok(Self { namespace, traffic: traffic(port.as_deref().unwrap_or("80/tcp"))? })
    }
}

fn empty_matrix(note: String) -> Section {
    Section::new("matrix", "Who may talk to whom", []).with_note(note).with_width(Width::Matrix)
}

fn matrix(cluster: &Cluster, options: &Options, asked: &Asked) -> Section {
    let Asked { namespace, traffic } = asked;
    let names: BTreeSet<String> =
        cluster.namespaces().map(|namespace| namespace.name.to_string()).collect();
    let link = |name: String| {
        let in_url: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        (name, format!("?namespace={in_url}&port={traffic}"))
    };
    let links = names.into_iter().take(MOST_LINKS).map(link).collect();
    if namespace.is_none() && cluster.pods().nth(MOST_PODS).is_some() {
        let note = format!(
            "of more than {MOST_PODS} pods, choose a namespace (?namespace=NAME&port=5432/tcp)"
        );
        return Section { links, ..empty_matrix(note) };
    }
    let matrix = Matrix::of(cluster, options, namespace.as_deref(), *traffic);
    let column = |key: String, title: String, unit| Column { key, title, unit };
    let mut columns = vec![
        column("number".to_owned(), "#".to_owned(), Unit::Count),
        column("pod".to_owned(), "from, to".to_owned(), Unit::Text),
    ];
    let pods = || matrix.pods().iter().enumerate();
    columns
        .extend(pods().map(|(at, pod)| column(pod.to_string(), (at + 1).to_string(), Unit::Text)));
    let row = |(from, pod): (usize, &cluster::ObjectKey)| {
        let head = [Value::from(from as u64 + 1), Value::from(pod.to_string())];
        let cells = pods().map(|(to, _)| matrix.cell(from, to).map_or(Value::Nothing, cell));
        head.into_iter().chain(cells).collect()
    };
    let rows = pods().map(row).collect();
    let letters = Cell::ALL.map(|cell| format!("{} {}", cell.letter(), cell.words()));
    let mut note = format!("{traffic}, from the rows to the columns: {}", letters.join("; "));
    if matrix.left_out() > 0 {
        let _ = write!(note, "; {} more pods are left out", matrix.left_out());
    }
    Section { links, columns, rows, ..empty_matrix(note) }
}

fn cell(cell: Cell) -> Value {
    let letter = cell.letter().to_string();
    match cell {
        Cell::Passes => Value::state(letter, true),
        Cell::DeniedByEgress | Cell::DeniedByIngress | Cell::DeniedByBoth => {
            Value::state(letter, false)
        }
        Cell::Audited | Cell::Differs | Cell::Unconnected => letter.into(),
    }
}
