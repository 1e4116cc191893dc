//! Texts as people read them on a terminal: aligned, in units, and without what moves a cursor.

use std::time::Duration;

/// Escapes what would not be seen, would move the cursor, or would turn the direction of what follows: names are
/// whatever a client, a runtime or a file says.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Says whether a character has no look of its own: those of directions (UAX #9), of no width, and of ends of lines.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// Writes milliseconds by their two largest units, as kubectl writes ages: `3d4h`, `5m3s`, `12s`.
pub(crate) fn age(milliseconds: u64) -> String {
    let seconds = Duration::from_millis(milliseconds).as_secs();
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = parts[first..].iter().take(2).enumerate();
    let shown = shown.filter(|(at, (count, _))| *at == 0 || *count > 0);
    shown.map(|(_, (count, unit))| format!("{count}{unit}")).collect()
}

/// Names objects of a kind, but not all of a crowd.
pub(crate) fn several(kind: &str, names: &[impl AsRef<str>]) -> String {
    let shown = names.iter().take(5).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "none".to_owned(),
        1 => format!("the {kind} {shown}"),
        count @ 2..=5 => format!("{count} {kind}s ({shown})"),
        count => format!("{count} {kind}s ({shown}, …)"),
    }
}

/// Aligns the columns of a table with two spaces between them.
pub(crate) fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        for (at, cell) in row.as_ref().iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let line = |row: &R| {
        let cells = row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_their_two_largest_units() {
        for (milliseconds, expected) in [
            (0, "0s"),
            (999, "0s"),
            (12_000, "12s"),
            (303_000, "5m3s"),
            (300_000, "5m"),
            (3_600_000, "1h"),
            (3_601_000, "1h"),
            (90_000_000, "1d1h"),
        ] {
            assert_eq!(age(milliseconds), expected);
        }
    }

    #[test]
    fn a_crowd_is_counted_and_some_of_it_named() {
        for (names, text) in [
            ("", "none"),
            ("a", "the Pod a"),
            ("a b", "2 Pods (a, b)"),
            ("a b c d e", "5 Pods (a, b, c, d, e)"),
            ("a b c d e f", "6 Pods (a, b, c, d, e, …)"),
        ] {
            let names: Vec<&str> = names.split_whitespace().collect();
            assert_eq!(several("Pod", &names), text);
        }
    }

    #[test]
    fn what_is_not_seen_is_escaped() {
        for (text, shown) in [
            ("web <b> \"é\"", "web <b> \"é\""),
            ("a\u{1b}[31m\tb\nc é", "a\\u{1b}[31m\\tb\\nc é"),
            ("\u{202e}moc.elgoog\u{2066}", "\\u{202e}moc.elgoog\\u{2066}"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [["A".to_owned(), "B".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(table(&rows), "A     B\nlong\n");
    }
}
