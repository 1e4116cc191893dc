//! A lease: an address, who has it or had it last, and what can prove that they are gone.

mod slot;

use std::net::IpAddr;

use cni::Attachment;

use crate::host_local::ANY_INTERFACE;

pub use slot::{SLOT, Slot, SlotError};

/// Longest name of a namespace that is kept, in octets.
pub const MAX_POD_NAMESPACE: usize = 63;
/// Longest name of a pod that is kept, in octets.
pub const MAX_POD_NAME: usize = 253;
/// Longest uid of a pod that is kept, in octets.
pub const MAX_POD_UID: usize = 64;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Millis(pub u64);

/// A boot of this host: the number that is written in `/proc/sys/kernel/random/boot_id`. Zero: not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Boot(pub u128);

/// What tells a network namespace from all others that live.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Netns {
    /// The device of its file.
    pub device: u64,
    /// The inode of its file; 0: the namespace is not known.
    pub inode: u64,
    /// The path that it was given by; empty: not known, or too long to be kept.
    pub path: String,
}

/// The pod that a runtime named in `CNI_ARGS`; empty texts: not known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Who gave the address out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// An ADD of this plugin.
    Granted,
    /// host-local, whose files were imported.
    Imported,
}

/// Whether an address is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The attachment has it.
    Held,
    /// The attachment had it; it is left alone for a while.
    Released {
        /// When it was given back.
        at: Millis,
        /// When it may be given out without need.
        until: Millis,
    },
}

/// A lease of an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// Whether it is in use.
    pub state: State,
    /// Who has it, or had it last.
    pub attachment: Attachment,
    /// The namespace of the container.
    pub netns: Netns,
    /// The pod of the container.
    pub pod: Pod,
    /// When it was given out.
    pub since: Millis,
    /// The boot in which it was given out.
    pub boot: Boot,
    /// Who gave it out.
    pub origin: Origin,
}

impl Pod {
    /// Makes a pod of what a runtime says. What is too long is cut: it is kept for people and as the key of sticky
    /// addresses, and Kubernetes has no longer names.
    pub fn new(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            namespace: cut(namespace, MAX_POD_NAMESPACE),
            name: cut(name, MAX_POD_NAME),
            uid: cut(uid, MAX_POD_UID),
        }
    }

    /// Tells whether namespace and name are known.
    pub fn is_known(&self) -> bool {
        !self.namespace.is_empty() && !self.name.is_empty()
    }
}

impl Netns {
    /// Tells whether the identity is known.
    pub fn is_known(&self) -> bool {
        self.inode != 0
    }

    /// Tells whether two are the same namespace; what is not known is none.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_known() && (self.device, self.inode) == (other.device, other.inode)
    }
}

impl Lease {
    /// Makes the held lease of a file of host-local.
    pub fn imported(address: IpAddr, attachment: Attachment, written: Millis) -> Self {
        Self {
            address,
            state: State::Held,
            attachment,
            netns: Netns::default(),
            pod: Pod::default(),
            since: written,
            boot: Boot::default(),
            origin: Origin::Imported,
        }
    }

    /// Tells whether a lease that is held is an attachment's; one without an interface is that of all of the container's.
    pub fn is_of(&self, attachment: &Attachment) -> bool {
        self.attachment == *attachment
            || self.is_of_any_interface() && self.attachment.container_id == attachment.container_id
    }

    /// Tells whether host-local wrote the lease without an interface, so that any of the container's is meant.
    pub fn is_of_any_interface(&self) -> bool {
        self.origin == Origin::Imported && self.attachment.ifname.as_str() == ANY_INTERFACE
    }

    /// Tells whether the attachment has the address.
    pub fn is_held(&self) -> bool {
        self.state == State::Held
    }
}

fn cut(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
