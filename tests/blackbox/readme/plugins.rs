//! docs/plugins.md: the tables of plugins.

use dns::config::{PLUGINS, Support};
use portolan_tests::namespace::run;
use portolan_tests::server::binary;

use super::markdown::{code, tables};
use super::page;

#[test]
fn the_plugins_page_names_every_plugin() {
    let listed = run(binary().to_str().unwrap(), &["dns", "-plugins"]);
    let mut available: Vec<&str> =
        listed.lines().filter_map(|line| line.trim().strip_prefix("dns.")).collect();
    available.sort_unstable();
    let tables = tables(&page("docs/plugins.md"));
    let names = |heading: &str| -> Vec<String> {
        let table = tables.iter().find(|table| table.heading == heading);
        let table = table.unwrap_or_else(|| panic!("docs/plugins.md has no table {heading:?}"));
        let mut names: Vec<String> = table.rows.iter().map(|row| code(&row[0])).collect();
        names.sort();
        names
    };
    assert_eq!(names("Available"), available);
    let with = |wanted: fn(&Support) -> bool| -> Vec<&str> {
        let plugins = PLUGINS.iter().filter(|(_, support)| wanted(support));
        let mut names: Vec<&str> = plugins.map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names("Not part of Portolan"), with(|s| matches!(s, Support::Unsupported(_))));
}
