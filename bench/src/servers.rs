//! The servers that are compared, as `servers.conf` lists them.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};

use crate::goals::PORTOLAN;

/// The server that the others are compared with.
pub(crate) const REFLECTOR: &str = "reflector";

/// The placeholder of a command that reads Corefiles.
const COREFILE: &str = "{corefile}";

/// A server of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// The command line with placeholders.
    command: Vec<String>,
}

/// What placeholders stand for in one run, beside `{port}`: their names without braces, and the values.
pub(crate) type Places = [(&'static str, String)];

/// Reads the list: a name, a port and a command on each line; `#` begins a comment.
///
/// # Errors
/// A line lacks one of the three, or two servers have a name or a port; the error names the line.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Listed>> {
    let (mut names, mut ports, mut servers) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let place = || format!("line {}: {line}", i + 1);
        let server = listed(line).with_context(place)?;
        ensure!(names.insert(server.name.clone()), "{}: another server has this name", place());
        ensure!(ports.insert(server.port), "{}: another server has this port", place());
        servers.push(server);
    }
    Ok(servers)
}

fn listed(line: &str) -> anyhow::Result<Listed> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(name), Some(port)) = (words.next(), words.next()) else {
        bail!("a server needs a name, a port and a command");
    };
    let port = port.parse().with_context(|| format!("'{port}' is no port"))?;
    let command: Vec<_> = words.collect();
    ensure!(!command.is_empty(), "a server needs a command after its port");
    Ok(Listed { name, port, command })
}

impl Listed {
    /// Returns the command line of a run.
    pub(crate) fn command(&self, places: &Places) -> Vec<String> {
        self.command.iter().map(|word| fill_in(word, self.port, places)).collect()
    }

    /// Whether it gets its cluster from the API server.
    pub(crate) fn reads_corefiles(&self) -> bool {
        self.command.iter().any(|word| word.contains(COREFILE))
    }

    /// Whether it answers without knowing anything.
    pub(crate) fn is_reflector(&self) -> bool {
        self.name == REFLECTOR
    }

    /// Whether it is there to be compared with.
    pub(crate) fn is_peer(&self) -> bool {
        !self.is_reflector() && self.name != PORTOLAN
    }
}

/// Fills in the placeholders of a command or of a configuration file.
pub(crate) fn fill_in(text: &str, port: u16, places: &Places) -> String {
    let text = text.replace("{port}", &port.to_string());
    places.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_line_is_a_server() {
        let list = parse("# servers\n\nknot 5303 knotd -c {run}/knot.conf -p {port}\n").unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].name.as_str(), list[0].port), ("knot", 5303));
        let command = list[0].command(&[("run", "/r".into())]);
        assert_eq!(command, ["knotd", "-c", "/r/knot.conf", "-p", "5303"]);
        assert!(!list[0].reads_corefiles());
        assert!(parse("coredns 1 coredns -conf {corefile}").unwrap()[0].reads_corefiles());
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, what) in [
            ("a 1 b\nknot", "line 2: knot"),
            ("knot x knotd", "line 1: knot x knotd: 'x' is no port"),
            ("knot 53", "a server needs a command after its port"),
            ("a 1 b\na 2 b", "line 2: a 2 b: another server has this name"),
            ("a 1 b\nc 1 b", "line 2: c 1 b: another server has this port"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn the_list_of_the_project_is_good() {
        let list = parse(include_str!("../servers.conf")).unwrap();
        assert!(list.iter().any(super::Listed::is_reflector));
        assert!(list.iter().any(|s| s.name == "portolan" && s.reads_corefiles()));
    }
}
