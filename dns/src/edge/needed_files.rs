//! Reads the files that plugins of a Corefile would read at the start, and says what is wrong with them.
//!
//! Files that belong to the Corefile itself (imports, `resolv.conf` of `forward` and `autopath`, certificates of
//! `forward` and `dnstap`) are read with it. Nothing is followed, opened for writing or connected to here.

use std::fmt::Display;
use std::path::Path;
use std::time::SystemTime;

use hickory_proto::rr::LowerName;

use super::acme::Acme;
use super::http::WebFile;
use super::server::Tls;
use super::weight_file::weight_file;
use crate::corefile::{
    Corefile, CorefileError, Directive, ServerBlock, Token, Transport, Warning, zone_keys,
};
use crate::plugin::file::{FileConfig, ZoneFileConfig};
use crate::plugin::hosts::HostsConfig;
use crate::plugin::kubernetes::{ClusterOrigin, KubernetesConfig};
use crate::plugin::loadbalance::{Balancing, LoadbalanceConfig};
use crate::plugin::prometheus::PrometheusConfig;
use crate::plugin::root::Root;
use crate::plugin::tls::{CertificateSource, TlsConfig};

/// What is said of the files of a Corefile.
#[derive(Debug, Default)]
pub struct FileReport {
    /// Files that cannot be used, at the directives that name them.
    pub mistakes: Vec<CorefileError>,
    /// Files that the server starts with and that are hardly meant so.
    pub warnings: Vec<Warning>,
}

/// A server block, for the directives that depend on it.
struct Site {
    zones: Vec<LowerName>,
    root: Root,
}

/// Reads the files of every directive that can be parsed; what cannot be is left to whoever parses the Corefile.
pub fn read_needed_files(corefile: &Corefile, default_port: u16) -> FileReport {
    let mut report = FileReport::default();
    for block in &corefile.blocks {
        let site = Site::of(block, default_port);
        for directive in &block.directives {
            report.read(directive, &site);
        }
    }
    report
}

impl Site {
    fn of(block: &ServerBlock, default_port: u16) -> Self {
        let keys = block.keys.iter().filter_map(|key| zone_keys(&key.text, default_port).ok());
        let roots: Vec<&Directive> =
            block.directives.iter().filter(|directive| directive.name.text == "root").collect();
        Self {
            zones: keys.flatten().filter_map(|key| key.zone.parse().ok()).collect(),
            root: Root::parse(&roots).unwrap_or_default(),
        }
    }
}

impl FileReport {
    fn read(&mut self, directive: &Directive, site: &Site) {
        match directive.name.text.as_str() {
            "root" => self.root(directive),
            "file" => self.zone_files(directive, site),
            "hosts" => self.hosts(directive, site),
            "loadbalance" => self.weights(directive, site),
            "tls" => self.certificate(directive, site, SystemTime::now()),
            "prometheus" => self.web(directive),
            "kubernetes" => self.cluster(directive, site),
            _ => {}
        }
    }

    fn root(&mut self, directive: &Directive) {
        let Ok(root) = Root::parse(&[directive]) else { return };
        if let Some(path) = root.path().filter(|path| !path.is_dir()) {
            let text = format!("the directory {} does not exist; make it", path.display());
            self.warn(&directive.name, text);
        }
    }

    fn zone_files(&mut self, directive: &Directive, site: &Site) {
        let Ok(config) = FileConfig::parse(&[directive], &site.zones, &site.root) else { return };
        for file in &config.files {
            for zone in &file.zones {
                if !self.zone_file(directive, file, zone) {
                    // The other zones have the same file.
                    break;
                }
            }
        }
    }

    fn zone_file(&mut self, at: &Directive, file: &ZoneFileConfig, zone: &LowerName) -> bool {
        match file.strangers(zone) {
            Ok(None) => {}
            Ok(Some((count, first))) => {
                let path = file.path.display();
                let text = format!(
                    "{count} records of {path} are not in the zone {zone} and not served, the first is {first}; \
                     correct their names, or name their zone here"
                );
                self.warn(&at.name, text);
            }
            Err(error) => {
                self.refuse(&at.name, error);
                return false;
            }
        }
        true
    }

