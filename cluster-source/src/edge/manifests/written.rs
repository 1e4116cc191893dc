//! Objects of one kind in manifests, as they are written, read once.

use std::io;
use std::path::Path;

use super::files::Files;
use super::loader::read;
use crate::SourceError;
use crate::manifests::written::Written;

/// Reads the objects of a kind (`v1`, `Pod`) at a path, which is a manifest file or a directory of them, as a source
/// finds them. What is there and cannot be read is among the problems.
///
/// # Errors
/// The path itself cannot be read.
pub fn written_at(path: &Path, of: (&str, &str)) -> Result<Written, SourceError> {
    let not_readable = |source: io::Error| SourceError::Manifests { path: path.to_owned(), source };
    let files = Files::find(path).map_err(not_readable)?;
    let mut all = Written::default();
    for (path, problem) in files.faults {
        all.problems.push(format!("{}: {problem}; make it readable", path.display()));
    }
    for file in files.found {
        let name = file.path.display().to_string();
        match read(&file.path) {
            Ok(text) => {
                let written = Written::read_as(&text, file.format, &name, of);
                all.objects.extend(written.objects);
                all.problems.extend(written.problems);
            }
            Err(problem) => all.problems.push(format!("{name}: {problem}; make it readable")),
        }
    }
    Ok(all)
}
