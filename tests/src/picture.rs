//! A picture of a terminal, as an SVG, from what a program printed on one.

use std::fmt::Write;

/// The size of a character cell and the space around the text, in pixels of the picture.
const CELL: (usize, usize) = (8, 18);
const MARGIN: usize = 16;

/// What an escape sequence `ESC [ CODE m` makes of the text behind it, as attributes of SVG.
const STYLES: [(&str, &str); 6] = [
    ("0", ""),
    ("1", " font-weight=\"bold\" fill=\"#ffffff\""),
    ("2", " fill=\"#8b949e\""),
    ("31", " fill=\"#ff7b72\""),
    ("32", " fill=\"#3fb950\""),
    ("36", " font-weight=\"bold\" fill=\"#79c0ff\""),
];

/// Draws the lines; `title` is what a reader without eyes gets.
///
/// # Panics
/// There is an escape sequence that no style is known of.
pub fn draw(title: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let columns =
        lines.iter().map(|line| runs(line).iter().map(|(_, run)| run.chars().count()).sum());
    let width = columns.max().unwrap_or(0) * CELL.0 + 2 * MARGIN;
    let height = lines.len() * CELL.1 + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\" \
         fill=\"#e6edf3\">\n",
        escape(title)
    );
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + (number + 1) * CELL.1 - 5;
        let mut column = 0;
        for (style, run) in runs(line) {
            let (cells, x) = (run.chars().count(), MARGIN + column * CELL.0);
            column += cells;
            if run.trim().is_empty() {
                continue;
            }
            // Of the same width whatever font the reader has.
            let length = cells * CELL.0;
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" textLength=\"{length}\" xml:space=\"preserve\"{style}>{}</text>",
                escape(run)
            );
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Splits a line where its style changes.
fn runs(line: &str) -> Vec<(&'static str, &str)> {
    let mut parts = line.split("\u{1b}[");
    let mut runs = vec![("", parts.next().unwrap_or_default())];
    for part in parts {
        let (codes, run) = part.split_once('m').unwrap();
        // Of several codes the last one is the colour.
        let code = codes.rsplit(';').next();
        let style = STYLES.iter().find(|(known, _)| Some(*known) == code);
        let (_, style) = style.unwrap_or_else(|| panic!("a style for {codes:?}"));
        runs.push((style, run));
    }
    runs
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_styles_and_is_as_wide_as_its_cells() {
        let svg = draw("a & b", "\u{1b}[32mok\u{1b}[0m  <x>\n\nend");
        assert!(svg.contains("viewBox=\"0 0 88 86\""), "{svg}");
        assert!(svg.contains("<title>a &amp; b</title>"), "{svg}");
        let green = "<text x=\"16\" y=\"29\" textLength=\"16\" xml:space=\"preserve\" fill=\"#3fb950\">ok</text>";
        assert!(svg.contains(green), "{svg}");
        assert!(
            svg.contains(" y=\"65\" textLength=\"24\" xml:space=\"preserve\">end</text>"),
            "{svg}"
        );
        assert!(svg.contains(">  &lt;x&gt;</text>"), "{svg}");
    }
}