    fn hosts(&mut self, directive: &Directive, site: &Site) {
        let Ok(config) = HostsConfig::parse(&[directive], &site.zones, &site.root) else { return };
        let path = config.path.display();
        match config.flawed_lines() {
            Ok(None) => {}
            Ok(Some((count, line, problem))) => {
                let text = format!("{path}, line {line}: {problem}; {count} lines are not used");
                self.warn(&directive.name, text);
            }
            // The server starts, and waits for it.
            Err(error) if error.is_missing() => {
                let text =
                    format!("the hosts file {path} does not exist; write it, or name another");
                self.warn(&directive.name, text);
            }
            Err(error) => self.refuse(&directive.name, error),
        }
    }

    fn weights(&mut self, directive: &Directive, site: &Site) {
        let Ok(config) = LoadbalanceConfig::parse(&[directive]) else { return };
        if let Balancing::Weighted { file, .. } = config.in_root(&site.root).balancing
            && let Err(error) = weight_file(file).read()
        {
            self.refuse(&directive.name, error);
        }
    }

    fn certificate(&mut self, directive: &Directive, site: &Site, now: SystemTime) {
        let Ok(Some(config)) = TlsConfig::parse(&[directive]) else { return };
        let mut config = config.in_root(&site.root);
        // It would be made.
        config.keylog = None;
        match Tls::load(&config, Transport::Tls, &Acme::default()) {
            Err(error) => self.refuse(&directive.name, error),
            Ok(tls) => {
                let untimely = tls.validity().and_then(|validity| validity.untimely(now));
                if let (Some(why), CertificateSource::Files { certificate, .. }) =
                    (untimely, &config.source)
                {
                    self.warn(&directive.name, format!("{} {why}", certificate.display()));
                }
            }
        }
    }

    fn web(&mut self, directive: &Directive) {
        let Ok(config) = PrometheusConfig::parse(&[directive]) else { return };
        if let Some(file) = &config.tls
            && let Err(error) = WebFile::load(&file.text)
        {
            self.refuse(file, error);
        }
    }

    fn cluster(&mut self, directive: &Directive, site: &Site) {
        let Ok(config) = KubernetesConfig::parse(&[directive], &site.zones) else { return };
        match &config.origin {
            ClusterOrigin::InCluster => {}
            ClusterOrigin::Manifests(path) => self.readable(directive, "manifests", path),
            ClusterOrigin::Kubeconfig { file, .. } => self.readable(directive, "kubeconfig", file),
            ClusterOrigin::Endpoint { tls, .. } => {
                let files = tls.iter().flat_map(|tls| [&tls.cert, &tls.key, &tls.ca]);
                for file in files {
                    self.readable(directive, "tls", file);
                }
            }
        }
    }

    /// Checks that what a line of a directive names can be opened.
    fn readable(&mut self, directive: &Directive, option: &str, path: &Path) {
        let opened = std::fs::metadata(path).and_then(|data| {
            if data.is_dir() {
                std::fs::read_dir(path).map(drop)
            } else {
                std::fs::File::open(path).map(drop)
            }
        });
        let line = directive.lines().iter().find(|line| line.name.text == option);
        if let Err(error) = opened {
            let path = path.display();
            let text = format!("{option}: cannot read {path}: {error}; check its path and mode");
            self.refuse(&line.unwrap_or(directive).name, text);
        }
    }

    fn refuse(&mut self, at: &Token, problem: impl Display) {
        self.mistakes.push(at.error(problem.to_string()));
    }

    fn warn(&mut self, at: &Token, text: String) {
        self.warnings.push(Warning { position: at.position.clone(), text });
    }
}

#[cfg(test)]
mod tests {
    use std::fs::write;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::corefile::{DiskFiles, parse};

