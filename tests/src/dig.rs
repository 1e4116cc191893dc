//! The real `dig` of bind9-dnsutils, and what it prints as data.

use std::net::SocketAddr;
use std::process::Command;

use crate::namespace::run;

/// A reply as `dig` shows it. Records are lines with single spaces: `owner ttl class type data`.
#[derive(Clone, Debug, Default)]
pub struct Dug {
    /// The response code.
    pub status: String,
    /// The message id.
    pub id: String,
    /// The flags, such as `qr`, `aa`, `tc`.
    pub flags: Vec<String>,
    /// The question section, without the semicolon.
    pub question: Vec<String>,
    /// The answer section.
    pub answer: Vec<String>,
    /// The authority section.
    pub authority: Vec<String>,
    /// The additional section, without OPT.
    pub additional: Vec<String>,
    /// The size of the message in octets.
    pub size: usize,
    /// `UDP` or `TCP`.
    pub protocol: String,
    /// Everything that was printed.
    pub text: String,
}

/// Asks a server once; `words` are the name, the type and options, as one would type them.
///
/// # Panics
/// `dig` is missing, fails, or shows no reply.
pub fn dig(server: SocketAddr, words: &str) -> Dug {
    let mut replies = dig_all(server, words);
    assert_eq!(replies.len(), 1, "dig {words}: {replies:#?}");
    replies.remove(0)
}

/// Asks a server and returns every reply: with several names, or `+search`, there are several.
///
/// # Panics
/// `dig` is missing, fails, or shows no reply.
pub fn dig_all(server: SocketAddr, words: &str) -> Vec<Dug> {
    let (ip, port) = (format!("@{}", server.ip()), server.port().to_string());
    // One attempt: a lost reply is a failed test.
    let mut arguments = vec![ip.as_str(), "-p", &port, "+tries=1", "+time=10"];
    arguments.extend(words.split_whitespace());
    replies(&run("dig", &arguments))
}

/// Asks whatever `/etc/resolv.conf` names.
///
/// # Panics
/// `dig` is missing, fails, or shows no reply.
pub fn dig_like_a_pod(words: &str) -> Vec<Dug> {
    let mut arguments = vec!["+tries=1", "+time=10"];
    arguments.extend(words.split_whitespace());
    replies(&run("dig", &arguments))
}

/// Asks a server that is not expected to reply, and returns what `dig` says.
///
/// # Panics
/// `dig` is missing.
pub fn dig_in_vain(server: SocketAddr, words: &str) -> String {
    let (ip, port) = (format!("@{}", server.ip()), server.port().to_string());
    let output = Command::new("dig")
        .args([ip.as_str(), "-p", &port, "+tries=1", "+time=1"])
        .args(words.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("dig cannot be run (`make test` installs it): {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn replies(text: &str) -> Vec<Dug> {
    let mut replies = Vec::new();
    let mut section = None;
    for line in text.lines() {
        if let Some(header) = line.strip_prefix(";; ->>HEADER<<- ") {
            let field = |name: &str| {
                let rest = header.split_once(name).map(|(_, rest)| rest).unwrap_or_default();
                rest.split(',').next().unwrap_or_default().trim().to_owned()
            };
            let (status, id) = (field("status:"), field("id:"));
            replies.push(Dug { status, id, text: text.to_owned(), ..Dug::default() });
        }
        let Some(reply) = replies.last_mut() else { continue };
        section = match line {
            "" => None,
            _ if line.starts_with(";; ") && line.ends_with(" SECTION:") => Some(line),
            _ => section,
        };
        read_line(reply, section, line);
    }
    replies
}

fn read_line(reply: &mut Dug, section: Option<&str>, line: &str) {
    if let Some(rest) = line.strip_prefix(";; flags: ") {
        let flags = rest.split(';').next().unwrap_or_default();
        reply.flags = flags.split(' ').map(str::to_owned).collect();
    } else if let Some(size) = line.strip_prefix(";; MSG SIZE  rcvd: ") {
        reply.size = size.parse().unwrap();
    } else if line.starts_with(";; SERVER: ") {
        let protocol = line.rsplit('(').next().unwrap_or_default();
        reply.protocol = protocol.trim_end_matches(')').to_owned();
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let record = words.join(" ");
    match section {
        Some(";; QUESTION SECTION:") if !line.starts_with(";;") => {
            reply.question.push(record.trim_start_matches(';').to_owned());
        }
        _ if line.starts_with(';') => {}
        Some(";; ANSWER SECTION:") => reply.answer.push(record),
        Some(";; AUTHORITY SECTION:") => reply.authority.push(record),
        Some(";; ADDITIONAL SECTION:") => reply.additional.push(record),
        _ => {}
    }
}

impl Dug {
    /// Says whether a flag is set.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }

    /// Returns the answers, sorted: the server may order addresses as it likes.
    pub fn sorted_answer(&self) -> Vec<&str> {
        let mut answer: Vec<&str> = self.answer.iter().map(String::as_str).collect();
        answer.sort_unstable();
        answer
    }

    /// Returns the data of the answers, the last word of each line, sorted.
    pub fn answer_data(&self) -> Vec<&str> {
        let last = |line: &str| line.rfind(' ').map_or(0, |at| at + 1);
        let mut data: Vec<&str> = self.answer.iter().map(|line| &line[last(line)..]).collect();
        data.sort_unstable();
        data
    }
}
