//! docs/plugins.md: the tables of options. They have what the code has, and each option names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dns::config::{PLUGINS, Support};
use portolan_tests::server::{binary, write};

use super::markdown::{Table, tables};
use super::{page, root};

/// The lines of a Corefile that each word gets.
const LINES_OF_A_BLOCK: usize = 7;

/// The property that no plugin has.
const UNKNOWN: &str = "no-such-property";

/// A plugin, in one of the ways in which its directive is written. Each has a table of its own, in this order.
#[derive(Clone, Copy, Debug)]
struct Form {
    plugin: &'static str,
    /// What is inside the block beside the property; makes the form.
    inside: &'static str,
}

fn available() -> Vec<Form> {
    let plugins = PLUGINS.iter().filter(|(_, support)| *support == Support::Available);
    let forms = plugins.flat_map(|(plugin, _)| {
        let first = Form { plugin, inside: "" };
        let acme = (*plugin == "tls").then_some(Form { plugin, inside: "acme a.example" });
        std::iter::once(first).chain(acme)
    });
    forms.collect()
}

/// Returns the table of options of each available plugin, which has one for each form.
fn option_tables() -> Vec<(Form, Table)> {
    let mut tables = tables(&page("docs/plugins.md"));
    tables.retain(|table| table.columns[0] == "option");
    let mut found = Vec::new();
    for form in available() {
        let at = tables.iter().position(|table| table.heading == form.plugin);
        let at =
            at.unwrap_or_else(|| panic!("docs/plugins.md has no table of options of {form:?}"));
        found.push((form, tables.remove(at)));
    }
    let more: Vec<&str> = tables.iter().map(|table| table.heading.as_str()).collect();
    assert_eq!(more, [""; 0], "tables of options of no plugin");
    found
}

/// Returns the words between backticks.
pub(super) fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_option_names_tests_that_exist() {
    let mut wrong = Vec::new();
    for (form, table) in option_tables() {
        let plugin = form.plugin;
        assert_eq!(table.columns, ["option", "default", "meaning", "test"], "{plugin}");
        for row in &table.rows {
            let option = &row[0];
            assert_eq!(row.len(), 4, "{plugin}: {option}");
            let tests = codes(&row[3]);
            if tests.is_empty() {
                wrong.push(format!("{plugin}: {option} names no test"));
            }
            let file = file_of_transport(form);
            if file.is_some_and(|file| !tests.iter().any(|test| test.starts_with(file))) {
                wrong.push(format!("{plugin}: {option} names no test of {file:?}"));
            }
            let missing = tests.into_iter().filter(|test| !is_test(test));
            wrong
                .extend(missing.map(|test| format!("{plugin}: {option}: there is no test {test}")));
        }
    }
    assert!(wrong.is_empty(), "docs/plugins.md: correct these rows:\n{}", wrong.join("\n"));
}

/// Returns where the tests of a plugin that is a transport stand, which ask the real server over it.
fn file_of_transport(form: Form) -> Option<&'static str> {
    match form.plugin {
        "https" => Some("blackbox/https::"),
        "https3" => Some("blackbox/https3::"),
        "quic" => Some("blackbox/quic::"),
        "tls" if form.inside.is_empty() => Some("blackbox/tls::"),
        _ => None,
    }
}

/// Says whether a path such as `cache::tests::ttls_have_bounds` is that of a test that runs: the file of a black-box test has
/// to be named in `tests/Cargo.toml`, or nothing builds it.
pub(super) fn is_test(path: &str) -> bool {
    let Some((module, function)) = path.rsplit_once("::") else { return false };
    let (directory, module) = match module.split_once("::") {
        _ if module.starts_with("blackbox/") => ("tests", module),
        Some(("crate", rest)) => ("dns/src", rest),
        Some(("cluster_source", rest)) => ("cluster-source/src", rest),
        Some(("portolan", rest)) => ("portolan/src", rest),
        _ => ("dns/src/plugin", module),
    };
    let Some((file, inline)) = file_of(&root().join(directory), module) else { return false };
    if directory == "tests" && !is_registered(&file) {
        return false;
    }
    let source = fs::read_to_string(&file).unwrap();
    // A module inside the file stands at its end, as `mod tests { … }`.
    let start = inline.map_or(Some(0), |name| source.find(&format!("\nmod {name} {{")));
    start.is_some_and(|start| has_test(&source[start..], function))
}

