//! The servers that are compared, as `servers.conf` lists them.

use anyhow::{Context as _, bail};

/// A server of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// The command line with placeholders.
    command: Vec<String>,
}

/// Where things are in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) bin: &'a str,
    pub(crate) run: &'a str,
    /// The port of the upstream that knows the names outside of the cluster.
    pub(crate) upstream: u16,
    /// The kubeconfig of the API server.
    pub(crate) kubeconfig: &'a str,
}

/// Reads the list: a name, a port and a command on each line; `#` begins a comment.
///
/// # Errors
/// A line lacks one of the three; the error names the line.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Listed>> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(i, line)| listed(line).with_context(|| format!("line {}: {line}", i + 1))).collect()
}

fn listed(line: &str) -> anyhow::Result<Listed> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(name), Some(port)) = (words.next(), words.next()) else {
        bail!("a server needs a name, a port and a command");
    };
    let port = port.parse().with_context(|| format!("'{port}' is no port"))?;
    let command: Vec<_> = words.collect();
    if command.is_empty() {
        bail!("a server needs a command after its port");
    }
    Ok(Listed { name, port, command })
}

impl Listed {
    /// Returns the command line of a run.
    pub(crate) fn command(&self, places: Places<'_>) -> Vec<String> {
        self.command.iter().map(|word| fill_in(word, self.port, places)).collect()
    }
}

/// Fills in the placeholders of a command or of a configuration file.
pub(crate) fn fill_in(text: &str, port: u16, places: Places<'_>) -> String {
    let text = text.replace("{port}", &port.to_string());
    let text = text.replace("{bin}", places.bin).replace("{run}", places.run);
    let text = text.replace("{upstream}", &places.upstream.to_string());
    text.replace("{kubeconfig}", places.kubeconfig)
}

#[cfg(test)]
mod tests {
    use super::{Places, parse};

    #[test]
    fn a_line_is_a_server() {
        let list = parse("# servers\n\nknot 5303 knotd -c {run}/knot.conf -p {port}\n").unwrap();
        let places = Places { bin: "/b", run: "/r", upstream: 1, kubeconfig: "/k" };
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].name.as_str(), list[0].port), ("knot", 5303));
        assert_eq!(list[0].command(places), ["knotd", "-c", "/r/knot.conf", "-p", "5303"]);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, what) in [
            ("a 1 b\nknot", "line 2: knot"),
            ("knot x knotd", "line 1: knot x knotd: 'x' is no port"),
            ("knot 53", "a server needs a command after its port"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(what), "{error}");
        }
    }
}
