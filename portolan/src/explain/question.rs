//! A question as a person writes it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, anyhow, bail};
use dns::{Protocol, Query};
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};

/// A name and a type.
#[derive(Debug)]
pub(crate) struct Question {
    /// The name, fully qualified.
    pub name: Name,
    /// The type.
    pub qtype: RecordType,
}

impl Question {
    /// Reads a name, taken as fully qualified, and a type. An address stands for its reverse name, and is
    /// asked for as PTR.
    ///
    /// # Errors
    /// One of them is no name or no type.
    pub(crate) fn parse(name: &str, qtype: &str) -> Result<Self> {
        if name.is_empty() {
            bail!(
                "no name: write for example `portolan explain dns kubernetes.default.svc.cluster.local`"
            );
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(Self { name: Name::from(ip), qtype: RecordType::PTR });
        }
        let mut parsed = Name::from_ascii(name)
            .map_err(|error| anyhow!("{name:?} is no domain name: {error}"))?;
        parsed.set_fqdn(true);
        let qtype = qtype.to_uppercase().parse().map_err(|_| {
            anyhow!("{qtype:?} is no record type; write for example A, AAAA, SRV, PTR or TXT")
        })?;
        Ok(Self { name: parsed, qtype })
    }

    /// Returns the query of a client on this host.
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
            client: localhost,
            local: localhost,
            protocol: Protocol::Udp,
            size: 0,
        }
    }
}
