//! As much of Markdown as the documentation uses.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The word after the fence.
    pub(crate) language: String,
    /// What is between the fences.
    pub(crate) text: String,
    /// It stands right after another block.
    pub(crate) follows: bool,
}

/// A table below a heading.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) heading: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Returns the fenced blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    let mut follows = false;
    for line in page.lines() {
        match (open.take(), line.strip_prefix("```")) {
            (Some(block), Some(_)) => {
                blocks.push(block);
                follows = true;
            }
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, Some(language)) => {
                open = Some(Block { language: language.to_owned(), text: String::new(), follows });
            }
            (None, None) => follows = follows && line.is_empty(),
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// Returns the tables of a page.
pub(crate) fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut heading, mut in_table) = ("", false);
    for line in page.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            in_table = false;
            heading = line.strip_prefix('#').map_or(heading, |line| line.trim_matches(['#', ' ']));
            continue;
        };
        // A bar inside a cell is written `\|`.
        let cells = cells.replace("\\|", "\u{0}");
        let cells = cells.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        match tables.last_mut().filter(|_| in_table) {
            None => {
                tables.push(Table {
                    heading: heading.to_owned(),
                    columns: cells,
                    rows: Vec::new(),
                });
            }
            Some(table) if !line.starts_with("|--") => table.rows.push(cells),
            Some(_) => {}
        }
        in_table = true;
    }
    tables
}

/// Returns what a cell has between its first two backticks.
pub(crate) fn code(cell: &str) -> String {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no `code` in {cell:?}")).to_owned()
}
