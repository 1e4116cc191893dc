//! Finds the files that an import pattern names.
//!
//! A pattern is a path with at most one `*` (any run of characters) and at most one `?` (any one character);
//! neither crosses a `/` nor matches a leading dot, so the `..data` links of a mounted ConfigMap stay out.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Files;

/// What an import's argument asks for, if it is no snippet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Exactly this file.
    File(PathBuf),
    /// Every file that matches.
    Pattern(PathBuf),
}

/// Reads an import's argument; a relative path starts at `base`. Fails with a text on patterns that are too wide.
pub(super) fn target(base: &Path, text: &str) -> Result<Target, &'static str> {
    let stars = text.matches('*').count();
    let marks = text.matches('?').count();
    if stars > 1 || marks > 1 {
        return Err("a pattern takes at most one '*' and one '?'");
    }
    if text.contains('[') && text.contains(']') {
        return Err("a pattern knows '*' and '?' but no '[]'");
    }
    let path = tidy(&base.join(text));
    match stars + marks {
        0 => Ok(Target::File(path)),
        _ => Ok(Target::Pattern(path)),
    }
}

/// Resolves `.` and `..` by text alone, so that one file has one path and cycles are found.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        let last = tidied.components().next_back();
        match (component, last) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                tidied.pop();
            }
            (other, _) => tidied.push(other),
        }
    }
    tidied
}

/// What a pattern found.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// The paths that match, sorted.
    pub(super) paths: Vec<PathBuf>,
    /// The directories looked into.
    pub(super) directories: Vec<PathBuf>,
}

/// Walks a pattern component by component. Directories that do not exist match nothing; one that cannot be
/// listed is an error with its path.
pub(super) fn expand(files: &dyn Files, pattern: &Path) -> Result<Matches, (PathBuf, io::Error)> {
    let mut directories = Vec::new();
    let mut paths = vec![PathBuf::new()];
    let mut is_certain = true;
    let mut components = pattern.components().peekable();
    while let Some(component) = components.next() {
        let wanted = component.as_os_str();
        let is_last = components.peek().is_none();
        if !is_wild(wanted) && (is_certain || !is_last) {
            paths.iter_mut().for_each(|path| path.push(wanted));
            continue;
        }
        is_certain = false;
        let mut found = Vec::new();
        for directory in paths {
            let names = list(files, &directory).map_err(|error| (directory.clone(), error))?;
            let matching = names.iter().filter(|name| is_match(wanted, name));
            found.extend(matching.map(|name| directory.join(name)));
            directories.push(directory);
        }
        paths = found;
    }
    Ok(Matches { paths, directories })
}

fn is_wild(component: &OsStr) -> bool {
    component.to_string_lossy().contains(['*', '?'])
}

fn list(files: &dyn Files, directory: &Path) -> io::Result<Vec<OsString>> {
    match files.list(directory) {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Vec::new()),
            _ => Err(error),
        },
    }
}

/// Whether a name matches one component of a pattern, which holds at most one `*`.
fn is_match(component: &OsStr, name: &OsStr) -> bool {
    let (component, name) = (component.to_string_lossy(), name.to_string_lossy());
    if name.starts_with('.') && !component.starts_with('.') {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (before, after) = match component.split_once('*') {
        Some((before, after)) => (before, Some(after)),
        None => (component.as_ref(), None),
    };
    let before: Vec<char> = before.chars().collect();
    let Some(after) = after else {
        return before.len() == name.len() && are_equal(&before, &name);
    };
    let after: Vec<char> = after.chars().collect();
    name.len() >= before.len() + after.len()
        && are_equal(&before, &name[..before.len()])
        && are_equal(&after, &name[name.len() - after.len()..])
}

fn are_equal(pattern: &[char], name: &[char]) -> bool {
    let is_equal = |(wanted, char): (&char, &char)| *wanted == '?' || wanted == char;
    pattern.iter().zip(name).all(is_equal)
}

#[cfg(test)]
mod tests {
    use super::super::files::memory::MemoryFiles;
    use super::*;

    #[test]
    fn matches_names() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", ".a", false),
            ("*", "..data", false),
            (".*", ".a", true),
            ("?a", ".a", false),
            ("*.server", "x.server", true),
            ("*.server", ".server", false),
            ("*.server", "x.override", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?", "aü", true),
            ("?*.x", "1.x", true),
            ("?*.x", "é.x", true),
            ("plain", "plain", true),
        ] {
            let found = is_match(OsStr::new(pattern), OsStr::new(name));
            assert_eq!(found, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn tidies_paths() {
        for (path, expected) in
            [("a/./b/../c", "a/c"), ("/../a", "/a"), ("../../a", "../../a"), ("a//b", "a/b")]
        {
            assert_eq!(tidy(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn tells_files_from_patterns() {
        let base = Path::new("/etc/coredns");
        let file = Target::File("/etc/coredns/a".into());
        assert_eq!(target(base, "./a"), Ok(file));
        let pattern = Target::Pattern("/etc/x/*.b".into());
        assert_eq!(target(base, "../x/*.b"), Ok(pattern));
        for refused in ["*.*", "a?b?", "[ab]"] {
            assert!(target(base, refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn walks_directories_in_order() {
        let paths = ["/d/b/x.conf", "/d/a/x.conf", "/d/a/y.conf", "/d/c/y.conf", "/d/f"];
        let files = MemoryFiles::new(paths.map(|path| (path, "")));
        let found = |pattern: &str| expand(&files, Path::new(pattern)).unwrap();
        let expected: [PathBuf; 2] = ["/d/a/x.conf".into(), "/d/b/x.conf".into()];
        assert_eq!(found("/d/*/x.conf").paths, expected);
        let expected: [PathBuf; 2] = ["/d/a/x.conf".into(), "/d/a/y.conf".into()];
        assert_eq!(found("/d/a/?.conf").paths, expected);
        let missing = found("/nowhere/*");
        assert!(missing.paths.is_empty());
        assert_eq!(missing.directories, [PathBuf::from("/nowhere")]);
    }
}
