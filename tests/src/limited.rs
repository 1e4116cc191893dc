//! A server of DNS over QUIC or HTTP/3 with limits, and questions that stay under way.

use std::thread::JoinHandle;

use hickory_proto::op::Message;

use crate::certificates::Certificates;
use crate::client::query;
use crate::puppet::{GOOD, Puppet};
use crate::quic_client::{self, Version};
use crate::server::Server;
use crate::stage::{metric, until};

/// A reply, or why there is none.
type Asked = Result<Message, String>;

/// A server that answers names below `example.` itself, and asks an upstream for others.
pub struct Limited {
    /// The server.
    pub server: Server,
    certificates: Certificates,
    upstream: Puppet,
    version: Version,
}

/// A question that waits for the upstream, on a connection of its own.
pub struct Held {
    name: String,
    asking: JoinHandle<Asked>,
}

impl Limited {
    /// Serves with these lines in the server block.
    ///
    /// # Panics
    /// The server does not start.
    pub fn serve(version: Version, lines: &str) -> Self {
        let (certificates, upstream) = (Certificates::new(), Puppet::silent());
        let scheme = match version {
            Version::Quic => "quic",
            Version::Http3 => "https3",
        };
        let server = Server::start(&format!(
            "{scheme}://.:0 {{\n{}\n{lines}\ntemplate ANY A example. {{\nanswer \"{{{{ .Name }}}} 60 IN A 192.0.2.1\"\n}}\n\
             forward . {} {{\nprefer_udp\n}}\n}}\n",
            certificates.line(),
            upstream.address
        ));
        Self { server, certificates, upstream, version }
    }

    /// Asks on a connection of its own.
    ///
    /// # Errors
    /// There is no reply; says why.
    pub fn ask(&self, name: &str) -> Asked {
        let authority = self.certificates.path("ca.pem");
        let question = query(0, name, "A", 1232);
        quic_client::ask(self.server.address(), &authority, "dns.test", self.version, question)
    }

    /// Asks for a name of the upstream, and returns when the question has come there.
    ///
    /// # Panics
    /// It does not come.
    pub fn hold(&self, name: &str) -> Held {
        let (address, version) = (self.server.address(), self.version);
        let (authority, question) = (self.certificates.path("ca.pem"), query(0, name, "A", 1232));
        let asking = std::thread::spawn(move || {
            quic_client::ask(address, &authority, "dns.test", version, question)
        });
        self.upstream.wait_for(name);
        Held { name: name.to_owned(), asking }
    }

    /// Lets the upstream answer, and returns what the client gets.
    ///
    /// # Errors
    /// There is no reply; says why.
    ///
    /// # Panics
    /// The client panicked.
    pub fn release(&self, held: Held) -> Asked {
        let asked = self.upstream.wait_for(&held.name);
        asked.send(&asked.answer(GOOD));
        held.asking.join().unwrap()
    }

    /// Asserts that a server with places for two connections refuses a third until one of them is free.
    ///
    /// # Panics
    /// It does not.
    pub fn assert_one_too_many_is_refused(&mut self) {
        let held = ["one.test.", "two.test."].map(|name| self.hold(name));
        let refused = self.ask("a.example.");
        assert!(refused.is_err(), "{refused:?}");
        let counted = metric(&mut self.server, "portolan_dns_refused_total", "quic_connections");
        assert!((counted - 1.0).abs() < 0.1, "{counted}");
        for held in held {
            let reply = self.release(held).unwrap();
            let data: Vec<String> =
                reply.answers.iter().map(|record| record.data.to_string()).collect();
            assert_eq!(data, ["192.0.2.80"]);
        }
        until("a place", || self.ask("a.example.").is_ok(), |answered| *answered);
    }

    /// Returns how many streams a connection may have open.
    ///
    /// # Panics
    /// The server cannot be reached.
    pub fn streams(&self) -> usize {
        let authority = self.certificates.path("ca.pem");
        quic_client::streams_of(self.server.address(), &authority, "dns.test", self.version)
    }
}
