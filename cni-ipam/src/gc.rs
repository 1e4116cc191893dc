//! Whether an attachment is dead: what its witnesses say, and what follows. A decision without effects; the witnesses are
//! asked in `edge/witness.rs`.

use std::fmt;

use serde::Serialize;

/// What a witness says of an attachment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vote {
    /// It lives.
    Alive,
    /// It is dead.
    Dead,
    /// The witness cannot tell.
    Unknown,
}

/// What all witnesses say of an attachment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Testimony {
    /// The lease is of this boot, or of another: network namespaces do not outlive one.
    pub boot: Vote,
    /// host-local wrote the lease before this boot. The clock may have been set since, so that this is no proof alone.
    pub imported: Vote,
    /// The recorded network namespace is at its path, or is not.
    pub netns: Vote,
    /// The runtime has a cached result of the attachment, or has none.
    pub result_cache: Vote,
    /// The runtime itself knows the container, or does not; only `portolan ipam gc` asks.
    pub runtime: Vote,
    /// The lease is so young that its ADD may not be finished.
    pub is_young: bool,
}

/// A witness.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Witness {
    /// The id of the boot.
    Boot,
    /// The network namespace.
    Netns,
    /// The runtime's cache of results.
    ResultCache,
    /// The runtime.
    Runtime,
    /// The age of the lease.
    Age,
    /// Nobody, but too few say that it is dead.
    Doubt,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The lease stays; names who keeps it.
    Keep(Witness),
    /// The address is freed.
    Free,
}

impl Testimony {
    /// Decides. Another boot is proof alone. Otherwise two have to say that the attachment is dead, and none that it
    /// lives. What the runtime says of a container counts more than a result that it has left behind.
    pub fn verdict(&self) -> Verdict {
        if self.boot == Vote::Dead {
            return Verdict::Free;
        }
        if self.is_young {
            return Verdict::Keep(Witness::Age);
        }
        let cache = match (self.runtime, self.result_cache) {
            (Vote::Dead, Vote::Alive) => Vote::Unknown,
            (_, vote) => vote,
        };
        let votes = [
            (self.imported, Witness::Doubt),
            (self.netns, Witness::Netns),
            (cache, Witness::ResultCache),
            (self.runtime, Witness::Runtime),
        ];
        if let Some((_, witness)) = votes.iter().find(|(vote, _)| *vote == Vote::Alive) {
            return Verdict::Keep(*witness);
        }
        let dead = votes.iter().filter(|(vote, _)| *vote == Vote::Dead).count();
        if dead >= 2 { Verdict::Free } else { Verdict::Keep(Witness::Doubt) }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Boot => "the boot id",
            Self::Netns => "its network namespace, which is there",
            Self::ResultCache => "the runtime's cached result",
            Self::Runtime => "the runtime, which knows the container",
            Self::Age => "its age: the ADD may not be finished",
            Self::Doubt => "doubt: fewer than two witnesses say that it is dead",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_proven_dead_is_freed() {
        use Vote::{Alive, Dead, Unknown};
        for (boot, netns, result_cache, runtime, expected) in [
            (Unknown, Unknown, Unknown, Unknown, Verdict::Keep(Witness::Doubt)),
            (Unknown, Dead, Unknown, Unknown, Verdict::Keep(Witness::Doubt)),
            (Unknown, Unknown, Dead, Unknown, Verdict::Keep(Witness::Doubt)),
            (Unknown, Dead, Dead, Unknown, Verdict::Free),
            (Unknown, Alive, Dead, Unknown, Verdict::Keep(Witness::Netns)),
            (Unknown, Dead, Alive, Unknown, Verdict::Keep(Witness::ResultCache)),
            (Unknown, Dead, Alive, Dead, Verdict::Free),
            (Unknown, Unknown, Alive, Dead, Verdict::Keep(Witness::Doubt)),
            (Unknown, Unknown, Dead, Dead, Verdict::Free),
            (Unknown, Dead, Dead, Alive, Verdict::Keep(Witness::Runtime)),
            (Unknown, Alive, Dead, Dead, Verdict::Keep(Witness::Netns)),
            (Alive, Dead, Dead, Unknown, Verdict::Free),
            (Dead, Alive, Alive, Alive, Verdict::Free),
        ] {
            for is_young in [false, true] {
                let imported = Unknown;
                let testimony =
                    Testimony { boot, imported, netns, result_cache, runtime, is_young };
                let expected = match (is_young, boot) {
                    (true, Alive | Unknown) => Verdict::Keep(Witness::Age),
                    _ => expected,
                };
                assert_eq!(testimony.verdict(), expected, "{testimony:?}");
            }
        }
    }

    /// What host-local wrote before this boot needs one witness more.
    #[test]
    fn an_old_file_of_host_local_is_a_witness() {
        use Vote::{Alive, Dead, Unknown};
        for (result_cache, runtime, is_freed) in [
            (Unknown, Unknown, false),
            (Dead, Unknown, true),
            (Unknown, Dead, true),
            (Alive, Unknown, false),
            (Dead, Alive, false),
        ] {
            let (boot, imported, netns) = (Unknown, Dead, Unknown);
            let testimony =
                Testimony { boot, imported, netns, result_cache, runtime, is_young: false };
            assert_eq!(testimony.verdict() == Verdict::Free, is_freed, "{testimony:?}");
        }
    }
}
