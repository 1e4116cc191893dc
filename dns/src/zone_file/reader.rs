//! From the entries of a zone file to records.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hickory_proto::rr::{Name, RData, Record};

use super::generate::Generate;
use super::lexer::{Entry, Lexer, Word};
use super::{MAX_DEPTH, MAX_INCLUDES, MAX_RECORDS, ZoneFileError, data, types};
use crate::corefile::Files;

/// Reads a file and what it includes.
pub(super) fn read(
    path: &Path,
    octets: &[u8],
    origin: &Name,
    files: &dyn Files,
    receive: &mut dyn FnMut(Record) -> Result<(), String>,
) -> Result<(), ZoneFileError> {
    let mut whole = Whole { files, receive, includes: 0, records: 0, minimum: None };
    let state = State { origin: origin.clone(), owner: None, default_ttl: None, last_ttl: None };
    File { path, depth: 0, state, whole: &mut whole }.read(octets)
}

/// What a file shares with those that it includes.
struct Whole<'a> {
    files: &'a dyn Files,
    receive: &'a mut dyn FnMut(Record) -> Result<(), String>,
    includes: usize,
    records: usize,
    /// The MINIMUM of the SOA record.
    minimum: Option<u32>,
}

/// What entries leave for those after them.
#[derive(Clone)]
struct State {
    origin: Name,
    owner: Option<Name>,
    /// `$TTL`.
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
}

/// One file.
struct File<'a, 'w> {
    path: &'a Path,
    depth: usize,
    state: State,
    whole: &'a mut Whole<'w>,
}

/// Why an entry cannot be used: its own problem, or one of a file that it includes.
enum Problem {
    Own(String),
    Included(ZoneFileError),
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Own(problem)
    }
}

impl From<&str> for Problem {
    fn from(problem: &str) -> Self {
        Self::Own(problem.to_owned())
    }
}

impl File<'_, '_> {
    fn read(&mut self, octets: &[u8]) -> Result<(), ZoneFileError> {
        let mut lexer = Lexer::new(octets);
        loop {
            let entry = lexer.next_entry();
            let entry = entry.map_err(|error| self.error(error.line, error.problem.into()))?;
            let Some(entry) = entry else { return Ok(()) };
            self.entry(&entry).map_err(|problem| match problem {
                Problem::Own(problem) => self.error(entry.line, problem),
                Problem::Included(error) => error,
            })?;
        }
    }