    /// Returns what is said of the files of a block in a directory; `DIR` stands for it.
    fn said(directory: &Path, block: &str) -> (Vec<String>, Vec<String>) {
        let dir = directory.display().to_string();
        let text = format!("a.example {{\n{}\n}}\n", block.replace("DIR", &dir));
        let entry = Path::new("Corefile");
        let corefile = parse(entry, text.as_bytes(), &DiskFiles, &|_| None).unwrap();
        let report = read_needed_files(&corefile, 53);
        let shown = |text: String| text.replace(&format!("{dir}/"), "");
        (
            report.mistakes.iter().map(|mistake| shown(mistake.to_string())).collect(),
            report.warnings.iter().map(|warning| shown(warning.to_string())).collect(),
        )
    }

    #[test]
    fn missing_files_are_named_at_their_lines() {
        let directory = tempfile::tempdir().unwrap();
        let block = "root DIR/root\nfile db\ntls c.pem k.pem\nprometheus {\ntls DIR/web.yml\n}\n\
                     loadbalance weighted DIR/weights\nhosts DIR/hosts\nkubernetes {\nmanifests DIR/m\n}";
        let (mistakes, warnings) = said(directory.path(), block);
        let lines = ["3", "4", "6", "8", "11"].map(|line| format!("Corefile:{line} - "));
        assert!(mistakes.len() == 5, "{mistakes:#?}");
        for (mistake, line) in mistakes.iter().zip(lines) {
            assert!(mistake.starts_with(&line) && mistake.contains("No such file"), "{mistake}");
        }
        assert_eq!(
            warnings,
            [
                "Corefile:2 - Warning: the directory root does not exist; make it",
                "Corefile:9 - Warning: the hosts file hosts does not exist; write it, or name another",
            ]
        );
    }

    #[test]
    fn files_are_parsed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let zone = "$TTL 60\n@ SOA ns admin 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.1\n";
        write(at("good"), zone).unwrap();
        write(at("bad"), format!("{zone}www A 192.0.2.\n")).unwrap();
        write(at("strange"), format!("{zone}b.example. A 192.0.2.1\n")).unwrap();
        write(at("hosts"), "192.0.2.1 a.example\nnonsense\n").unwrap();
        write(at("weights"), "a\n10.0.0.1 0\n").unwrap();
        let block = "root DIR\nfile good\nfile bad b.example\nfile strange\nhosts hosts\n\
                     loadbalance weighted weights\nkubernetes {\nmanifests DIR\n}";
        let (mistakes, warnings) = said(directory.path(), block);
        assert_eq!(mistakes.len(), 2, "{mistakes:#?}");
        assert!(mistakes[0].starts_with("Corefile:4 - ") && mistakes[0].contains("bad:5"));
        assert!(
            mistakes[1].starts_with("Corefile:7 - ") && mistakes[1].contains("weights, line 2")
        );
        assert_eq!(warnings.len(), 2, "{warnings:#?}");
        assert!(warnings[0].starts_with("Corefile:5 - Warning: 1 records of strange are not in"));
        assert!(warnings[1].starts_with("Corefile:6 - Warning: hosts, line 2: "), "{warnings:?}");
    }

    #[test]
    fn certificates_that_clients_refuse_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        write(directory.path().join("key"), key.serialize_pem()).unwrap();
        for (name, from, to) in [("old", 2000, 2001), ("early", 2099, 2100), ("good", 2000, 2100)] {
            let mut parameters = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
            parameters.not_before = date_time_ymd(from, 1, 1);
            parameters.not_after = date_time_ymd(to, 1, 1);
            let certificate = parameters.self_signed(&key).unwrap();
            write(directory.path().join(name), certificate.pem()).unwrap();
        }
        let said = |name: &str| said(directory.path(), &format!("root DIR\ntls {name} key"));
        assert_eq!(said("good"), Default::default());
        for (name, expected) in [("old", "old has expired, "), ("early", "early is not valid yet")]
        {
            let (mistakes, warnings) = said(name);
            let [warning] = warnings.as_slice() else { panic!("{mistakes:?} {warnings:?}") };
            assert!(warning.starts_with(&format!("Corefile:3 - Warning: {expected}")), "{warning}");
            assert_eq!(mistakes, [""; 0]);
        }
    }
}
