//! A view as JSON, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, json};

use super::view::{Column, Section, Unit, Value, View, Width};

/// Writes a view. Rows are objects by the keys of the columns; times are seconds.
pub(super) fn write(view: &View) -> serde_json::Value {
    let View { role, host, version, uptime, problems, sections } = view;
    json!({
        "role": role,
        "host": host,
        "version": version,
        "uptime_seconds": uptime.map(|time| time.as_secs_f64()),
        "healthy": problems.is_empty(),
        "problems": problems,
        "sections": sections.iter().map(write_section).collect::<Vec<_>>(),
    })
}

fn write_section(section: &Section) -> serde_json::Value {
    let Section { id, title, note, columns, rows, .. } = section;
    let row = |row: &Vec<Value>| -> Map<String, serde_json::Value> {
        let cells = columns.iter().zip(row);
        cells.map(|(column, value)| (column.key.clone(), write_value(value))).collect()
    };
    let column = |Column { key, title, unit }: &Column| json!({ "key": key, "title": title, "unit": unit.name() });
    json!({
        "id": id,
        "title": title,
        "note": note,
        "columns": columns.iter().map(column).collect::<Vec<_>>(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn write_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) | Value::State(text, _) => json!(text),
        Value::Number(number) => json!(number),
        Value::Nothing => serde_json::Value::Null,
    }
}

#[derive(Deserialize)]
struct WrittenView {
    role: String,
    host: String,
    version: String,
    uptime_seconds: Option<f64>,
    problems: Vec<String>,
    sections: Vec<WrittenSection>,
}

#[derive(Deserialize)]
struct WrittenSection {
    id: String,
    title: String,
    note: String,
    columns: Vec<WrittenColumn>,
    rows: Vec<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct WrittenColumn {
    key: String,
    title: String,
    unit: String,
}

/// Reads what [`write`] writes. Links, widths and moods are for browsers, and are not in it.
///
/// # Errors
/// It is something else.
pub(super) fn read(octets: &[u8]) -> Result<View> {
    let view: WrittenView = serde_json::from_slice(octets)
        .context("what it says of itself cannot be read; is it another version?")?;
    let uptime = view.uptime_seconds.map(Duration::try_from_secs_f64).transpose();
    Ok(View {
        role: view.role,
        host: view.host,
        version: view.version,
        uptime: uptime.context("uptime_seconds is no time")?,
        problems: view.problems,
        sections: view.sections.into_iter().map(read_section).collect(),
    })
}

fn read_section(section: WrittenSection) -> Section {
    let WrittenSection { id, title, note, columns, rows } = section;
    let columns: Vec<Column> = columns.into_iter().map(read_column).collect();
    let row = |mut row: BTreeMap<String, serde_json::Value>| {
        let value = |column: &Column| row.remove(&column.key).map_or(Value::Nothing, read_value);
        columns.iter().map(value).collect()
    };
    let rows = rows.into_iter().map(row).collect();
    Section { id, title, note, width: Width::Shared, links: Vec::new(), columns, rows }
}

fn read_column(column: WrittenColumn) -> Column {
    let WrittenColumn { key, title, unit } = column;
    let unit = Unit::ALL.into_iter().find(|known| known.name() == unit);
    // Of a later version: as it is.
    Column { key, title, unit: unit.unwrap_or(Unit::Text) }
}

fn read_value(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nothing,
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Number(number) => number.as_f64().into(),
        other => Value::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::super::view::testing::view;
    use super::*;

    #[test]
    fn what_is_read_prints_as_what_was_written() {
        let written = write(&view());
        let read = read(written.to_string().as_bytes()).unwrap();
        assert_eq!(text::write(&read), text::write(&view()));
        assert_eq!(write(&read), written);
    }

    #[test]
    fn programs_find_rows_by_keys() {
        let written = write(&view());
        assert_eq!(written["healthy"], json!(false));
        assert_eq!(written["sections"][0]["rows"][0]["per_second"], json!(12.34));
        assert_eq!(written["sections"][0]["rows"][1]["all"], json!(null));
        assert_eq!(written["sections"][1]["rows"], json!([]));
    }

    #[test]
    fn something_else_is_refused() {
        for octets in [&b""[..], b"{}", b"[1]", b"\xff"] {
            assert!(read(octets).is_err());
        }
    }
}
