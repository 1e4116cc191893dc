//! A truth table as a page that needs nothing else.

use std::fmt::Write;

use super::{Cell, Matrix, NO_PODS};
use crate::Escaped;

const STYLE: &str = "body{font:14px sans-serif}table{border-collapse:collapse}th{font-weight:normal;text-align:left}\
td{width:1.6em;height:1.6em;text-align:center;border:1px solid #fff}.passes{background:#bfe3c0}\
.denied{background:#eeb4ae}.audited{background:#f3dfa2}.other{background:#ddd}";

impl Matrix {
    /// Writes the table as an HTML page: rows are sources, columns destinations, by their numbers.
    pub fn html(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let title = self.traffic.to_string();
        let title = Escaped(&title);
        writeln!(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
        writeln!(page, "<title>{title}</title><style>{STYLE}</style></head><body>")?;
        writeln!(
            page,
            "<h1>{title}: from the rows to the columns</h1>\n<table>\n<tr><th></th><th></th>"
        )?;
        (1..=self.pods.len()).try_for_each(|number| write!(page, "<th>{number}</th>"))?;
        writeln!(page, "</tr>")?;
        for (at, (pod, row)) in self.pods.iter().zip(&self.rows).enumerate() {
            write!(page, "<tr><th>{}</th><th>{}</th>", at + 1, Escaped(&pod.to_string()))?;
            for (cell, to) in row.iter().zip(&self.pods) {
                let title = format!("{pod} to {to}: {}", cell.words());
                let (class, letter) = (class(*cell), cell.letter());
                write!(page, "<td class=\"{class}\" title=\"{}\">{letter}</td>", Escaped(&title))?;
            }
            writeln!(page, "</tr>")?;
        }
        writeln!(page, "</table>")?;
        for cell in Cell::ALL {
            writeln!(page, "<p><code>{}</code> {}</p>", cell.letter(), cell.words())?;
        }
        if self.pods.is_empty() {
            writeln!(page, "<p>{NO_PODS}</p>")?;
        }
        if self.left_out > 0 {
            writeln!(page, "<p>{} more pods are left out.</p>", self.left_out)?;
        }
        writeln!(page, "</body></html>")
    }
}

fn class(cell: Cell) -> &'static str {
    match cell {
        Cell::Passes => "passes",
        Cell::DeniedByEgress | Cell::DeniedByIngress | Cell::DeniedByBoth => "denied",
        Cell::Audited => "audited",
        Cell::Differs | Cell::Unconnected => "other",
    }
}
