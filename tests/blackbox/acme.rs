//! `tls { acme … }`: certificates from an authority that asks the server itself for challenges, asked with `kdig`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hickory_proto::op::Message;
use portolan_tests::acme::{Authority, Roots};
use portolan_tests::client::{UdpClient, http_get};
use portolan_tests::namespace::inside;
use portolan_tests::records;
use portolan_tests::server::{Server, binary, write};
use portolan_tests::stage::until;
use portolan_tests::upstream::Upstream;
use tempfile::TempDir;

const NAME: &str = "dns.example.org";
const CHALLENGE: &str = "_acme-challenge.dns.example.org.";
const AUTHORITY: &str = "127.0.0.1:14000";
const DIRECTORY: &str = "https://ca.test:14000/directory";
const OBTAINED: &str = "certificate obtained by ACME";

/// What one test has around the server, in a namespace where every port is free.
struct World {
    directory: TempDir,
    roots: Roots,
    /// Knows the address of `ca.test`, which nobody else does.
    resolver: SocketAddr,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let zone = directory.path().join("zone");
        write(
            &zone,
            "$ORIGIN .\n$TTL 300\n. IN SOA ns. h. 1 60 60 60 60\nca.test. IN A 127.0.0.1\n",
        );
        let resolver = Upstream::start(&zone).address;
        Self { roots: Roots::new(directory.path()), directory, resolver }
    }

    fn authority(&mut self) -> Authority {
        Authority::start(
            AUTHORITY.parse().unwrap(),
            &mut self.roots,
            "127.0.0.1:53".parse().unwrap(),
        )
    }

    /// The options of `tls` for some domains; `more` are further lines.
    fn tls(&self, domains: &str, more: &str) -> String {
        format!(
            "tls {{
                acme {domains}
                ca {DIRECTORY}
                storage {}
                ca_root {}
                resolver {}
                {more}
            }}",
            self.storage().display(),
            self.roots.web_file.display(),
            self.resolver
        )
    }

    fn corefile(&self, domains: &str, more: &str) -> String {
        format!(
            ".:53 {{
                prometheus 127.0.0.1:0
                errors
                cache
                template ANY ANY {{
                    rcode NXDOMAIN
                    authority \"{{{{ .Zone }}}} 60 IN SOA ns. h. 1 60 60 60 60\"
                }}
            }}
            tls://.:853 {{
                {}
                whoami
            }}
            ",
            self.tls(domains, more)
        )
    }

    fn storage(&self) -> std::path::PathBuf {
        self.directory.path().join("acme")
    }

    /// Asks over TLS for a name by SNI; returns the pin of the certificate when it is trusted and the answer comes.
    fn kdig(&self, name: &str) -> Option<String> {
        self.kdig_at(853, name)
    }

    fn kdig_at(&self, port: u16, name: &str) -> Option<String> {
        let trusted = format!("+tls-ca={}", self.roots.issuer_file.display());
        let named = [format!("+tls-hostname={name}"), format!("+tls-sni={name}")];
        pin(port, &[&trusted, &named[0], &named[1]])
    }
}

