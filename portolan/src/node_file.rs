//! The role `portolan node-blocks`: follows one Node and keeps the file of its blocks.

mod asking;
mod further;
mod replace;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cluster::{Cluster, Kind, KindSet};
use cluster_source::{ApiServer, Interest, RequestLimits, Source, SourceConfig, Timing};
use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::NodeFileArguments;
use crate::logging::{self, LineForm};

use asking::Asking;
use further::Further;
use replace::{Purpose, replace};

/// What a program begins with.
const ELF: &[u8] = b"\x7fELF";

/// Keeps the file until a signal, or with `--once` until it is written.
///
/// # Errors
/// The Node cannot be followed as the flags say, or a file cannot be written.
pub(crate) fn run(arguments: &NodeFileArguments, form: LineForm) -> Result<()> {
    let (output, _) = logging::start(form)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(follow(arguments));
    runtime.shutdown_background();
    output.flush();
    result
}

async fn follow(arguments: &NodeFileArguments) -> Result<()> {
    let take = |kind| signal(kind).context("cannot handle signals");
    let (mut terminate, mut interrupt) =
        (take(SignalKind::terminate())?, take(SignalKind::interrupt())?);
    if let Some(plugin) = &arguments.plugin {
        install(plugin, &arguments.plugin_dir)?;
    }
    let mut files = Files::new(arguments)?;
    let source = Source::start(config(arguments)).await?;
    let mut changes = source.changes();
    let (_, none) = watch::channel(Further::Known(Vec::new()));
    let mut further = if arguments.further_blocks {
        if arguments.origin.manifests.is_some() {
            bail!(
                "--further-blocks: NodeBlocks are only followed in an API server; leave --manifests out"
            );
        }
        let server = ApiServer::open(arguments.origin.access(), Timing::default()).await?;
        let asking = (!arguments.once)
            .then(|| Asking::new(server.clone(), arguments.store_dir.clone(), arguments.ask_below));
        further::follow(server, arguments.node.clone(), asking)
    } else {
        none
    };
    loop {
        changes.mark_unchanged();
        let blocks = further.borrow_and_update().clone();
        let is_written = files.take(&source.snapshot(), &blocks)?;
        if arguments.once && is_written {
            return Ok(());
        }
        tokio::select! {
            Ok(()) = further.changed() => {}
            changed = changes.changed() => changed.context("the Node is not followed any more")?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

fn config(arguments: &NodeFileArguments) -> SourceConfig {
    let origin = arguments.origin.origin();
    let interest = Interest {
        kinds: KindSet::of(&[Kind::Node]),
        node: Some(arguments.node.as_str().into()),
        ..Interest::default()
    };
    SourceConfig { origin, interest, timing: Timing::default(), limits: RequestLimits::default() }
}

/// Puts a CNI plugin where the runtime looks for it.
fn install(plugin: &Path, folder: &Path) -> Result<()> {
    let octets = read(plugin)?;
    if !octets.starts_with(ELF) {
        bail!("--plugin {}: it is no program for this machine", plugin.display());
    }
    let path = folder.join(plugin.file_name().context("--plugin names no file")?);
    replace(&path, &octets, Purpose::Program)?;
    tracing::info!(file = %path.display(), "plugin installed");
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .with_context(|| format!("cannot read {}; name a readable file", file.display()))
}

/// The files that are kept.
struct Files {
    node: String,
    blocks: PathBuf,
    /// Where the configuration list goes, and its text.
    conflist: Option<(PathBuf, Vec<u8>)>,
    /// What was last said of the Node.
    said: Option<Finding>,
}

/// What is known of the Node.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Finding {
    /// It is not listed yet, or it is not known yet whether there are blocks beside its own.
    NotSynced,
    /// There is no such Node.
    NoNode,
    /// It has no blocks yet.
    NoBlocks,
    /// It has these, its own first.
    Blocks(Vec<IpNet>),
}

impl Files {
    fn new(arguments: &NodeFileArguments) -> Result<Self> {
        let conflist = arguments.conflist.as_ref().map(|file| {
            let octets = read(file)?;
            check_conflist(file, &octets)?;
            let name = file.file_name().context("--conflist names no file")?;
            anyhow::Ok((arguments.conflist_dir.join(name), octets))
        });
        Ok(Self {
            node: arguments.node.clone(),
            blocks: arguments.file.clone(),
            conflist: conflist.transpose()?,
            said: None,
        })
    }

    /// Brings the files up to a snapshot and the blocks beside the Node's own; says whether the Node has blocks. What is
    /// there stays when it has none: a Node that is away for a moment takes nobody's addresses away.
    fn take(&mut self, cluster: &Cluster, further: &Further) -> Result<bool> {
        let finding = finding(cluster, &self.node, further, |own| self.written(own));
        let has_blocks = matches!(finding, Finding::Blocks(_));
        if self.said.as_ref() != Some(&finding) {
            self.act(&finding)?;
            self.said = Some(finding);
        }
        Ok(has_blocks)
    }

    /// Writes what was found, and says so.
    fn act(&self, finding: &Finding) -> Result<()> {
        let node = self.node.as_str();
        match finding {
            Finding::NotSynced => {}
            Finding::NoNode => {
                tracing::warn!(node, "there is no such Node; what the file says stays");
            }
            Finding::NoBlocks => {
                tracing::warn!(node, "the Node has no spec.podCIDRs; what the file says stays");
            }
            Finding::Blocks(blocks) => {
                replace(&self.blocks, &contents(node, blocks), Purpose::Data)?;
                if let Some((path, octets)) = &self.conflist {
                    replace(path, octets, Purpose::Data)?;
                }
                let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
                let (blocks, file) = (blocks.join(" "), self.blocks.display());
                tracing::info!(node, blocks, %file, "blocks written");
            }
        }
        Ok(())
    }

    /// Returns the blocks that the file has, if it is of this Node: pods may have addresses of them. A file without the
    /// Node's own blocks is of an earlier Node of the name, whose further blocks may be somebody else's by now.
    fn written(&self, own: &[IpNet]) -> Vec<IpNet> {
        let Ok(octets) = std::fs::read(&self.blocks) else { return Vec::new() };
        let json: Value = serde_json::from_slice(&octets).unwrap_or_default();
        let written = cni_ipam::node_blocks::parse(&octets).unwrap_or_default();
        let is_of_the_node = json["node"] == *self.node;
        if is_of_the_node && own.iter().all(|block| written.contains(block)) {
            written
        } else {
            Vec::new()
        }
    }
}

/// Returns what a snapshot and the blocks beside the Node's own say. `written` returns those that the file has, given the
/// Node's own.
fn finding(
    cluster: &Cluster,
    node: &str,
    further: &Further,
    written: impl FnOnce(&[IpNet]) -> Vec<IpNet>,
) -> Finding {
    let mut blocks = match cluster.node(node) {
        Some(node) if !node.pod_cidrs.is_empty() => node.pod_cidrs.to_vec(),
        Some(_) => return Finding::NoBlocks,
        None if cluster.synced().contains(Kind::Node) => return Finding::NoNode,
        None => return Finding::NotSynced,
    };
    let further = match further {
        Further::Awaited => return Finding::NotSynced,
        Further::Unheard => written(&blocks),
        Further::Known(further) => further.clone(),
    };
    let more: Vec<IpNet> = further.into_iter().filter(|block| !blocks.contains(block)).collect();
    blocks.extend(more);
    Finding::Blocks(blocks)
}

/// Returns the file as `portolan-ipam` reads it.
fn contents(node: &str, blocks: &[IpNet]) -> Vec<u8> {
    let blocks: Vec<Value> =
        blocks.iter().map(|block| json!({ "cidr": block.to_string() })).collect();
    format!("{:#}\n", json!({ "node": node, "blocks": blocks })).into_bytes()
}

/// Refuses what no runtime would load.
fn check_conflist(file: &Path, octets: &[u8]) -> Result<()> {
    let json: Value =
        serde_json::from_slice(octets).with_context(|| format!("{} is no JSON", file.display()))?;
    if json["name"].as_str().is_none_or(str::is_empty) || !json["plugins"].is_array() {
        bail!("{} is no network configuration list; it needs `name` and `plugins`", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cluster::{Event, Labels, Node, Object, Store};

    use super::*;

    #[test]
    fn a_node_without_blocks_and_one_that_is_not_known_are_different_things() {
        let mut store = Store::new();
        let none = Further::Known(Vec::new());
        let found = |store: &Store| finding(store.cluster(), "a", &none, |_| Vec::new());
        assert_eq!(found(&store), Finding::NotSynced);
        store.apply(Event::ListStart(Kind::Node), 0);
        store.apply(Event::ListEnd(Kind::Node), 0);
        assert_eq!(found(&store), Finding::NoNode);
        let blocks: Vec<IpNet> = vec!["10.244.3.0/24".parse().unwrap()];
        for (pod_cidrs, expected) in
            [(Vec::new(), Finding::NoBlocks), (blocks.clone(), Finding::Blocks(blocks))]
        {
            let node = Node {
                name: "a".into(),
                labels: Labels::default(),
                addresses: Box::default(),
                pod_cidrs: pod_cidrs.into(),
            };
            store.apply(Event::Upsert(Object::Node(node.into())), 0);
            assert_eq!(found(&store), expected);
        }
    }

    /// The process starts again while the API server shows the Node, and not yet its NodeBlock.
    #[test]
    fn further_blocks_stay_in_the_file_until_it_is_known_that_there_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node-blocks.json");
        let nets = |texts: &[&str]| -> Vec<IpNet> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mut store = Store::new();
        let node = Node {
            name: "a".into(),
            labels: Labels::default(),
            addresses: Box::default(),
            pod_cidrs: nets(&["10.0.0.0/28"]).into(),
        };
        store.apply(Event::Upsert(Object::Node(node.into())), 0);
        let own = contents("a", &nets(&["10.0.0.0/28"]));
        let both = contents("a", &nets(&["10.0.0.0/28", "10.0.0.16/28"]));
        let others = contents("b", &nets(&["10.0.0.0/28", "10.0.0.16/28"]));
        let earlier = contents("a", &nets(&["10.0.0.32/28", "10.0.0.16/28"]));
        for (there, unheard) in [
            (Some(&both), &both),
            (Some(&own), &own),
            (Some(&others), &own),
            (Some(&earlier), &own),
            (Some(&b"{".to_vec()), &own),
            (None, &own),
        ] {
            let _ = std::fs::remove_file(&file);
            if let Some(there) = there {
                std::fs::write(&file, there).unwrap();
            }
            let (node, blocks) = ("a".to_owned(), file.clone());
            let mut files = Files { node, blocks, conflist: None, said: None };
            let mut take = |further| files.take(store.cluster(), &further).unwrap();
            let written = || std::fs::read(&file).ok();
            assert!(!take(Further::Awaited));
            assert_eq!(written().as_ref(), there, "nothing is said yet");
            assert!(take(Further::Unheard));
            assert_eq!(written().as_ref(), Some(unheard), "{there:?}");
            assert!(take(Further::Known(nets(&["10.0.0.16/28"]))));
            assert_eq!(written().as_ref(), Some(&both));
            assert!(take(Further::Known(Vec::new())));
            assert_eq!(written().as_ref(), Some(&own));
        }
    }
}
