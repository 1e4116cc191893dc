//! A view as a page: plain HTML without scripts.

use std::fmt::{self, Write};

use netpol::Escaped;

use super::view::{Column, Mood, Section, Unit, Value, View, Width};
use crate::words::{age, plain};

/// How often the page asks for itself anew, in seconds.
const REFRESH: u32 = 10;

/// Whether the page asks for itself anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresh {
    /// It does.
    On,
    /// It stays, for those who read longer.
    Off,
}

/// Writes the page.
pub(super) fn write(view: &View, refresh: Refresh) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, view, refresh);
    page
}

/// Returns a text in HTML. What is not seen is escaped, too.
fn escaped(text: &str) -> String {
    Escaped(&plain(text)).to_string()
}

fn write_page(page: &mut String, view: &View, refresh: Refresh) -> fmt::Result {
    let is_well = view.problems.is_empty();
    let word = if is_well { "well" } else { "not well" };
    let (role, host) = (escaped(&view.role), escaped(&view.host));
    writeln!(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(page, "<meta name=\"color-scheme\" content=\"light dark\">")?;
    if refresh == Refresh::On {
        writeln!(page, "<meta http-equiv=\"refresh\" content=\"{REFRESH}\">")?;
    }
    writeln!(page, "<title>portolan {role} on {host}: {word}</title>")?;
    writeln!(page, "<link rel=\"stylesheet\" href=\"/status.css\">\n</head>\n<body>\n<header>")?;
    let class = if is_well { "good" } else { "bad" };
    writeln!(page, "<h1>portolan {role} <span class=\"state {class}\">{word}</span></h1>")?;
    write!(page, "<p>{host}, version {}", escaped(&view.version))?;
    if let Some(uptime) = view.uptime {
        let milliseconds = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        write!(page, ", for {}", age(milliseconds))?;
    }
    match refresh {
        Refresh::On => {
            write!(page, ". Refreshed every {REFRESH} s (<a href=\"?refresh=off\">stop</a>)")?;
        }
        Refresh::Off => write!(page, ". Not refreshed (<a href=\"?\">refresh</a>)")?,
    }
    writeln!(page, ". <a href=\"/status.json\">JSON</a>, <a href=\"/metrics\">metrics</a></p>")?;
    write_problems(page, &view.problems)?;
    writeln!(page, "</header>\n<main>")?;
    view.sections.iter().try_for_each(|section| write_section(page, section))?;
    writeln!(page, "</main>\n</body>\n</html>")
}

fn write_problems(page: &mut String, problems: &[String]) -> fmt::Result {
    if problems.is_empty() {
        return Ok(());
    }
    writeln!(page, "<ul class=\"problems\" aria-label=\"Problems\">")?;
    problems.iter().try_for_each(|problem| writeln!(page, "<li>{}</li>", escaped(problem)))?;
    writeln!(page, "</ul>")
}

fn write_section(page: &mut String, section: &Section) -> fmt::Result {
    let Section { id, title, note, width, links, columns, rows } = section;
    let (id, title) = (escaped(id), escaped(title));
    let wide = match width {
        Width::Shared => "",
        Width::Whole => " class=\"wide\"",
        Width::Matrix => " class=\"wide matrix\"",
    };
    writeln!(page, "<section{wide} aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>")?;
    if !note.is_empty() {
        writeln!(page, "<p>{}</p>", escaped(note))?;
    }
    write_links(page, links)?;
    if rows.is_empty() {
        return writeln!(page, "<p class=\"none\">none</p>\n</section>");
    }
    // What is too wide for a screen is moved in there, by keys, too.
    writeln!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}\">"
    )?;
    write!(page, "<table>\n<thead><tr>")?;
    for Column { title, unit, .. } in columns {
        write!(page, "<th scope=\"col\"{}>{}</th>", class_of(*unit), escaped(title))?;
    }
    writeln!(page, "</tr></thead>\n<tbody>")?;
    rows.iter().try_for_each(|row| write_row(page, columns, row))?;
    writeln!(page, "</tbody>\n</table>\n</div>\n</section>")
}

fn write_links(page: &mut String, links: &[(String, String)]) -> fmt::Result {
    if links.is_empty() {
        return Ok(());
    }
    write!(page, "<p class=\"links\">")?;
    for (text, address) in links {
        write!(page, "<a href=\"{}\">{}</a> ", escaped(address), escaped(text))?;
    }
    writeln!(page, "</p>")
}

/// The first cell names the row.
fn write_row(page: &mut String, columns: &[Column], row: &[Value]) -> fmt::Result {
    write!(page, "<tr>")?;
    for (at, (column, value)) in columns.iter().zip(row).enumerate() {
        let (text, class) = (value.shown(column.unit), class_of(column.unit));
        let text = escaped(&text);
        match value {
            Value::State(_, mood) => {
                let class = if *mood == Mood::Good { "good" } else { "bad" };
                write!(page, "<td><span class=\"state {class}\">{text}</span></td>")?;
            }
            _ if at == 0 => write!(page, "<th scope=\"row\"{class}>{text}</th>")?,
            _ => write!(page, "<td{class}>{text}</td>")?,
        }
    }
    writeln!(page, "</tr>")
}

/// Numbers stand below each other by their last digit.
fn class_of(unit: Unit) -> &'static str {
    match unit {
        Unit::Text => "",
        Unit::Count | Unit::PerSecond | Unit::Seconds => " class=\"number\"",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::view::testing::view;
    use super::*;

    #[test]
    fn what_hostile_clients_say_is_text() {
        let page = write(&view(), Refresh::On);
        assert!(!page.contains("<script"), "{page}");
        for part in [
            "<title>portolan dns on node-1: not well</title>",
            "<meta http-equiv=\"refresh\" content=\"10\">",
            "<li>Service: HTTP 403 \\u{1b}[31m</li>",
            "<h2 id=\"queries\">Queries</h2>\n<p>the last 5 minutes &amp; more</p>",
            "<th scope=\"row\">&lt;script&gt;</th><td class=\"number\">12.3</td>",
            "<th scope=\"row\">&quot;&#39;&amp;\\u{202e}</th>",
            "<h2 id=\"clients\">Clients</h2>\n<p class=\"none\">none</p>",
        ] {
            assert!(page.contains(part), "no {part} in\n{page}");
        }
        assert!(!write(&view(), Refresh::Off).contains("http-equiv"));
    }

    proptest! {
        #[test]
        fn no_text_makes_markup(text in any::<String>()) {
            let shown = escaped(&text);
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
            prop_assert!(!shown.chars().any(char::is_control));
            let mut hostile = view();
            let plain = write(&hostile, Refresh::On);
            hostile.role.clone_from(&text);
            hostile.host.clone_from(&text);
            hostile.problems = vec![text.clone()];
            for section in &mut hostile.sections {
                section.note.clone_from(&text);
                section.title.clone_from(&text);
                for row in &mut section.rows {
                    row[0] = Value::Text(text.clone());
                }
            }
            let hostile = write(&hostile, Refresh::On);
            // A note may come or go; nothing else makes an element.
            let count = |page: &str| page.matches('<').count() - page.matches("<p>").count() * 2;
            prop_assert_eq!(count(&hostile), count(&plain));
        }
    }
}
