//! Splits a YAML stream into its documents.

/// One document of a YAML stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Document<'a> {
    /// The text, markers included.
    pub(super) text: &'a str,
    /// The line of the stream that it starts on, counted from 1.
    pub(super) line: usize,
}

/// Splits a stream at its document markers and leaves out documents without content.
///
/// A `---` or `...` at the start of a line is a marker wherever it stands, block scalars included (YAML 1.2
/// §9.1.2 `c-forbidden`), so that the text can be cut without being parsed. A document that does not parse
/// then leaves the others alone.
pub(super) fn split(stream: &str) -> Vec<Document<'_>> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (line_at, line) in stream.split_inclusive('\n').enumerate() {
        let end = at + line.len();
        if is_marker(line, "---") {
            push(&mut documents, &stream[start..at], start_line);
            (start, start_line) = (at, line_at + 1);
        } else if is_marker(line, "...") {
            push(&mut documents, &stream[start..at], start_line);
            (start, start_line) = (end, line_at + 2);
        }
        at = end;
    }
    push(&mut documents, &stream[start..], start_line);
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn push<'a>(documents: &mut Vec<Document<'a>>, text: &'a str, line: usize) {
    // Directives (`%YAML 1.2`) stand before the marker of their document and change nothing here.
    let is_content = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !(line.is_empty() || line.starts_with(['#', '%']))
    };
    if text.lines().any(is_content) {
        documents.push(Document { text, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_markers_only_and_know_their_lines() {
        // (stream, the line and the first content of each document)
        let cases: [(&str, &[(usize, &str)]); 8] = [
            ("", &[]),
            ("# nothing\n---\n---\n# still nothing\n", &[]),
            ("a: 1", &[(1, "a: 1")]),
            ("---\na: 1\n---\nb: 2\n", &[(1, "---\na: 1\n"), (3, "---\nb: 2\n")]),
            ("%YAML 1.2\n---\na: 1\n...\n# end\n", &[(2, "---\na: 1\n")]),
            ("a: |\n  ---\n  x\n----\n", &[(1, "a: |\n  ---\n  x\n----\n")]),
            ("\u{feff}a: 1\r\n---\r\nb: 2\r\n", &[(1, "a: 1\r\n"), (2, "---\r\nb: 2\r\n")]),
            ("--- {a: 1}\n--- {b: 2}", &[(1, "--- {a: 1}\n"), (2, "--- {b: 2}")]),
        ];
        for (stream, expected) in cases {
            let found: Vec<_> = split(stream).into_iter().map(|d| (d.line, d.text)).collect();
            assert_eq!(found, expected, "{stream:?}");
        }
    }
}
