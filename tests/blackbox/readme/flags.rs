//! The reference pages of commands: every flag and argument that `--help` shows stands in a table with its value and
//! default, and no table has others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use portolan_tests::server::binary;

use super::markdown::{Table, tables};
use super::options::codes;
use super::page;

/// Where the flags of each command stand: a page of docs/ and the heading above their table.
const REFERENCE: [(&str, &str, &str); 20] = [
    ("check", "check", "Checking a Corefile"),
    ("completions", "install", "The program"),
    ("dns", "operations", "In CoreDNS's place"),
    ("explain dns", "explain", "Explaining an answer"),
    ("explain flow", "netpol", "Questions"),
    ("explain ip", "ipam", "Commands"),
    ("explain matrix", "netpol", "Questions"),
    ("explain node", "node-blocks", "Flags of the other two"),
    ("explain policies", "netpol", "Questions"),
    ("ipam gc", "ipam", "Commands"),
    ("ipam list", "ipam", "Commands"),
    ("ipam plan", "node-blocks", "Flags of the other two"),
    ("ipam verify", "ipam", "Commands"),
    ("ipam-controller", "ipam-controller", "The IPAM controller"),
    ("man-pages", "install", "The program"),
    ("netpol", "netpol", "Flags"),
    ("node-blocks", "node-blocks", "On the node"),
    ("resolv-conf", "dns-policy", "Where the Pod and the node come from"),
    ("status", "status", "Flags"),
    ("version", "install", "The program"),
];

/// A flag or an argument, as `--help` shows it.
#[derive(Debug, Default)]
struct Flag {
    /// `p` and `dns.port`, without dashes; of an argument its name.
    names: Vec<String>,
    /// The name of its value; none of a switch or an argument.
    value: Option<String>,
    /// What its value may be, if that is a choice.
    choices: Vec<String>,
    default: Option<String>,
}

/// Returns what a command says of itself.
fn help(command: &str) -> String {
    let output =
        Command::new(binary()).args(command.split_whitespace()).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the lines of a part of a help, such as `Options:`.
fn part<'h>(help: &'h str, title: &str) -> Vec<&'h str> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).collect()
}

/// Returns every command that does something by itself, with its help.
fn commands(above: &str, found: &mut BTreeMap<String, String>) {
    let help = help(above);
    let below: Vec<String> = part(&help, "Commands:")
        .into_iter()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .map(|line| format!("{above} {}", line.split(' ').next().unwrap()).trim().to_owned())
        .collect();
    if below.is_empty() {
        found.insert(above.to_owned(), help);
    }
    below.iter().for_each(|command| commands(command, found));
}

/// Returns what is between two texts for the first time.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// Reads the flags and arguments of a help.
fn flags(help: &str) -> Vec<Flag> {
    let mut texts: Vec<String> = Vec::new();
    for title in ["Arguments:", "Options:"] {
        for line in part(help, title) {
            let indent = line.len() - line.trim_start().len();
            let text = line.trim();
            let is_first = indent <= 6 && (text.starts_with(['-', '<', '[']));
            match texts.last_mut().filter(|_| !is_first) {
                Some(last) => *last = format!("{last}\n{text}"),
                None => texts.push(text.to_owned()),
            }
        }
    }
    let read = |text: String| {
        let head = text.lines().next().unwrap_or_default();
        let head = head.split("  ").next().unwrap_or_default().to_owned();
        let default = between(&text.replace('\n', " "), "[default: ", "]").map(str::to_owned);
        let listed =
            between(&text.replace('\n', " "), "[possible values: ", "]").map(str::to_owned);
        let mut choices: Vec<String> =
            listed.iter().flat_map(|list| list.split(", ")).map(str::to_owned).collect();
        let explained = text.lines().skip_while(|line| *line != "Possible values:").skip(1);
        let explained = explained.filter_map(|line| line.strip_prefix("- "));
        choices.extend(explained.map(|line| line.split(':').next().unwrap().to_owned()));
        if !head.starts_with('-') {
            let name = head.trim_matches(['<', '>', '[', ']', '.']).to_owned();
            return Flag { names: vec![name], value: None, choices, default };
        }
        let value = head.split_once('<').map(|(_, value)| value.trim_end_matches('>').to_owned());
        let words = head.split(['<', ',', ' ']).filter(|word| word.starts_with('-'));
        let names = words.map(|word| word.trim_start_matches('-').to_owned()).collect();
        Flag { names, value, choices, default }
    };
    let all = texts.into_iter().map(read);
    all.filter(|flag| flag.names.last().is_some_and(|name| name != "help")).collect()
}

