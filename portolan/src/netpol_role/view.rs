//! What the role reads of the cluster.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cluster::{Cluster, Kind, KindSet};
use cluster_source::{Interest, Observer, RequestLimits, Source, SourceConfig, Timing};

use crate::cli::ClusterArguments;

/// What policies are about. Until all of them are listed, the kernel is not touched: what is missing may be what
/// isolates a pod, or what lets it talk.
pub(super) const KINDS: KindSet =
    KindSet::of(&[Kind::Namespace, Kind::Node, Kind::Pod, Kind::NetworkPolicy]);

/// Starts following the cluster that the command line names.
///
/// # Errors
/// It cannot work: the manifests cannot be read, or the access to the API server is incomplete.
pub(super) async fn open(
    arguments: &ClusterArguments,
    kinds: KindSet,
    observer: Arc<dyn Observer>,
) -> Result<Source> {
    let config = SourceConfig {
        origin: arguments.origin.origin(),
        interest: Interest::everything(kinds),
        timing: Timing::default(),
        limits: RequestLimits::default(),
    };
    Source::start_observed(config, observer).await.context("cannot follow the cluster")
}

/// Says whether everything that the kernel is told has been listed at least once.
pub(super) fn is_synced(source: &Source) -> bool {
    source.snapshot().synced().contains_all(KINDS)
}

/// Returns the cluster once all of these kinds are listed.
///
/// # Errors
/// It cannot be read, or not in time; the error names what is missing.
pub(super) async fn listed(arguments: &ClusterArguments, kinds: KindSet) -> Result<Arc<Cluster>> {
    let source = open(arguments, kinds, Arc::new(())).await?;
    synced(&source, kinds, Duration::from_secs(arguments.sync_timeout)).await?;
    Ok(source.snapshot())
}

/// Waits until everything is listed.
///
/// # Errors
/// It takes longer than the limit; the error names what is missing.
async fn synced(source: &Source, kinds: KindSet, limit: Duration) -> Result<()> {
    let mut changes = source.changes();
    let all = async {
        while !source.snapshot().synced().contains_all(kinds) {
            // Fails when the source has ended, which it does not while it is held.
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(limit, all).await.is_err() {
        let missing = source.status().missing().join(", ");
        bail!(
            "the cluster was not listed within {} s (--sync-timeout): {missing}",
            limit.as_secs()
        );
    }
    Ok(())
}
