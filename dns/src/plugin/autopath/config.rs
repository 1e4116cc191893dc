//! The configuration of `autopath`.

use std::path::Path;

use hickory_proto::rr::{LowerName, Name};

use super::search_list::{host_list, search_list};
use crate::corefile::{CorefileError, Directive, Files, Token};
use crate::kubernetes::PodMode;
use crate::plugin::arguments;
use crate::plugin::directive::only;

/// The `autopath` directive of a server block.
///
/// ```text
/// autopath [ZONE...] RESOLV-CONF|@kubernetes
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AutopathConfig {
    /// The zones with names that are searched for; those of the server block unless the directive names its own.
    pub zones: Vec<LowerName>,
    /// The search list.
    pub search: SearchList,
}

/// Where the search list of a client comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SearchList {
    /// A file, read with the Corefile; the same for every client.
    Fixed(Vec<Name>),
    /// `@kubernetes`: the namespace of the pod that asks, and what its host has.
    Kubernetes {
        /// To report problems at.
        token: Token,
        /// The search list of this server's host, read with the Corefile: kubelet gives pods that of their node behind
        /// the cluster's domains, and hosts of a cluster mostly have the same.
        host: Vec<Name>,
    },
}

/// Where the host has its search list.
const HOST_FILE: &str = "/etc/resolv.conf";

impl AutopathConfig {
    /// Reads the `autopath` directive of a server block with these zones; its file is read through `files`, now
    /// and never again.
    ///
    /// # Errors
    /// It stands twice or without an argument, a zone is none, or the file cannot be used.
    pub fn parse(
        directives: &[&Directive],
        block: &[LowerName],
        files: &dyn Files,
    ) -> Result<Self, CorefileError> {
        let Some(directive) = only(directives)? else {
            return Ok(Self { zones: block.to_vec(), search: SearchList::Fixed(Vec::new()) });
        };
        arguments::no_block(directive)?;
        let Some((source, zones)) = directive.args.split_last() else {
            let text = "autopath needs a search list; write a file in the form of resolv.conf, or @kubernetes";
            return Err(directive.error(text));
        };
        let zones = if zones.is_empty() { block.to_vec() } else { arguments::zones(zones)? };
        Ok(Self { zones, search: search(source, files)? })
    }

    /// Checks that `@kubernetes` can know the pods; `pods` is the option of the block's `kubernetes`, none
    /// without the plugin.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self, pods: Option<PodMode>) -> Result<(), CorefileError> {
        match (&self.search, pods) {
            (SearchList::Fixed(_), _) | (SearchList::Kubernetes { .. }, Some(PodMode::Verified)) => Ok(()),
            (SearchList::Kubernetes { token, .. }, Some(PodMode::Disabled | PodMode::Insecure)) => {
                Err(token.error("@kubernetes needs to know the pods; write 'pods verified' in kubernetes"))
            }
            (SearchList::Kubernetes { token, .. }, None) => Err(token.error(
                "@kubernetes needs the plugin kubernetes with 'pods verified' in the same server block; add it",
            )),
        }
    }
}

fn search(source: &Token, files: &dyn Files) -> Result<SearchList, CorefileError> {
    match source.text.strip_prefix('@') {
        Some("kubernetes") => {
            // A host without the file has no search list.
            let bytes = files.read(Path::new(HOST_FILE)).unwrap_or_default();
            let host = host_list(&String::from_utf8_lossy(&bytes));
            Ok(SearchList::Kubernetes { token: source.clone(), host })
        }
        Some(other) => Err(source.error(format!(
            "the plugin '{other}' knows no search lists; write @kubernetes, or a file"
        ))),
        None => read(source, files).map(SearchList::Fixed),
    }
}

fn read(source: &Token, files: &dyn Files) -> Result<Vec<Name>, CorefileError> {
    let file = &source.text;
    let bytes = files.read(Path::new(file)).map_err(|error| {
        source.error(format!("cannot read the search list '{file}': {error}; check its path"))
    })?;
    // A line that is not UTF-8 has no search list that could be read.
    let text = String::from_utf8_lossy(&bytes);
    search_list(&text).map_err(|error| source.error(format!("{file}:{error}")))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io;

    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    struct OneFile;

    impl Files for OneFile {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            match path.to_str() {
                Some("pod.conf") => Ok(b"search a.example b.example\n".to_vec()),
                Some(HOST_FILE) => Ok(b"nameserver 10.0.0.1\nsearch corp.example\n".to_vec()),
                Some("bad.conf") => Ok(b"\nsearch a..b\n".to_vec()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }

        fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn parse(directives: &[&Directive]) -> Result<AutopathConfig, CorefileError> {
        AutopathConfig::parse(directives, &["block.example.".parse().unwrap()], &OneFile)
    }

    #[test]
    fn zones_and_lists() {
        let list = ["a.example.", "b.example."].map(|name| name.parse().unwrap()).to_vec();
        let zones = |names: &[&str]| -> Vec<LowerName> {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        let fixed = configure("autopath pod.conf", parse).unwrap();
        assert_eq!(fixed.zones, zones(&["block.example."]));
        assert_eq!(fixed.search, SearchList::Fixed(list));
        let by_pod = configure("autopath Cluster.local other.example @kubernetes", parse).unwrap();
        assert_eq!(by_pod.zones, zones(&["cluster.local.", "other.example."]));
        let SearchList::Kubernetes { host, .. } = &by_pod.search else { panic!("a fixed list") };
        assert_eq!(host[..], ["corp.example.".parse().unwrap()], "that of the host");
        fixed.check(None).unwrap();
        by_pod.check(Some(PodMode::Verified)).unwrap();
        for (pods, part) in [
            (None, "needs the plugin kubernetes with 'pods verified'"),
            (Some(PodMode::Disabled), "write 'pods verified'"),
            (Some(PodMode::Insecure), "write 'pods verified'"),
        ] {
            let error = by_pod.check(pods).unwrap_err().to_string();
            assert!(error.starts_with("Corefile:2 - ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn mistakes() {
        assert_refused(
            parse,
            &[
                ("autopath", "needs a search list"),
                ("autopath missing.conf", "cannot read the search list 'missing.conf'"),
                ("autopath bad.conf", "bad.conf:2: 'a..b' is no domain name"),
                ("autopath @file", "the plugin 'file' knows no search lists; write @kubernetes"),
                ("autopath a..b @kubernetes", "a..b"),
                ("autopath pod.conf {\n}", "remove the braces"),
                ("autopath pod.conf\nautopath pod.conf", "only be used once"),
            ],
        );
    }
}
