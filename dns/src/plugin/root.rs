//! `root`: the directory that relative paths of other plugins start from.

use std::path::{Path, PathBuf};

use super::arguments;
use crate::corefile::{CorefileError, Directive};

/// The `root` directive of a server block.
///
/// ```text
/// root PATH
/// ```
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Root {
    /// The directory; relative to the working directory of the process. None without `root`.
    path: Option<PathBuf>,
}

impl Root {
    /// Reads the `root` directives of a server block; the last counts.
    ///
    /// # Errors
    /// There is no path, more than one, or a block.
    pub fn parse(directives: &[&Directive]) -> Result<Self, CorefileError> {
        let mut root = Self::default();
        for directive in directives {
            arguments::no_block(directive)?;
            root.path = Some(PathBuf::from(&arguments::single(directive)?.text));
        }
        Ok(root)
    }

    /// Returns the directory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns a path that a directive names; an absolute one stays as it is.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        // `Path::join` with an absolute path is that path.
        self.path.as_ref().map_or_else(|| path.as_ref().to_owned(), |root| root.join(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_refused, configure};

    #[test]
    fn relative_paths_start_at_the_root() {
        let root = configure("root /etc/coredns/zones\nroot /srv", Root::parse).unwrap();
        assert_eq!(root.path(), Some(Path::new("/srv")), "the last counts");
        assert_eq!(root.join("db.example"), Path::new("/srv/db.example"));
        assert_eq!(root.join("/etc/hosts"), Path::new("/etc/hosts"));
        let none = Root::default();
        assert_eq!((none.path(), none.join("a/b")), (None, PathBuf::from("a/b")));
        assert_refused(
            Root::parse,
            &[
                ("root", "root needs an argument"),
                ("root a b", "remove 'b'"),
                ("root a {\n}", "remove the braces"),
            ],
        );
    }
}