    fn error(&self, line: usize, problem: String) -> ZoneFileError {
        ZoneFileError { file: self.path.to_owned(), line, problem }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Problem> {
        let Some((first, rest)) = entry.words.split_first() else { return Ok(()) };
        if entry.is_indented {
            return Ok(self.record(&entry.words)?);
        }
        if first.is_quoted || !first.octets.starts_with(b"$") {
            self.state.owner = Some(first.name(&self.state.origin)?);
            return Ok(self.record(rest)?);
        }
        match (first.octets.to_ascii_uppercase().as_slice(), rest) {
            (b"$ORIGIN", [name]) => self.state.origin = name.name(&self.state.origin)?,
            (b"$TTL", [ttl]) => self.state.default_ttl = Some(ttl.ttl()?),
            (b"$INCLUDE", [file]) => self.include(file, None)?,
            (b"$INCLUDE", [file, origin]) => {
                let origin = origin.name(&self.state.origin)?;
                self.include(file, Some(origin))?;
            }
            (b"$GENERATE", [range, left, rest @ ..]) => self.generate(range, left, rest)?,
            (b"$ORIGIN", _) => return Err("write $ORIGIN NAME".into()),
            (b"$TTL", _) => return Err("write $TTL SECONDS".into()),
            (b"$INCLUDE", _) => return Err("write $INCLUDE FILE [ORIGIN]".into()),
            (b"$GENERATE", _) => {
                return Err("write $GENERATE FIRST-LAST[/STEP] OWNER TYPE DATA".into());
            }
            _ => {
                return Err(Problem::Own(format!(
                    "unknown directive '{}'; there is $ORIGIN, $TTL, $INCLUDE and $GENERATE",
                    first.show()
                )));
            }
        }
        Ok(())
    }

    /// Reads another file in this place; nothing of its state comes back (RFC 1035 §5.1).
    fn include(&mut self, file: &Word<'_>, origin: Option<Name>) -> Result<(), Problem> {
        if self.depth == MAX_DEPTH || self.whole.includes == MAX_INCLUDES {
            return Err(Problem::Own(format!(
                "more than {MAX_INCLUDES} included files, or more than {MAX_DEPTH} within each other; \
                 include fewer"
            )));
        }
        self.whole.includes += 1;
        let name = file.text()?;
        let name = Path::new(OsStr::from_bytes(&name));
        let path = self.path.parent().map_or_else(|| name.to_owned(), |parent| parent.join(name));
        let octets = self.whole.files.read(&path).map_err(|error| {
            format!("cannot read {}: {error}; check its path and mode", path.display())
        })?;
        let mut state = self.state.clone();
        state.origin = origin.unwrap_or(state.origin);
        let whole = &mut *self.whole;
        let mut included = File { path: &path, depth: self.depth + 1, state, whole };
        included.read(&octets).map_err(Problem::Included)
    }

    fn generate(
        &mut self,
        range: &Word<'_>,
        left: &Word<'_>,
        rest: &[Word<'_>],
    ) -> Result<(), Problem> {
        let Some((first, last, step)) = Generate::range(range) else {
            return Err("the range is FIRST-LAST or FIRST-LAST/STEP; correct it".into());
        };
        for number in (first..=last).step_by(step) {
            let generate = Generate { number };
            let owner = generate.word(left)?;
            let words: Vec<(Vec<u8>, bool)> = rest
                .iter()
                .map(|word| generate.word(word).map(|octets| (octets, word.is_quoted)))
                .collect::<Result<_, _>>()?;
            let words: Vec<Word<'_>> = words
                .iter()
                .map(|(octets, is_quoted)| Word { octets, is_quoted: *is_quoted })
                .collect();
            let owner = Word { octets: &owner, is_quoted: false }.name(&self.state.origin)?;
            self.state.owner = Some(owner);
            self.record(&words)?;
        }
        Ok(())
    }

    /// Reads `[TTL] [class] type data` in any order of the first two.
    fn record(&mut self, words: &[Word<'_>]) -> Result<(), String> {
        let (mut ttl, mut rest) = (None, words);
        let (rtype, rest) = loop {
            let (word, after) = rest.split_first().ok_or("a record needs a type; add it")?;
            if let Some(rtype) = word.record_type() {
                break (rtype, after);
            }
            if word.is_ttl() && ttl.is_none() {
                ttl = Some(word.ttl()?);
            } else if !is_internet(word)? {
                return Err(format!(
                    "'{}' is no type of records; correct it, or write TYPE and its number",
                    word.show()
                ));
            }
            rest = after;
        };
        if !types::is_data(rtype) {
            return Err(format!("a zone has no records of type {rtype}; remove the line"));
        }
        let data = data::parse(rtype, rest, &self.state.origin)?;
        let owner = self.state.owner.clone();
        let owner =
            owner.ok_or("no record is above whose owner could be meant; write the owner")?;
        let ttl = self.ttl(ttl, &data)?;
        self.whole.records += 1;
        if self.whole.records > MAX_RECORDS {
            return Err(format!("more than {MAX_RECORDS} records; split the zone"));
        }
        (self.whole.receive)(Record::from_rdata(owner, ttl, data))
    }

    /// Returns the TTL of a record: its own, that of `$TTL`, that of the record before, or the MINIMUM of the SOA
    /// record (RFC 1035 §5.1, RFC 2308 §4).
    fn ttl(&mut self, own: Option<u32>, data: &RData) -> Result<u32, String> {
        if let RData::SOA(soa) = data {
            self.whole.minimum = Some(soa.minimum.min(super::word::MAX_TTL));
        }
        self.state.last_ttl = own.or(self.state.last_ttl);
        let state = &self.state;
        let ttl = own.or(state.default_ttl).or(state.last_ttl).or(self.whole.minimum);
        ttl.ok_or_else(|| "the record has no TTL; write one, or $TTL above".into())
    }
}

/// Says whether a word is the class IN.
///
/// # Errors
/// It is another class.
fn is_internet(word: &Word<'_>) -> Result<bool, String> {
    match word.octets.to_ascii_uppercase().as_slice() {
        b"IN" | b"CLASS1" => Ok(true),
        b"CH" | b"CS" | b"HS" => {
            Err(format!("only the class IN is served, not {}; remove the record", word.show()))
        }
        _ => Ok(false),
    }
}