/// Asks over TLS; returns the pin of the certificate when kdig takes it and the answer comes.
fn pin(port: u16, options: &[&str]) -> Option<String> {
    let mut command = Command::new("kdig");
    command.args(["-d", "@127.0.0.1", "-p", &port.to_string()]).args(options);
    command.args(["x.example.org", "A", "+tls", "+timeout=10", "+retry=0"]);
    let output = command.output().expect("`make test` installs kdig");
    let all = text(&output.stdout) + &text(&output.stderr);
    let pin = all.lines().find_map(|line| line.split("SHA-256 PIN: ").nth(1));
    pin.map(str::to_owned).filter(|_| all.contains("status: NOERROR"))
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn txt(name: &str) -> Message {
    UdpClient::new("127.0.0.1:53".parse().unwrap()).ask(name, "TXT", 1232)
}

fn metrics(server: &mut Server) -> String {
    http_get(server.endpoint("/metrics"), "/metrics").1
}

/// Returns the value of a metric of the domain.
fn metric(server: &mut Server, name: &str) -> Option<f64> {
    let page = metrics(server);
    let line = page.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Returns the files below a directory, which only their owner may read.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            found.extend(files(&path));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn a_certificate_is_ordered_served_and_kept() {
    inside("a_certificate_is_ordered_served_and_kept", || {
        let mut world = World::new();
        let authority = world.authority();
        authority.hold(true);
        let corefile = world.corefile(NAME, "email hostmaster@example.org");
        let mut server = Server::start(&corefile);
        let shown = until("the challenge", || txt(CHALLENGE), |reply| !reply.answers.is_empty());
        let record = records::line(&shown.answers[0]);
        assert!(shown.metadata.authoritative, "{record}");
        assert!(record.starts_with(&format!("{CHALLENGE} 0 TXT ")), "{record}");
        // Other types and other names go their way; so do handshakes, which fail.
        let address = UdpClient::new("127.0.0.1:53".parse().unwrap()).ask(CHALLENGE, "A", 0);
        assert_eq!(records::rcode(&address), "NXDOMAIN");
        assert_eq!(world.kdig(NAME), None, "there is no certificate yet");
        let explained = explain(&mut server, CHALLENGE);
        assert!(
            explained.contains("answers the challenge of an ACME order that is under way"),
            "{explained}"
        );

        authority.hold(false);
        server.wait_for_line(OBTAINED);
        let shown = world.kdig(NAME);
        assert!(shown.is_some(), "{}", server.log());
        assert_eq!(records::rcode(&txt(CHALLENGE)), "NXDOMAIN", "the challenge is gone");
        assert_eq!(world.kdig("other.example"), None, "a name that is not configured");
        assert_eq!(authority.contacts(), ["[\"mailto:hostmaster@example.org\"]"]);
        let end = metric(&mut server, "portolan_certificate_expiry_timestamp_seconds").unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let left = end - now.as_secs_f64();
        assert!((80_000.0..90_000.0).contains(&left), "{left}");
        assert_eq!(metric(&mut server, "portolan_acme_certificates_total"), Some(1.0));
        let pair =
            [format!("{NAME}.crt"), format!("{NAME}.key"), "portolan-account.json".to_owned()];
        assert_eq!(files(&world.storage()), pair);

        // Another process serves what is stored and orders nothing, even when the authority is not there.
        drop(server);
        let mut again = Server::start(&corefile);
        assert_eq!(world.kdig(NAME), shown);
        assert_eq!(metric(&mut again, "portolan_acme_certificates_total"), Some(0.0));
        assert_eq!(authority.orders(), [(NAME.to_owned(), "valid".to_owned())]);
    });
}

fn explain(server: &mut Server, name: &str) -> String {
    let admin = server.endpoint("admin");
    http_get(admin, &format!("/debug/explain?name={name}&type=TXT")).1
}

#[test]
fn a_certificate_is_renewed_without_a_restart() {
    inside("a_certificate_is_renewed_without_a_restart", || {
        let mut world = World::new();
        let authority = world.authority();
        authority.set_lifetime(Duration::from_secs(12));
        let mut server = Server::start(&world.corefile(NAME, ""));
        server.wait_for_line(OBTAINED);
        let first = world.kdig(NAME).unwrap();
        // The denial that `cache` keeps for a minute is not what the authority sees.
        assert_eq!(records::rcode(&txt(CHALLENGE)), "NXDOMAIN");
        authority.set_lifetime(Duration::from_secs(3600));
        // An account that the authority has forgotten is made anew.
        authority.forget_accounts();
        until("the renewal", || authority.orders(), |orders| orders.len() == 2);
        let count = || metric(&mut server, "portolan_acme_certificates_total");
        until("the next certificate", count, |count| *count == Some(2.0));
        let second = world.kdig(NAME).unwrap();
        assert_ne!(first, second);
        assert_eq!(authority.contacts(), ["[]", "[]"]);
        assert!(server.log().contains("does not know the stored ACME account"));
    });
}

#[test]
fn every_name_has_its_own_certificate() {
    inside("every_name_has_its_own_certificate", || {
        let mut world = World::new();
        let authority = world.authority();
        let mut server = Server::start(&world.corefile(&format!("{NAME} *.wild.example"), ""));
        let count = || metrics(&mut server).matches("portolan_acme_certificates_total{").count();
        until("both names", count, |count| *count == 2);
        until("both certificates", || world.kdig("one.wild.example"), Option::is_some);
        let (plain, wild) = (world.kdig(NAME).unwrap(), world.kdig("two.wild.example").unwrap());
        assert_ne!(plain, wild);
        assert_eq!(world.kdig("a.b.wild.example"), None, "one label, not two");
        // Who names no server gets the first.
        assert_eq!(pin(853, &[]), Some(plain));
        assert_eq!(authority.orders().len(), 2);
    });
}

#[test]
fn an_authority_that_is_away_at_the_start_is_asked_again() {
    inside("an_authority_that_is_away_at_the_start_is_asked_again", || {
        let mut world = World::new();
        let mut server = Server::start(&world.corefile(NAME, ""));
        let line = server.wait_for_line("no certificate by ACME; trying again");
        assert!(line.contains("cannot connect to 127.0.0.1:14000"), "{line}");
        assert!(line.contains("check that the server may reach it"), "{line}");
        assert_eq!(world.kdig(NAME), None);
        assert_eq!(records::rcode(&txt("x.example.")), "NXDOMAIN", "the rest is served");
        let failures =
            "portolan_acme_failures_total{domain=\"dns.example.org\",reason=\"unreachable\"}";
        assert!(metric(&mut server, failures) >= Some(1.0));
        let _authority = world.authority();
        server.wait_for_line(OBTAINED);
        assert!(world.kdig(NAME).is_some());
    });
}

#[test]
fn a_refused_challenge_ends_nothing_and_the_old_certificate_stays() {
    inside("a_refused_challenge_ends_nothing_and_the_old_certificate_stays", || {
        let mut world = World::new();
        let authority = world.authority();
        authority.set_lifetime(Duration::from_secs(21));
        let mut server = Server::start(&world.corefile(NAME, ""));
        server.wait_for_line(OBTAINED);
        let first = world.kdig(NAME);
        authority.expect_another_value(true);
        let line = server.wait_for_line("no certificate by ACME; trying again");
        assert!(line.contains("Incorrect TXT record"), "{line}");
        assert!(line.contains("its name servers have to be this server"), "{line}");
        assert!(line.contains("serves=\"the one before\""), "{line}");
        assert_eq!(world.kdig(NAME), first, "it is good for some seconds more");
        let failures =
            "portolan_acme_failures_total{domain=\"dns.example.org\",reason=\"refused\"}";
        assert_eq!(metric(&mut server, failures), Some(1.0));
        let states: Vec<String> = authority.orders().into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["valid", "invalid"]);
        assert_eq!(records::rcode(&txt(CHALLENGE)), "NXDOMAIN", "its challenge is gone");
    });
}

#[test]
fn an_authority_that_is_not_trusted_gets_no_request() {
    inside("an_authority_that_is_not_trusted_gets_no_request", || {
        let mut world = World::new();
        let authority = world.authority();
        let corefile = world.corefile(NAME, "");
        let trusted = format!("ca_root {}", world.roots.web_file.display());
        let other = format!("ca_root {}", world.roots.issuer_file.display());
        let mut server = Server::start(&corefile.replace(&trusted, &other));
        let line = server.wait_for_line("no certificate by ACME; trying again");
        assert!(line.contains("with the option 'ca_root'"), "{line}");
        assert!(authority.orders().is_empty());
        // Without the resolver nobody knows where the authority is.
        let resolver = format!("resolver {}", world.resolver);
        drop(server);
        let mut server = Server::start(&corefile.replace(&resolver, ""));
        let line = server.wait_for_line("no certificate by ACME; trying again");
        assert!(line.contains("ca.test has no address"), "{line}");
        assert!(line.contains("the option 'resolver'"), "{line}");
    });
}

#[test]
fn several_blocks_share_what_they_configure_alike_and_a_reload_keeps_it() {
    inside("several_blocks_share_what_they_configure_alike_and_a_reload_keeps_it", || {
        let mut world = World::new();
        let authority = world.authority();
        let two = |options: &str| {
            let tls = world.tls(NAME, options);
            format!("{}tls://.:8853 {{\n{tls}\nwhoami\n}}\n", world.corefile(NAME, options))
        };
        let mut server = Server::start(&two(""));
        server.wait_for_line(OBTAINED);
        let shown = world.kdig(NAME);
        assert!(shown.is_some());
        assert_eq!(world.kdig_at(8853, NAME), shown);
        write(
            &server.directory.path().join("Corefile"),
            &format!("{}# changed\n.:5353 {{\nwhoami\n}}\n", two("")),
        );
        server.signal("USR1");
        server.wait_for_line("Reloading complete");
        assert_eq!(world.kdig(NAME), shown);
        assert_eq!(authority.orders().len(), 1);
        // Without the domain its metrics are gone, too.
        write(
            &server.directory.path().join("Corefile"),
            ".:53 {\nprometheus 127.0.0.1:0\nwhoami\n}\n",
        );
        server.signal("USR1");
        let page = || metrics(&mut server);
        until("no metric", page, |page| !page.contains("portolan_acme"));
    });
}

#[test]
fn conflicts_and_missing_files_are_refused_with_their_line() {
    let directory = tempfile::tempdir().unwrap();
    let check = |corefile: &str| {
        write(&directory.path().join("Corefile"), corefile);
        let output = Command::new(binary()).arg("check").current_dir(&directory).output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let block = |port: u16, options: &str| {
        format!("tls://.:{port} {{\n    tls {{\n        {options}\n    }}\n    whoami\n}}\n")
    };
    let plain = ".:53 {\n    whoami\n}\n";
    let same = format!("{plain}{}{}", block(853, "acme a.example"), block(854, "acme a.example"));
    assert_eq!(check(&same).0, Some(0), "{}", check(&same).1);
    let (code, said) = check(&format!(
        "{plain}{}{}",
        block(853, "acme a.example"),
        block(854, "acme b.example a.example")
    ));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Corefile:12"), "{said}");
    assert!(
        said.contains("'a.example' is configured with conflicting options at Corefile:6"),
        "{said}"
    );
    let (code, said) =
        check(&format!("{plain}{}", block(853, "acme a.example\nca_root nowhere.pem")));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Corefile:5") && said.contains("cannot read nowhere.pem"), "{said}");
}
