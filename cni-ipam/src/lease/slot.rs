//! A lease as the octets of a slot. All numbers are little-endian.
//!
//! | at | octets | what |
//! |---|---|---|
//! | 0 | 4 | CRC-32 of the rest of the slot |
//! | 4 | 1 | 1 free, 2 held, 3 released |
//! | 5 | 1 | origin: 0 granted, 1 imported |
//! | 6 | 1 | family: 4 or 6 |
//! | 7 | 1 | 0 |
//! | 8 | 16 | address |
//! | 24 | 8, 8, 8 | since, released at, released until (milliseconds) |
//! | 48 | 8, 8 | device and inode of the network namespace |
//! | 64 | 16 | boot id |
//! | 80 | | length (1 octet) and text of container id, ifname, pod namespace, name, uid, path of the namespace |

use std::net::IpAddr;

use cni::Attachment;

use super::{Boot, Lease, Millis, Netns, Origin, Pod, State};
use crate::address::{Family, number};

/// Octets of a slot.
pub const SLOT: usize = 768;

const TEXTS: usize = 80;
const FREE: u8 = 1;
const HELD: u8 = 2;
const RELEASED: u8 = 3;

/// What a slot holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Slot {
    /// Nothing yet: all octets are zero.
    Unused,
    /// Nothing any more.
    Free,
    /// A lease.
    Lease(Box<Lease>),
}

/// The octets are no slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotError;

impl Slot {
    /// Writes a slot.
    pub fn encode(&self) -> [u8; SLOT] {
        let mut octets = [0; SLOT];
        match self {
            Self::Unused => return octets,
            Self::Free => octets[4] = FREE,
            Self::Lease(lease) => encode(lease, &mut octets),
        }
        let sum = crc32fast::hash(&octets[4..]);
        octets[..4].copy_from_slice(&sum.to_le_bytes());
        octets
    }

    /// Reads a slot.
    ///
    /// # Errors
    /// The checksum is wrong, or a value is not allowed.
    pub fn decode(octets: &[u8; SLOT]) -> Result<Self, SlotError> {
        if octets.iter().all(|octet| *octet == 0) {
            return Ok(Self::Unused);
        }
        if crc32fast::hash(&octets[4..]).to_le_bytes() != octets[..4] {
            return Err(SlotError);
        }
        if octets[4] == FREE {
            return Ok(Self::Free);
        }
        decode(octets).map(|lease| Self::Lease(Box::new(lease))).ok_or(SlotError)
    }
}

fn encode(lease: &Lease, octets: &mut [u8; SLOT]) {
    let (state, at, until) = match lease.state {
        State::Held => (HELD, Millis(0), Millis(0)),
        State::Released { at, until } => (RELEASED, at, until),
    };
    octets[4] = state;
    octets[5] = u8::from(lease.origin == Origin::Imported);
    octets[6] = if lease.address.is_ipv4() { 4 } else { 6 };
    octets[8..24].copy_from_slice(&number(lease.address).to_le_bytes());
    let numbers = [lease.since.0, at.0, until.0, lease.netns.device, lease.netns.inode];
    for (place, number) in octets[24..64].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    octets[64..80].copy_from_slice(&lease.boot.0.to_le_bytes());
    let texts = [
        lease.attachment.container_id.as_str(),
        lease.attachment.ifname.as_str(),
        &lease.pod.namespace,
        &lease.pod.name,
        &lease.pod.uid,
        &lease.netns.path,
    ];
    let mut at = TEXTS;
    for text in texts {
        // Only the path, the last of them, can be too long for what is left: all others have limits.
        let Some((length, end)) =
            u8::try_from(text.len()).ok().map(|length| (length, at + 1 + text.len()))
        else {
            continue;
        };
        if end <= SLOT {
            octets[at] = length;
            octets[at + 1..end].copy_from_slice(text.as_bytes());
            at = end;
        }
    }
}

fn decode(octets: &[u8; SLOT]) -> Option<Lease> {
    let long = |at: usize| u64::from_le_bytes(octets[at..at + 8].try_into().expect("eight octets"));
    let wide =
        |at: usize| u128::from_le_bytes(octets[at..at + 16].try_into().expect("sixteen octets"));
    let address: IpAddr = match octets[6] {
        4 => Family::V4.address(wide(8)),
        6 => Family::V6.address(wide(8)),
        _ => return None,
    };
    let state = match octets[4] {
        HELD => State::Held,
        RELEASED => State::Released { at: Millis(long(32)), until: Millis(long(40)) },
        _ => return None,
    };
    let origin = if octets[5] == 0 { Origin::Granted } else { Origin::Imported };
    let mut at = TEXTS;
    let mut text = || -> Option<String> {
        let Some(length) = octets.get(at) else { return Some(String::new()) };
        let end = at + 1 + usize::from(*length);
        let text = std::str::from_utf8(octets.get(at + 1..end)?).ok()?;
        at = end;
        Some(text.to_owned())
    };
    let attachment = Attachment::parse(&text()?, &text()?).ok()?;
    let pod = Pod { namespace: text()?, name: text()?, uid: text()? };
    let netns = Netns { device: long(48), inode: long(56), path: text()? };
    Some(Lease {
        address,
        state,
        attachment,
        netns,
        pod,
        since: Millis(long(24)),
        boot: Boot(wide(64)),
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(container: &str, path: &str) -> Lease {
        Lease {
            address: "2001:db8::7".parse().unwrap(),
            state: State::Released { at: Millis(5), until: Millis(u64::MAX) },
            attachment: Attachment::parse(container, "eth0").unwrap(),
            netns: Netns { device: 4, inode: 4_026_532_000, path: path.to_owned() },
            pod: Pod::new("alpha", &"p".repeat(300), "uid"),
            since: Millis(7),
            boot: Boot(u128::MAX - 3),
            origin: Origin::Imported,
        }
    }

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        for (container, path) in [("c", "/run/netns/a"), (&"c".repeat(200), &"n".repeat(180)[..])] {
            let lease = lease(container, path);
            assert_eq!(lease.pod.name.len(), MAX_NAME);
            let slot = Slot::Lease(Box::new(lease));
            assert_eq!(Slot::decode(&slot.encode()), Ok(slot));
        }
        for slot in [Slot::Unused, Slot::Free] {
            assert_eq!(Slot::decode(&slot.encode()), Ok(slot));
        }
    }

    const MAX_NAME: usize = crate::lease::MAX_POD_NAME;

    #[test]
    fn a_path_that_does_not_fit_is_left_out() {
        for path in ["n".repeat(240), "n".repeat(4000)] {
            let slot = Slot::Lease(Box::new(lease(&"c".repeat(200), &path)));
            let Ok(Slot::Lease(read)) = Slot::decode(&slot.encode()) else { panic!("no lease") };
            assert_eq!(*read, lease(&"c".repeat(200), ""));
        }
    }

    #[test]
    fn any_changed_octet_is_found() {
        let octets = Slot::Lease(Box::new(lease("c", "/run/netns/a"))).encode();
        for at in 0..SLOT {
            let mut changed = octets;
            changed[at] ^= 1;
            assert_eq!(Slot::decode(&changed), Err(SlotError), "octet {at}");
        }
    }
}
