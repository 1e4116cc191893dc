//! Chooses, reads and checks the Corefile.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dns::config::mistakes;
use dns::config::{Config, PluginConfig, Surroundings};
use dns::corefile::{Corefile, DiskFiles, parse};
use dns::edge::interfaces::interfaces;

use super::builtin;
use crate::cli::{DnsArguments, ExplainDnsArguments};

/// Which Corefile is meant.
#[derive(Debug)]
pub(crate) enum Choice {
    /// This file; `stdin` is the standard input.
    File {
        /// The file.
        path: PathBuf,
        /// The port of blocks that name none.
        default_port: u16,
    },
    /// The one in the working directory, or what CoreDNS serves without any.
    Default {
        /// The port of blocks that name none.
        default_port: u16,
    },
    /// The built-in one over manifests.
    Manifests {
        /// The file or directory.
        path: PathBuf,
        /// The address to listen on.
        listen: SocketAddr,
    },
}

/// A Corefile that can be served.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What it means.
    pub config: Config,
    /// Its canonical text: equal texts configure equal servers.
    pub text: String,
}

/// Where the name servers of the host are.
const HOST_RESOLVERS: &str = "/etc/resolv.conf";

/// How large a Corefile from the standard input may be, in octets.
const MAX_STDIN: u64 = 16 << 20;

impl Choice {
    /// Returns what the flags of `portolan dns` choose.
    pub(crate) fn of_dns(arguments: &DnsArguments) -> Self {
        let default_port = arguments.port;
        match (&arguments.manifests, &arguments.conf) {
            (Some(path), _) => Self::Manifests { path: path.clone(), listen: arguments.listen },
            (None, Some(path)) => Self::File { path: path.clone(), default_port },
            (None, None) => Self::Default { default_port },
        }
    }

    /// Returns what the flags of `portolan explain dns` choose; none when a running server is asked.
    pub(crate) fn of_explain(arguments: &ExplainDnsArguments) -> Option<Self> {
        match (&arguments.manifests, &arguments.conf) {
            (Some(path), _) => {
                let listen = SocketAddr::from(([127, 0, 0, 1], 5300));
                Some(Self::Manifests { path: path.clone(), listen })
            }
            (None, Some(path)) => Some(Self::File { path: path.clone(), default_port: 53 }),
            (None, None) => None,
        }
    }

    /// Says whether reading it again may give another text.
    pub(crate) fn can_be_read_again(&self) -> bool {
        match self {
            Self::File { path, .. } => path != Path::new("stdin"),
            Self::Default { .. } | Self::Manifests { .. } => true,
        }
    }

    fn default_port(&self) -> u16 {
        match self {
            Self::File { default_port, .. } | Self::Default { default_port } => *default_port,
            Self::Manifests { listen, .. } => listen.port(),
        }
    }

    /// Returns the name and the text of the Corefile.
    fn read(&self) -> Result<(PathBuf, Vec<u8>)> {
        match self {
            Self::File { path, .. } if path == Path::new("stdin") => {
                let mut text = Vec::new();
                std::io::stdin().take(MAX_STDIN).read_to_end(&mut text)?;
                Ok((path.clone(), text))
            }
            Self::File { path, .. } => Ok((path.clone(), read_file(path)?)),
            Self::Default { .. } if Path::new("Corefile").exists() => {
                Ok(("Corefile".into(), read_file(Path::new("Corefile"))?))
            }
            Self::Default { default_port } => {
                let text = builtin::without_corefile(*default_port);
                Ok(("built-in Corefile".into(), text.into_bytes()))
            }
            Self::Manifests { path, listen } => {
                let text = builtin::over_manifests(path, *listen, host_resolvers());
                Ok(("built-in Corefile".into(), text.into_bytes()))
            }
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| {
        format!("cannot read the Corefile {}; name an existing file with -conf", path.display())
    })
}

/// Returns the host's resolver configuration if it names a server at all.
fn host_resolvers() -> Option<&'static Path> {
    let text = std::fs::read_to_string(HOST_RESOLVERS).unwrap_or_default();
    let has_server = text.lines().any(|line| line.trim_start().starts_with("nameserver"));
    has_server.then_some(Path::new(HOST_RESOLVERS))
}

/// Reads a Corefile and checks it as a whole.
///
/// # Errors
/// It cannot be read, or has mistakes; each is named with its line.
pub(crate) fn load(choice: &Choice) -> Result<Loaded> {
    check(choice, &read(choice)?)
}

/// Reads a Corefile, with what it imports.
///
/// # Errors
/// It cannot be read, or its grammar is wrong.
pub(crate) fn read(choice: &Choice) -> Result<Corefile> {
    let (name, text) = choice.read()?;
    let corefile = parse(&name, &text, &DiskFiles, &|variable| std::env::var(variable).ok())?;
    if corefile.blocks.is_empty() {
        bail!("{} has no server block; write for example `.:53 {{ … }}`", name.display());
    }
    Ok(corefile)
}

/// Checks what a Corefile means.
///
/// # Errors
/// It has mistakes; each is named with its line.
pub(crate) fn check(choice: &Choice, corefile: &Corefile) -> Result<Loaded> {
    let interfaces = interfaces().context("cannot list the network interfaces")?;
    let around = Surroundings {
        files: &DiskFiles,
        interfaces: &interfaces,
        default_port: choice.default_port(),
    };
    let config = match Config::of(corefile, around) {
        Ok(config) => config,
        Err(_) => {
            let lines: Vec<String> =
                mistakes::all(corefile, around).iter().map(ToString::to_string).collect();
            bail!("{}", lines.join("\n"));
        }
    };
    if matches!(choice, Choice::Manifests { .. }) && host_resolvers().is_none() {
        tracing::warn!(
            file = HOST_RESOLVERS,
            "no name server; names outside the cluster will fail"
        );
    }
    for warning in &config.warnings {
        tracing::warn!(place = %warning.position, doubt = warning.text, "doubt about the Corefile");
    }
    Ok(Loaded { config, text: corefile.to_string() })
}

impl Loaded {
    /// Says whether an `errors` block asks for stack traces.
    pub(crate) fn wants_stacktraces(&self) -> bool {
        let mut plugins = self.config.blocks.iter().flat_map(|block| &block.plugins);
        plugins.any(|plugin| matches!(plugin, PluginConfig::Errors(errors) if errors.stacktrace))
    }

    /// Says whether a `debug` asks for what is done to each query.
    pub(crate) fn wants_every_decision(&self) -> bool {
        self.config.blocks.iter().any(|block| block.debug)
    }

    /// Returns how long the server goes on after it was told to stop: the longest `lameduck`.
    pub(crate) fn lameduck(&self) -> Duration {
        let health = self.config.blocks.iter().filter_map(|block| block.health.as_ref());
        health.map(|health| health.lameduck).max().unwrap_or_default()
    }
}
