//! A view as text for a terminal.

use super::view::{Section, Unit, Value, View};
use crate::words::{age, plain, table};

/// Writes a view: who, whether all is well, then each section as a table.
pub(super) fn write(view: &View) -> String {
    let View { role, host, version, uptime, problems, sections } = view;
    let since = uptime
        .map(|time| format!(", for {}", age(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))));
    let word = if problems.is_empty() { "well" } else { "not well" };
    let version = if version.is_empty() { String::new() } else { format!(", version {version}") };
    let head = format!("{role} on {host}: {word}{}{version}", since.unwrap_or_default());
    let mut text = plain(&head) + "\n";
    for problem in problems {
        text += &format!("  problem: {}\n", plain(problem));
    }
    for section in sections {
        text += "\n";
        text += &write_section(section);
    }
    text
}

fn write_section(section: &Section) -> String {
    let mut text = plain(&section.title);
    if !section.note.is_empty() {
        text += &format!(" ({})", plain(&section.note));
    }
    text += "\n";
    if section.rows.is_empty() {
        return text + "  none\n";
    }
    let titles = section.columns.iter().map(|column| plain(&column.title).to_uppercase());
    let mut rows: Vec<Vec<String>> = vec![titles.collect()];
    for row in &section.rows {
        let cells = row.iter().zip(&section.columns);
        rows.push(cells.map(|(value, column)| cell(value, column.unit)).collect());
    }
    text + &table(&rows).lines().map(|line| format!("  {line}\n")).collect::<String>()
}

/// A cell is no wider than this: what is behind is cut, so that numbers beside it are seen. JSON has it all.
const WIDEST: usize = 72;

fn cell(value: &Value, unit: Unit) -> String {
    let shown = value.shown(unit);
    match shown.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}…", shown.get(..at).unwrap_or_default()),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::testing::view;
    use super::*;

    #[test]
    fn a_terminal_shows_tables_and_nothing_moves_the_cursor() {
        let text = write(&view());
        assert_eq!(
            text,
            "dns on node-1: not well, for 1h1m, version 0.1.0\n\
             \x20 problem: Service: HTTP 403 \\u{1b}[31m\n\
             \n\
             Queries (the last 5 minutes & more)\n\
             \x20 TYPE         A SECOND  ALL    LAST\n\
             \x20 <script>     12.3      1,234  5s\n\
             \x20 \"'&\\u{202e}  0         -      -\n\
             \n\
             Clients\n\
             \x20 none\n"
        );
    }
}
