//! Loads what an import names and keeps the record of everything read.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lexer::{Lexeme, lex, lex_past_faults};
use super::limits::Budget;
use super::pattern::{self, Target};
use super::{CorefileError, Files, Position, Token, Warning};

/// A file's tokens.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) lexemes: Arc<[Lexeme]>,
}

/// What a parse depended on beside the tokens themselves.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) files: Vec<PathBuf>,
    pub(super) directories: Vec<PathBuf>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads each file once, so that one parse sees one version of it however often it is imported.
pub(super) struct Loader<'a> {
    files: &'a dyn Files,
    read: BTreeMap<PathBuf, Arc<[Lexeme]>>,
    record: Record,
    /// The faults of texts past which reading goes on; without it the first one is an error.
    faults: Option<Vec<CorefileError>>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(files: &'a dyn Files) -> Self {
        Self { files, read: BTreeMap::new(), record: Record::default(), faults: None }
    }

    /// Returns a loader that remembers what is wrong in the texts and reads on.
    pub(super) fn past_faults(files: &'a dyn Files) -> Self {
        Self { faults: Some(Vec::new()), ..Self::new(files) }
    }

    /// Takes the faults of the texts read since the last time.
    pub(super) fn take_faults(&mut self) -> Vec<CorefileError> {
        self.faults.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Says whether there is a fault at a position.
    pub(super) fn has_fault_at(&self, position: &Position) -> bool {
        let mut faults = self.faults.iter().flatten();
        faults.any(|fault| fault.position() == position)
    }

    fn lex(&mut self, file: &Arc<Path>, bytes: &[u8]) -> Result<Arc<[Lexeme]>, CorefileError> {
        let Some(all) = &mut self.faults else { return Ok(lex(file, bytes)?.into()) };
        let (lexemes, faults) = lex_past_faults(file, bytes)?;
        all.extend(faults);
        Ok(lexemes.into())
    }

    pub(super) fn into_record(self) -> Record {
        self.record
    }

    /// Takes the entry file, whose bytes the caller has.
    pub(super) fn entry(
        &mut self,
        path: &Path,
        bytes: &[u8],
        budget: &mut Budget,
    ) -> Result<Source, CorefileError> {
        let file = Arc::from(path);
        let start = Position { file: Arc::clone(&file), line: 1 };
        budget.spend_bytes(bytes.len(), &start)?;
        let lexemes = self.lex(&file, bytes)?;
        self.record.files.push(path.to_owned());
        let path = pattern::tidy(path);
        self.read.insert(path.clone(), Arc::clone(&lexemes));
        Ok(Source { path, lexemes })
    }

    /// Loads the file or files an import's argument names, sorted by path. No file for a pattern is a warning,
    /// no file for a plain path an error.
    pub(super) fn import(
        &mut self,
        argument: &Token,
        budget: &mut Budget,
    ) -> Result<Vec<Source>, CorefileError> {
        let base = argument.position.file.parent().unwrap_or(Path::new(""));
        let target = pattern::target(base, &argument.text)
            .map_err(|text| argument.error(format!("Cannot import '{}': {text}", argument.text)))?;
        let paths = match target {
            Target::File(path) => vec![path],
            Target::Pattern(pattern) => self.matches(&pattern, argument)?,
        };
        budget.spend_files(paths.len().max(1), &argument.position)?;
        let load = |path| self.load(path, argument, budget);
        paths.into_iter().map(load).collect()
    }

    fn matches(&mut self, pattern: &Path, argument: &Token) -> Result<Vec<PathBuf>, CorefileError> {
        let matches = pattern::expand(self.files, pattern)
            .map_err(|(path, source)| import_error(argument, path, source))?;
        for directory in matches.directories {
            if !self.record.directories.contains(&directory) {
                self.record.directories.push(directory);
            }
        }
        if matches.paths.is_empty() {
            let position = argument.position.clone();
            let text = format!("No files match the import pattern '{}'", argument.text);
            let warning = Warning { position, text };
            if !self.record.warnings.contains(&warning) {
                self.record.warnings.push(warning);
            }
        }
        Ok(matches.paths)
    }

    fn load(
        &mut self,
        path: PathBuf,
        argument: &Token,
        budget: &mut Budget,
    ) -> Result<Source, CorefileError> {
        if let Some(lexemes) = self.read.get(&path) {
            let lexemes = Arc::clone(lexemes);
            return Ok(Source { path, lexemes });
        }
        let bytes = self
            .files
            .read(&path)
            .map_err(|source| import_error(argument, path.clone(), source))?;
        budget.spend_bytes(bytes.len(), &argument.position)?;
        let lexemes = self.lex(&Arc::from(path.as_path()), &bytes)?;
        self.record.files.push(path.clone());
        self.read.insert(path.clone(), Arc::clone(&lexemes));
        Ok(Source { path, lexemes })
    }
}

fn import_error(argument: &Token, path: PathBuf, source: io::Error) -> CorefileError {
    if source.kind() == io::ErrorKind::NotFound {
        return argument.error(format!(
            "File to import not found: {}; there is no file {} and no snippet of that name above",
            argument.text,
            path.display()
        ));
    }
    CorefileError::Import { position: argument.position.clone(), path, source }
}
