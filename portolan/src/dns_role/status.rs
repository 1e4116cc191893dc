//! What the role says of itself: `/status`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use dns::sampling::Top;

use super::Built;
use super::rates::{Counted, Rate};
use crate::status::{Section, Unit, Value, View, Width, sources};

/// How many names and clients are told.
const MOST: usize = 15;

/// How many of one kind are told: clients cannot make labels, and a Corefile may have many.
const MOST_RATES: usize = 30;

/// Returns the view of a server.
pub(super) fn view(built: &Built) -> View {
    let (mut followed, mut problems) = (Vec::new(), Vec::new());
    for (name, source) in built.served().sources.iter() {
        let (of_source, missing) = sources::read(&name, source, SystemTime::now());
        problems.extend(missing.iter().map(|what| format!("{name}: {what}")));
        followed.extend(of_source);
    }
    problems.extend(sources::problems(&followed));
    let (now, counted) = (Instant::now(), Counted::read(&built.dns_metrics));
    let rates =
        |part: fn(&Counted) -> &BTreeMap<String, f64>| built.readings.rates((now, &counted), part);
    let mut sections = vec![
        sources::section(&followed),
        queries(rates(|counted| &counted.types), &not_counted(built)),
        replies(rates(|counted| &counted.rcodes)),
        answered(rates(|counted| &counted.plugins)),
    ];
    sections.extend(built.responder.samples().top(MOST, now).map(top).into_iter().flatten());
    built.process.view(problems, sections)
}

/// Says which server blocks do not count queries.
fn not_counted(built: &Built) -> String {
    let engine = built.responder.engine();
    let counts = |block: &&dns::engine::Block| {
        block.plugins.iter().any(|plugin| plugin.name() == "prometheus")
    };
    let counting = engine.blocks().iter().filter(counts).count();
    match engine.blocks().len() - counting {
        0 => String::new(),
        others => format!("not of {others} server blocks, which do not have `prometheus`"),
    }
}

fn queries(rates: Vec<Rate>, note: &str) -> Section {
    section("query-types", "Queries by type", ("type", "Type"), rates).with_note(note)
}

fn replies(rates: Vec<Rate>) -> Section {
    section("rcodes", "Replies by rcode", ("rcode", "Rcode"), rates)
}

fn answered(mut rates: Vec<Rate>) -> Section {
    for rate in rates.iter_mut().filter(|rate| rate.what.is_empty()) {
        // What no server block serves, for one.
        "(the server itself)".clone_into(&mut rate.what);
    }
    section("answered-by", "Replies by who answered", ("plugin", "Plugin"), rates)
}

fn section(id: &str, title: &str, (key, what): (&str, &str), rates: Vec<Rate>) -> Section {
    let columns = [
        (key, what, Unit::Text),
        ("per_second_1m", "per s, 1 min", Unit::PerSecond),
        ("per_second_5m", "per s, 5 min", Unit::PerSecond),
        ("all", "in all", Unit::Count),
    ];
    let row = |rate: Rate| -> [Value; 4] {
        let [minute, five] = rate.per_second;
        [rate.what.into(), minute.into(), five.into(), rate.all.into()]
    };
    Section::new(id, title, columns).with_rows(rates.into_iter().take(MOST_RATES).map(row))
}

/// Returns the sections of what samples show.
fn top(top: Top) -> Vec<Section> {
    let Top { span, queries, names, clients } = top;
    let note = format!(
        "estimates from samples, which stand for {queries} queries of the last {} s",
        span.as_secs()
    );
    let clients = clients.map(|clients| {
        let text = |(client, count): (IpAddr, u64)| (client.to_string(), count);
        let clients = clients.into_iter().map(text).collect();
        of_top("top-clients", "Clients that ask most", ("client", "Client"), clients, span)
            .with_note(note.clone() + "; over UDP an address may be forged")
    });
    let names = of_top("top-names", "Names asked for most", ("name", "Name"), names, span);
    let names = names.with_note(note).with_width(Width::Whole);
    [Some(names), clients].into_iter().flatten().collect()
}

fn of_top(
    id: &str,
    title: &str,
    (key, what): (&str, &str),
    counts: Vec<(String, u64)>,
    span: Duration,
) -> Section {
    let columns = [
        (key, what, Unit::Text),
        ("queries", "Queries", Unit::Count),
        ("per_second", "per s", Unit::PerSecond),
    ];
    // Less than a second says nothing of a second.
    let seconds = span.as_secs_f64().max(1.0);
    let row = |(what, count): (String, u64)| -> [Value; 3] {
        let count = Value::from(count);
        let rate = match count {
            Value::Number(count) => Value::Number(count / seconds),
            _ => Value::Nothing,
        };
        [what.into(), count, rate]
    };
    Section::new(id, title, columns).with_rows(counts.into_iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(section: &Section) -> Vec<Vec<String>> {
        let cell = |(value, unit): (&Value, Unit)| value.shown(unit);
        let units = || section.columns.iter().map(|column| column.unit);
        section.rows.iter().map(|row| row.iter().zip(units()).map(cell).collect()).collect()
    }

    #[test]
    fn what_the_server_answers_itself_has_a_name() {
        let rate = |what: &str| Rate { what: what.to_owned(), per_second: [2.0, 0.5], all: 700.0 };
        let section = answered(vec![rate("cache"), rate("")]);
        assert_eq!(
            shown(&section),
            [["cache", "2.00", "0.50", "700"], ["(the server itself)", "2.00", "0.50", "700"]]
        );
    }

    #[test]
    fn names_and_clients_are_estimates() {
        let counted = Top {
            span: Duration::from_secs(100),
            queries: 2_000,
            names: vec![("a.example.".to_owned(), 1_500)],
            clients: Some(vec![([10, 0, 0, 1].into(), 50)]),
        };
        let sections = top(counted.clone());
        assert!(sections[0].note.starts_with("estimates from samples, which stand for 2000"));
        assert_eq!(shown(&sections[0]), [["a.example.", "1,500", "15.0"]]);
        assert_eq!(shown(&sections[1]), [["10.0.0.1", "50", "0.50"]]);
        assert_eq!(top(Top { clients: None, ..counted }).len(), 1);
    }
}
