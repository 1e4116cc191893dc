//! A lease as people and programs read it.

use std::net::IpAddr;

use cni::NetworkName;
use serde::{Serialize, Serializer};

use crate::edge::witness::Witnesses;
use crate::gc::{Testimony, Verdict};
use crate::lease::{Lease, Millis, Origin, State};

/// A pod.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty: not known.
    pub uid: String,
}

/// A lease. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Listed {
    /// The network.
    pub network: String,
    /// The address.
    #[serde(serialize_with = "as_text")]
    pub address: IpAddr,
    /// The container that has it, or had it last.
    pub container: String,
    /// The interface.
    pub ifname: String,
    /// The pod, if the runtime named one.
    pub pod: Option<PodName>,
    /// The path of the network namespace; empty: not known.
    pub netns: String,
    /// When it was given out.
    pub since: u64,
    /// How long ago that was, in milliseconds.
    pub age: u64,
    /// `held` or `released`.
    pub state: &'static str,
    /// When it was released.
    pub released: Option<u64>,
    /// Until when it is left alone.
    pub quarantined_until: Option<u64>,
    /// `portolan-ipam`, or `host-local` of which it was imported.
    pub origin: &'static str,
    /// What the witnesses say of a held lease.
    pub witnesses: Option<Testimony>,
    /// Why a held lease is not freed, or that it will be.
    pub verdict: Option<String>,
}

impl Listed {
    /// Makes it of a lease, and asks the witnesses.
    pub fn new(
        lease: &Lease,
        network: &NetworkName,
        witnesses: &Witnesses<'_>,
        now: Millis,
    ) -> Self {
        let testimony = lease.is_held().then(|| witnesses.ask(lease));
        let (state, released, quarantined_until) = match lease.state {
            State::Held => ("held", None, None),
            State::Released { at: Millis(at), until: Millis(until) } => {
                ("released", Some(at), Some(until))
            }
        };
        let pod = &lease.pod;
        let is_named = !pod.name.is_empty() || !pod.uid.is_empty();
        Self {
            network: network.to_string(),
            address: lease.address,
            container: lease.attachment.container_id.to_string(),
            ifname: lease.attachment.ifname.as_str().to_owned(),
            pod: is_named.then(|| PodName {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
            }),
            netns: lease.netns.path.clone(),
            since: lease.since.0,
            age: now.0.saturating_sub(lease.since.0),
            state,
            released,
            quarantined_until,
            origin: match lease.origin {
                Origin::Granted => "portolan-ipam",
                Origin::Imported => "host-local",
            },
            verdict: testimony.map(|testimony| match testimony.verdict() {
                Verdict::Keep(witness) => format!("kept by {witness}"),
                Verdict::Free => {
                    "dead: freed when addresses become scarce, or by `portolan ipam gc`".to_owned()
                }
            }),
            witnesses: testimony,
        }
    }
}

/// serde's own serialization of addresses is a feature that others may not have.
fn as_text<S: Serializer>(address: &IpAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}
