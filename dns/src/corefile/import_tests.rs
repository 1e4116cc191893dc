//! Imports of files and patterns.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::files::memory::MemoryFiles;
use super::limits::MAX_IMPORT_DEPTH;
use super::outline::{environment, outline, parse_with, refusal};
use super::{Files, parse};

fn files() -> MemoryFiles {
    MemoryFiles::new([
        ("/etc/coredns/hosts", "hosts\nlog"),
        ("/etc/coredns/sub/one", "import two\n"),
        ("/etc/coredns/sub/two", "two 2"),
        ("/etc/coredns/empty", "# nothing\n"),
        ("/etc/coredns/custom/b.override", "b"),
        ("/etc/coredns/custom/a.override", "a 1"),
        ("/etc/coredns/custom/.hidden.override", "hidden"),
        ("/etc/coredns/custom/..data/c.override", "data"),
        ("/etc/coredns/custom/x.server", "x.org {\n whoami\n}\n"),
        ("/etc/coredns/custom/y.server", "y.org {\n log\n}\n"),
        ("/etc/coredns/keys", "k1, k2,"),
        ("/etc/coredns/snippets", "(s) {\n from file\n import sub/two\n}"),
        ("/etc/coredns/self", "a\nimport self"),
        ("/etc/coredns/ping", "import sub/pong"),
        ("/etc/coredns/sub/pong", "import ../ping"),
        ("/etc/coredns/cross/a", "import b"),
        ("/etc/coredns/cross/b", "b"),
        ("/etc/coredns/broken", "a {\n"),
        ("/etc/coredns/extra", "a\n}"),
        ("/other/file", "other"),
    ])
}

#[test]
fn imports_replace_their_line() {
    for (text, expected) in [
        (". {\n import hosts\n z\n}", ".{hosts; log; z}"),
        (". {\n import ./hosts\n}", ".{hosts; log}"),
        (". {\n import /other/file\n}", ".{other}"),
        (". {\n import empty\n z\n}", ".{z}"),
        // Relative to the importing file, not to the entry file.
        (". {\n import sub/one\n}", ".{two 2}"),
        (". {\n import {$FILE}\n}", ".{two 2}"),
        (". {\n a {\n  import hosts\n }\n}", ".{a{hosts; log}}"),
        ("import custom/x.server\n. {\n}", "x.org{whoami} .{}"),
        (". {\n}\nimport custom/*.server", ".{} x.org{whoami} y.org{log}"),
        (". {\n import custom/*.override\n}", ".{a 1; b}"),
        (". {\n import custom/?.override\n}", ".{a 1; b}"),
        (". {\n import cust*/a.override\n}", ".{a 1}"),
        (". {\n import cross/*\n}", ".{b; b}"),
        ("import keys\nk3 {\n}", "k1 k2 k3{}"),
        // A snippet's relative imports belong to the file that holds the snippet.
        ("import snippets\n. {\n import s\n}", ".{from file; two 2}"),
        // A snippet hides a file of the same name.
        ("(hosts) {\n s\n}\n. {\n import hosts\n}", ".{s}"),
        // Imported braces count like braces written in place.
        (". {\n import extra\n", ".{a}"),
    ] {
        let corefile = parse_with(text, &files()).unwrap();
        assert_eq!(outline(&corefile), expected, "{text:?}");
        assert!(corefile.warnings.is_empty(), "{text:?}");
    }
}

#[test]
fn refusals_name_the_file_and_line() {
    for (text, expected) in [
        (
            ".\nimport none",
            "2 - File to import not found: none; there is no file /etc/coredns/none",
        ),
        (".\nimport custom", "2 - Could not import /etc/coredns/custom: "),
        (".\nimport cust*", "2 - Could not import /etc/coredns/custom: "),
        (".\nimport */*", "2 - Cannot import '*/*': a pattern takes at most one '*'"),
        (".\nimport ??", "2 - Cannot import '??': a pattern takes at most one '*' and one '?'"),
        (".\nimport [ab]", "2 - Cannot import '[ab]': a pattern knows"),
        (".\nimport self", "/etc/coredns/self:2 - Import cycle: 'self'"),
        (".\nimport ping", "/etc/coredns/sub/pong:1 - Import cycle: '../ping'"),
        (".\nimport Corefile", "2 - Import cycle: 'Corefile'"),
        (". {\n import broken\n}", "1 - Unexpected end of file"),
        (". {\n import extra\n}", "3 - Unexpected '}'"),
    ] {
        let message = refusal(parse_with(text, &files()));
        assert!(message.starts_with(expected), "{text:?}: {message}");
    }
}

#[test]
fn patterns_without_files_warn_once() {
    let text = ". {\n import custom/*.none\n}\nimport nowhere/*.server";
    let corefile = parse_with(text, &files()).unwrap();
    assert_eq!(outline(&corefile), ".{}");
    let warnings: Vec<String> = corefile.warnings.iter().map(ToString::to_string).collect();
    let text =
        "/etc/coredns/Corefile:2 - Warning: No files match the import pattern 'custom/*.none'";
    assert_eq!((warnings.len(), warnings[0].as_str()), (2, text));
    let text = "(s) {\n import *.none\n}\na {\n import s\n}\nb {\n import s\n}";
    assert_eq!(parse_with(text, &files()).unwrap().warnings.len(), 1);
}

#[test]
fn records_what_a_reload_watches() {
    let text = ". {\n import sub/one\n import sub/two\n import custom/*.override\n import no/*\n}";
    let corefile = parse_with(text, &files()).unwrap();
    let below = |name: &&str| Path::new("/etc/coredns").join(name);
    let names = ["Corefile", "sub/one", "sub/two", "custom/a.override", "custom/b.override"];
    let expected: Vec<PathBuf> = names.iter().map(below).collect();
    assert_eq!(corefile.files, expected);
    let expected: Vec<PathBuf> = ["custom", "no"].iter().map(below).collect();
    assert_eq!(corefile.directories, expected);
    let token = &corefile.blocks[0].directives[0].name;
    assert_eq!(token.position.to_string(), "/etc/coredns/sub/two:1");
}

#[test]
fn relative_entries_import_from_the_working_directory() {
    let files = MemoryFiles::new([("conf/a", "x"), ("b", "y")]);
    let parsed = |entry: &str, text: &str| {
        let parsed = parse(Path::new(entry), text.as_bytes(), &files, &environment);
        outline(&parsed.unwrap())
    };
    assert_eq!(parsed("stdin", ".\nimport conf/a"), ".{x}");
    assert_eq!(parsed("conf/Corefile", ".\nimport a\nimport ../b"), ".{x; y}");
}

/// Every file imports one with a longer name: a chain without end and without a repetition.
struct Endless;

impl Files for Endless {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("import {name}x").into_bytes())
    }

    fn list(&self, _directory: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn bounds_and_failures_of_the_source() {
    let message = |text: &[u8]| {
        let parsed = parse(Path::new("/c"), text, &Endless, &environment);
        parsed.unwrap_err().to_string()
    };
    let expected = format!("Imports nest deeper than {MAX_IMPORT_DEPTH}");
    assert!(message(b".\nimport x").contains(&expected));
    let expected = "/c:2 - Error during parsing: Could not import /d: permission denied";
    assert_eq!(message(b".\nimport d/*"), expected);
}