/// Returns the tables of flags below a heading of a page.
fn tables_of(name: &str, heading: &str) -> Vec<Table> {
    let mut found = tables(&page(&format!("docs/{name}.md")));
    found.retain(|table| {
        table.heading == heading && ["flag", "argument"].contains(&table.columns[0].as_str())
    });
    assert!(!found.is_empty(), "docs/{name}.md: no table of flags below {heading:?}");
    found
}

/// Returns the name and the value of what a table has between backticks: `--dns.port PORT`.
fn written(code: &str) -> (&str, &str) {
    let (name, value) = code.split_once(' ').unwrap_or((code, ""));
    (name.trim_start_matches('-'), value)
}

/// Says what is wrong with the row of a flag.
fn wrong(flag: &Flag, tables: &[Table]) -> Option<String> {
    let name = flag.names.last().unwrap();
    let rows = || tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)));
    let is_named = |code: &&str| flag.names.iter().any(|name| written(code).0 == name);
    let row = rows().find(|(_, row)| codes(&row[0]).iter().any(is_named));
    let Some((table, row)) = row else { return Some(format!("{name} has no row")) };
    let codes = codes(&row[0]);
    let value = codes.iter().find(|code| is_named(code)).map_or("", |code| written(code).1);
    let expected = flag.value.clone().unwrap_or_default();
    if value != expected && value != flag.choices.join("|") {
        return Some(format!("{name}: the value is {value:?}, and should be {expected}"));
    }
    let has_default = table.columns.get(1).is_some_and(|column| column == "default");
    let default = flag.default.as_deref().filter(|_| has_default)?;
    (!row[1].contains(default)).then(|| format!("{name}: the default is {default}"))
}

#[test]
fn every_flag_of_every_command_is_on_its_page() {
    let mut found = BTreeMap::new();
    commands("", &mut found);
    let known: BTreeSet<&str> = REFERENCE.iter().map(|(command, ..)| *command).collect();
    let there: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(there, known, "the commands, and those with a reference");
    let mut mistakes = Vec::new();
    let mut flags_at: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for (command, name, heading) in REFERENCE {
        let flags = flags(&found[command]);
        let tables = tables_of(name, heading);
        let of_command = flags.iter().filter_map(|flag| wrong(flag, &tables));
        mistakes.extend(of_command.map(|text| format!("docs/{name}.md: {command}: {text}")));
        let names = flags.iter().flat_map(|flag| flag.names.iter().cloned());
        flags_at.entry((name, heading)).or_default().extend(names);
    }
    for ((name, heading), flags) in flags_at {
        for table in tables_of(name, heading) {
            let names = written_in(&table);
            let unknown = names.iter().filter(|it| !flags.contains(**it));
            mistakes.extend(unknown.map(|it| format!("docs/{name}.md: nothing takes {it}")));
        }
    }
    assert!(mistakes.is_empty(), "correct these:\n{}", mistakes.join("\n"));
}

/// Returns the names of the flags and arguments of a table.
fn written_in(table: &Table) -> Vec<&str> {
    let codes = table.rows.iter().flat_map(|row| codes(&row[0]));
    codes.map(|code| written(code).0).collect()
}

/// What a person sees first says what each command is for, in one line.
#[test]
fn the_list_of_commands_is_one_line_for_each() {
    for above in ["", "ipam", "explain"] {
        let help = help(above);
        let lines = part(&help, "Commands:");
        let wrapped: Vec<&&str> = lines.iter().filter(|line| line.starts_with("    ")).collect();
        assert!(wrapped.is_empty() && lines.len() > 3, "{above}: {help}");
    }
    for (command, ..) in REFERENCE {
        let long: Vec<String> = help(command)
            .lines()
            .filter(|line| line.chars().count() > 100 && !line.starts_with("Usage: "))
            .map(str::to_owned)
            .collect();
        assert_eq!(long, [""; 0], "{command}");
    }
}