fn is_registered(file: &Path) -> bool {
    let stands = |file: &Path| {
        let file = file.strip_prefix(root().join("tests")).unwrap().display();
        page("tests/Cargo.toml").lines().any(|line| line == format!("path = \"{file}\""))
    };
    let main = file.with_file_name("main.rs");
    let is_part = || {
        let name = file.file_stem().unwrap().display();
        let source = fs::read_to_string(&main).unwrap_or_default();
        stands(&main) && source.lines().any(|line| line == format!("mod {name};"))
    };
    stands(file) || is_part()
}

/// Returns the file of a module, or the one of its parent and the module's name.
fn file_of<'m>(directory: &Path, module: &'m str) -> Option<(PathBuf, Option<&'m str>)> {
    let file = |module: &str| {
        let path = directory.join(module.replace("::", "/")).with_extension("rs");
        path.is_file().then_some(path)
    };
    if let Some(file) = file(module) {
        return Some((file, None));
    }
    let (parent, name) = module.rsplit_once("::")?;
    Some((file(parent)?, Some(name)))
}

#[test]
fn a_test_that_nothing_builds_is_none() {
    assert!(is_test("blackbox/quic::a_client_asks_over_quic"));
    assert!(!is_test("blackbox/quic::no_such_test"));
    assert!(is_test("blackbox/readme/options::a_test_that_nothing_builds_is_none"));
    assert!(!is_registered(&root().join("tests/src/lib.rs")));
}

fn has_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts = [format!("fn {function}("), format!("async fn {function}(")];
    lines.iter().enumerate().any(|(at, line)| {
        let mut attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        starts.iter().any(|start| line.starts_with(start))
            && attributes.any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

/// Returns what has to stand behind the name of a plugin so that its block is read.
fn arguments(form: Form, directory: &Path) -> String {
    match form.plugin {
        "autopath" => directory.join("resolv.conf").display().to_string(),
        "bind" => "127.0.0.1".to_owned(),
        "dnstap" => "tcp://127.0.0.1:1".to_owned(),
        "file" => "db".to_owned(),
        "forward" => ". 127.0.0.1:1".to_owned(),
        "loadbalance" => "weighted weights".to_owned(),
        "root" => "/".to_owned(),
        "template" => "IN A".to_owned(),
        "tls" if form.inside.is_empty() => "cert.pem key.pem".to_owned(),
        "view" => "v".to_owned(),
        _ => String::new(),
    }
}

/// Returns what the real server says to each of these words as a property of a plugin; nothing if it is taken.
/// The first word is one that is refused, so that the server does not start.
fn answers(form: Form, words: &[&str]) -> Vec<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("resolv.conf"), "search example.org\n");
    let (arguments, Form { plugin, inside }) = (arguments(form, directory.path()), form);
    // One plugin needs another.
    let beside = if plugin == "k8s_external" { "kubernetes" } else { "" };
    let blocks = words.iter().enumerate().map(|(at, word)| {
        format!(
            "w{at}.example:0 {{\n{beside}\n{plugin} {arguments} {{\n{inside}\n{word} x\n}}\n}}\n"
        )
    });
    let corefile = directory.path().join("Corefile");
    write(&corefile, &blocks.collect::<String>());
    let mut command = Command::new(binary());
    let output = command.args(["dns", "--admin", "off", "-conf"]).arg(&corefile).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut said = vec![Vec::new(); words.len()];
    let place = format!("portolan: {}:", corefile.display());
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let rest = line.strip_prefix(&place).unwrap_or_else(|| panic!("no place in {line:?}"));
        let (number, text) = rest.split_once(" - Error during parsing: ").unwrap();
        let at = (number.parse::<usize>().unwrap() - 1) / LINES_OF_A_BLOCK;
        said[at].push(text.to_owned());
    }
    said
}

