//! Replaces a file as a whole.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Result;

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It is read.
    Data,
    /// It is run.
    Program,
}

impl Purpose {
    fn mode(self) -> u32 {
        match self {
            Self::Data => 0o644,
            Self::Program => 0o755,
        }
    }
}

/// Gives a file these octets, unless it has them: readers see the old file or the new one, never a part, whenever the process
/// or the machine ends; a program that is running goes on. Folders that are missing are made.
///
/// # Errors
/// It cannot be written; the file is as it was.
pub(super) fn replace(path: &Path, octets: &[u8], purpose: Purpose) -> Result<()> {
    let is_usable = |file: &fs::Metadata| {
        purpose == Purpose::Data || file.permissions().mode() & 0o777 == purpose.mode()
    };
    if fs::metadata(path).is_ok_and(|file| is_usable(&file))
        && fs::read(path).is_ok_and(|present| present == octets)
    {
        return Ok(());
    }
    put(path, octets, purpose).map_err(|error| {
        let remedy = remedy(&error, owned(folder_of(path)), own_user());
        anyhow::Error::new(error).context(format!("cannot write {}; {remedy}", path.display()))
    })
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Returns the folder, or the nearest above it that there is, and the user to whom it belongs.
fn owned(folder: &Path) -> Option<(&Path, u32)> {
    folder.ancestors().find_map(|folder| Some((folder, fs::metadata(folder).ok()?.uid())))
}

/// Returns the user that this process runs as (proc(5): its files belong to the effective one).
fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|process| process.uid())
}

/// Says what to do about a folder that cannot be written to. Without `DAC_OVERRIDE` root is a user like others, and
/// `/opt/cni/bin` often belongs to whoever packed the archive that it is from.
fn remedy(error: &std::io::Error, owned: Option<(&Path, u32)>, user: Option<u32>) -> String {
    match owned {
        Some((folder, owner))
            if error.kind() == ErrorKind::PermissionDenied && user == Some(0) && owner != 0 =>
        {
            let folder = folder.display();
            format!(
                "{folder} belongs to user {owner}, and without the capability DAC_OVERRIDE root may not write there; run \
                 `chown root:root {folder}` on the node, or add the capability"
            )
        }
        _ => "make its folder writable for this process".to_owned(),
    }
}

fn put(path: &Path, octets: &[u8], purpose: Purpose) -> std::io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    // In the same folder, because only there a rename replaces at once; with a dot, so that nobody loads it.
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = folder.join(name);
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(purpose.mode()).open(&temporary)?;
    if purpose == Purpose::Program {
        // Whatever the umask, and a file that an earlier process has left.
        file.set_permissions(Permissions::from_mode(purpose.mode()))?;
    }
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_without_its_capability_is_told_whose_the_folder_is() {
        let folder = Path::new("/opt/cni/bin");
        let told = |kind: ErrorKind, owner, user| remedy(&kind.into(), owner, user);
        let denied = ErrorKind::PermissionDenied;
        assert_eq!(
            told(denied, Some((folder, 1001)), Some(0)),
            "/opt/cni/bin belongs to user 1001, and without the capability DAC_OVERRIDE root may not write there; run \
             `chown root:root /opt/cni/bin` on the node, or add the capability"
        );
        for (kind, owner, user) in [
            (denied, Some((folder, 0)), Some(0)),
            (denied, Some((folder, 1001)), Some(65532)),
            (denied, None, Some(0)),
            (denied, Some((folder, 1001)), None),
            (ErrorKind::StorageFull, Some((folder, 1001)), Some(0)),
        ] {
            assert_eq!(told(kind, owner, user), "make its folder writable for this process");
        }
    }

    #[test]
    fn a_folder_that_is_missing_is_that_of_who_has_the_one_above() {
        let root = tempfile::tempdir().unwrap();
        let owner = fs::metadata(root.path()).unwrap().uid();
        let file = root.path().join("a/b/file");
        assert_eq!(owned(folder_of(&file)), Some((root.path(), owner)));
        assert_eq!(own_user(), Some(owner), "this process has made it");
        assert_eq!(folder_of(Path::new("file")), Path::new("."));
    }
}
