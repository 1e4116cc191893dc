//! Network namespaces as files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::identifier::shorten;
use crate::{Code, Error};

/// What tells one network namespace from another for as long as it lives: the file's device and inode. A namespace that
/// is made later may get the inode of one that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NetnsIdentity {
    /// Device of the namespace's file.
    pub device: u64,
    /// Inode of the namespace's file.
    pub inode: u64,
}

/// The network namespace of this process.
const OWN: &str = "/proc/self/ns/net";

/// Returns the identity of the network namespace at a path. A namespace of another kind is told apart below `/proc`, and
/// not where it is mounted elsewhere: no call that changes nothing says of which kind that is.
///
/// # Errors
/// Nothing is there ([`io::ErrorKind::NotFound`]), what is there is no network namespace
/// ([`io::ErrorKind::InvalidInput`]), or it cannot be looked at.
pub fn identity(path: &Path) -> io::Result<NetnsIdentity> {
    let found = of_file(path)?;
    // All namespaces are files of one file system.
    let is_namespace = of_file(Path::new(OWN)).is_ok_and(|own| own.device == found.device);
    // `/proc/PID/ns/mnt` is a link to `mnt:[4026531841]`.
    let link = fs::read_link(path).unwrap_or_default();
    let kind = link.to_str().and_then(|link| link.split_once(":[")).map(|(kind, _)| kind);
    if !is_namespace || kind.is_some_and(|kind| kind != "net") {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a network namespace"));
    }
    Ok(found)
}

fn of_file(path: &Path) -> io::Result<NetnsIdentity> {
    let metadata = fs::metadata(path)?;
    Ok(NetnsIdentity { device: metadata.dev(), inode: metadata.ino() })
}

/// Looks at `CNI_NETNS` for ADD and CHECK: returns the identity, or none when nothing is at the path, which is for the
/// main plugin to complain about.
///
/// # Errors
/// The path is relative, or it is no network namespace, cannot be looked at, or is the plugin's own and that is not allowed: code 8.
pub fn check(path: &Path, allows_own: bool) -> Result<Option<NetnsIdentity>, Error> {
    let shown = shorten(&path.to_string_lossy());
    let invalid =
        |details| Error::new(Code::INVALID_NETNS, "invalid CNI_NETNS").with_details(details);
    if !path.is_absolute() {
        // Whoever looks later does so from another directory.
        return Err(invalid(format!("{shown} is relative; want an absolute path")));
    }
    let found = match identity(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(invalid(format!("{shown}: {error}"))),
    };
    let is_own = of_file(Path::new(OWN)).is_ok_and(|own| own == found);
    if is_own && !allows_own {
        return Err(invalid(format!(
            "{shown} is the network namespace that the plugin runs in, not a container's; \
             set CNI_NETNS_OVERRIDE=1 if that is meant"
        )));
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_network_namespaces_have_an_identity() {
        let own = identity(Path::new("/proc/self/ns/net")).unwrap();
        assert_eq!(identity(Path::new("/proc/thread-self/ns/net")).unwrap(), own);
        for (path, kind) in [
            ("/proc/self/ns/mnt", io::ErrorKind::InvalidInput),
            ("/dev/null", io::ErrorKind::InvalidInput),
            ("/proc", io::ErrorKind::InvalidInput),
            ("/etc/passwd", io::ErrorKind::InvalidInput),
            ("/nowhere", io::ErrorKind::NotFound),
        ] {
            assert_eq!(identity(Path::new(path)).unwrap_err().kind(), kind, "{path}");
        }
    }

    #[test]
    fn the_own_namespace_is_refused_unless_allowed() {
        let own = Path::new("/proc/self/ns/net");
        assert_eq!(check(own, false).unwrap_err().code, Code::INVALID_NETNS);
        assert!(check(own, true).unwrap().is_some());
        assert_eq!(check(Path::new("/nowhere"), false), Ok(None));
        assert_eq!(check(Path::new("nowhere"), false).unwrap_err().code, Code::INVALID_NETNS);
        assert_eq!(
            check(Path::new("/proc/self/ns/mnt"), true).unwrap_err().code,
            Code::INVALID_NETNS
        );
    }
}
