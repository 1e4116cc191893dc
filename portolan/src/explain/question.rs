//! A question as a person writes it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, anyhow, bail};
use dns::{Protocol, Query};
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};

use super::name;

/// A name, a type, and who asks.
#[derive(Debug)]
pub(crate) struct Question {
    /// The name, fully qualified.
    pub name: Name,
    /// The type.
    pub qtype: RecordType,
    /// The client's address, for `view`, `acl` and `autopath`.
    pub client: IpAddr,
}

impl Question {
    /// Reads a name, taken as fully qualified, and a type. An address stands for its reverse name, and is
    /// asked for as PTR. A client on this host asks.
    ///
    /// # Errors
    /// One of them is no name or no type.
    pub(crate) fn parse(name: &str, qtype: &str) -> Result<Self> {
        if name.is_empty() {
            bail!(
                "no name: write for example `portolan explain dns kubernetes.default.svc.cluster.local`"
            );
        }
        let client = Ipv4Addr::LOCALHOST.into();
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(Self { name: Name::from(ip), qtype: RecordType::PTR, client });
        }
        Ok(Self { name: name::parse(name)?, qtype: parse_type(qtype)?, client })
    }

    /// Returns the same question as a client with this address asks it.
    pub(crate) fn asked_by(self, client: IpAddr) -> Self {
        Self { client, ..self }
    }

    /// Returns the name as [`Question::parse`] reads it.
    pub(crate) fn name(&self) -> String {
        name::write(&self.name)
    }

    /// Returns the type as [`Question::parse`] reads it: its mnemonic or `TYPEnn` (RFC 3597 §5).
    pub(crate) fn qtype(&self) -> String {
        let mnemonic: &str = self.qtype.into();
        match mnemonic.parse() {
            Ok(RecordType::Unknown(_)) | Err(_) => format!("TYPE{}", u16::from(self.qtype)),
            Ok(_) => mnemonic.to_owned(),
        }
    }

    /// Returns the query of the client.
    pub(crate) fn query(&self) -> Query {
        let localhost = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Query {
            id: 0,
            name: self.name.clone(),
            lower: LowerName::new(&self.name),
            qtype: self.qtype,
            qclass: DNSClass::IN,
            recursion_desired: true,
            checking_disabled: false,
            authentic_data: false,
            edns: None,
            cookie: None,
            client: SocketAddr::new(self.client, 0),
            local: localhost,
            protocol: Protocol::Udp,
            size: 0,
        }
    }
}

/// Reads a mnemonic, `TYPEnn` or a number.
fn parse_type(text: &str) -> Result<RecordType> {
    let upper = text.to_uppercase();
    let number = upper.strip_prefix("TYPE").unwrap_or(&upper);
    if !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit()) {
        let number: u16 = number.parse().map_err(|_| anyhow!("{text:?} is above 65535"))?;
        return Ok(number.into());
    }
    upper.parse().map_err(|_| {
        anyhow!(
            "{text:?} is no record type; write for example A, AAAA, SRV, PTR, TXT or a number, TYPE65"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name_and_number() {
        for (text, shown) in [
            ("A", "A"),
            ("aaaa", "AAAA"),
            ("65", "HTTPS"),
            ("TYPE65", "HTTPS"),
            ("type1", "A"),
            ("TYPE65280", "TYPE65280"),
            ("65280", "TYPE65280"),
            ("0", "TYPE0"),
            ("255", "ANY"),
        ] {
            let question = Question::parse("example.org", text).unwrap();
            assert_eq!(question.qtype(), shown, "{text}");
            let again = Question::parse(&question.name(), &question.qtype()).unwrap();
            assert_eq!((again.name, again.qtype), (question.name, question.qtype), "{text}");
        }
        for (text, part) in [
            ("65536", "above 65535"),
            ("TYPE", "no record type"),
            ("TYPEX", "no record type"),
            ("-1", "no record type"),
        ] {
            let error = Question::parse("example.org", text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