/// Returns the options that a refusal lists: `unknown property 'x'; there is a, b and c; …`. None when the plugin
/// takes no block.
fn listed(plugin: &str, refusal: &str) -> Option<BTreeSet<String>> {
    if refusal.contains("takes no block") {
        return None;
    }
    let list = refusal.split_once(&format!("'{UNKNOWN}'; there is ")).map(|(_, list)| list);
    let list = list.unwrap_or_else(|| panic!("{plugin} does not list its options: {refusal}"));
    let list = list.split(';').next().unwrap().replace(" and ", ", ");
    Some(list.split(", ").map(|option| option.trim_matches('\'').to_owned()).collect())
}

/// Returns the options of a table: the first words of its rows, without arguments, which are in capitals or
/// brackets.
fn written(table: &Table) -> BTreeSet<String> {
    let words = table.rows.iter().map(|row| codes(&row[0])[0].split(' ').next().unwrap());
    let options = words.filter(|word| word.starts_with(char::is_lowercase));
    options.flat_map(|word| word.split('|')).map(str::to_owned).collect()
}

#[test]
fn the_options_of_the_page_are_those_of_the_code() {
    for (form, table) in option_tables() {
        let (plugin, said) = (form.plugin, answers(form, &[UNKNOWN]));
        let [refusal] = said[0].as_slice() else { panic!("{plugin}: not one mistake: {said:#?}") };
        let mut written = written(&table);
        let known = listed(plugin, refusal).unwrap_or_else(|| {
            // A plugin that has nothing to choose is its own option.
            written.remove(plugin);
            BTreeSet::new()
        });
        assert_eq!(written, known, "the options of {plugin}: docs/plugins.md and the code");
    }
}

/// Adds the words of string literals of a file, or of every file in a directory.
fn literals(path: &Path, words: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            literals(&entry.unwrap().path(), words);
        }
        return;
    }
    let Ok(source) = fs::read_to_string(path) else { return };
    let is_word = |text: &&str| {
        text.len() > 1
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    };
    let literals = source.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    words.extend(literals.filter(is_word).map(str::to_owned));
}

/// An option that an error forgets to list is found nevertheless: every word in the sources of a plugin is tried.
#[test]
fn no_plugin_takes_a_word_that_the_page_does_not_have() {
    let text = page("docs/plugins.md");
    let mut wrong = Vec::new();
    for form in available() {
        let plugin = form.plugin;
        let refused = answers(form, &[UNKNOWN]).remove(0).remove(0);
        if listed(plugin, &refused).is_none() {
            continue;
        }
        let mut words = BTreeSet::new();
        for path in [format!("dns/src/plugin/{plugin}.rs"), format!("dns/src/plugin/{plugin}")] {
            literals(&root().join(path), &mut words);
        }
        let words: Vec<&str> =
            std::iter::once(UNKNOWN).chain(words.iter().map(String::as_str)).collect();
        let (_, section) = text.split_once(&format!("\n### {plugin}\n")).unwrap();
        let section = section.split("\n##").next().unwrap();
        let on_page: BTreeSet<&str> = codes(section)
            .into_iter()
            .flat_map(|code| {
                code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            })
            .collect();
        for (word, said) in words.iter().zip(answers(form, &words)) {
            // Words of old Corefiles are refused with what to do instead.
            let refusals = [&format!("'{word}'; there is "), "was removed", "take the line out"];
            let is_refused =
                said.iter().any(|text| refusals.iter().any(|part| text.contains(*part)));
            if !is_refused && !on_page.contains(word) {
                wrong.push(format!("{plugin} takes {word}: {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/plugins.md does not have these options:\n{}", wrong.join("\n"));
}
