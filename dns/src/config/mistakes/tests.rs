//! What is found in Corefiles with mistakes.

use super::*;
use crate::corefile::DiskFiles;

fn found(text: &str) -> Vec<String> {
    let around = Surroundings { files: &DiskFiles, interfaces: &[], default_port: 53 };
    let entry = (Path::new("Corefile"), text.as_bytes());
    let examined = examine(entry, around, &|_| None).unwrap();
    let is_whole = examined.sound.is_some_and(|sound| sound.corefile == examined.corefile);
    assert!(is_whole || !examined.mistakes.is_empty());
    let shown =
        |mistake: &CorefileError| format!("{} {}", mistake.position().line, mistake.problem());
    examined.mistakes.iter().map(shown).collect()
}

/// Asserts that exactly these mistakes are found, each by its line and a part of its text.
fn assert_found(text: &str, expected: &[(u32, &str)]) {
    let found = found(text);
    let is = |(found, (line, part)): (&String, &(u32, &str))| {
        found.starts_with(&format!("{line} ")) && found.contains(part)
    };
    assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
    assert!(found.iter().zip(expected).all(is), "{text}\n{found:#?}");
}

#[test]
fn every_line_of_a_directive_is_judged() {
    assert_found(
        ". {\ncache 30 {\nsuces 1\ndenial x\nprefetch\n}\nforward . 9.9.9.9 {\nmax_fail 1\npolicy best\n}\n}\n",
        &[(3, "suces"), (4, "'x'"), (5, "prefetch"), (8, "max_fail"), (9, "best")],
    );
}

#[test]
fn every_directive_of_a_plugin_is_judged() {
    assert_found(
        ". {\nforward . 1.2.3\nforward b 9.9.9.9\nforward c 1.2.3.4.5\nrewrite nam a b\nrewrite tipe A B\n}\n",
        &[(2, "1.2.3"), (4, "1.2.3.4.5"), (5, "nam"), (6, "tipe")],
    );
}

#[test]
fn what_was_taken_out_makes_no_mistakes() {
    // Without its bad line, `tls` would have no `endpoint`, and k8s_external no `kubernetes`.
    assert_found(
        ". {\nkubernetes cluster.local {\nendpoint ftp://x\ntls a b c\n}\nk8s_external example.org\n}\n",
        &[(3, "ftp://x")],
    );
    assert_found(". {\nkubernetes a..b\nk8s_external example.org\nwhoami\n}\n", &[(2, "a..b")]);
    assert_found(
        "a.example {\nbind nowhere0\nwhoami\n}\na.example {\nbind 127.0.0.1\nwhoami\n}\n",
        &[(2, "nowhere0")],
    );
}

#[test]
fn what_is_independent_is_found_behind_other_mistakes() {
    assert_found(
        "tls://. {\nwhoami x\n}\na {\nerors\n}\na {\nwhoami\n}\n",
        &[(1, "DoT requires TLS"), (2, "whoami"), (5, "erors"), (7, "already defined")],
    );
    assert_found(".:99999 b {\nwhoami x\n}\n", &[(1, "99999"), (2, "whoami")]);
}

#[test]
fn a_snippet_is_judged_once() {
    assert_found(
        "(s) {\nlog {\nklass all\n}\n}\na {\nimport s\n}\nb {\nimport s\n}\n",
        &[(3, "klass")],
    );
}

#[test]
fn mistakes_before_one_of_the_grammar_are_found() {
    assert_found(
        "a {\nerors\n}\ntls://b {\nwhoami x\nk8s_external b\nlog\n{\nclass all\n}\n}\n",
        &[
            (2, "erors"),
            (4, "requires TLS"),
            (5, "whoami"),
            (6, "kubernetes"),
            (8, "Unexpected '{'"),
        ],
    );
    assert_found("a {\nerors\n", &[(1, "never closed"), (2, "erors")]);
}

#[test]
fn what_is_refused_for_another_reason_is_judged_too() {
    assert_found(
        ". {\nerrors\nerrors {\nconsolidate 5m \"([\"\nstack\n}\nwhoami\n}\n",
        &[(3, "used once"), (4, "is no regular expression"), (5, "stack")],
    );
    assert_found(
        ". {\nforward . 1.2.3 {\nmax_fail 1\nforce_tcp\npolicy best\n}\ncache x..y {\nsuces\n}\n}\n",
        &[(2, "1.2.3"), (3, "max_fail"), (5, "best"), (7, "x..y"), (8, "suces")],
    );
    // Names that only an upstream with TLS has; which one was meant is not known.
    assert_found(
        ". {\nforward . tls://1.2.3.4:x {\ntls_servername dns.example\n}\n}\n",
        &[(2, "no valid port")],
    );
    // Itself without a fault.
    assert_found(". {\nerrors\nerrors {\nstacktrace\n}\nwhoami\n}\n", &[(3, "used once")]);
    assert_found(
        ". {\nkubernetes a\nkubernetes b {\nmulticluster b c\n}\n}\n",
        &[(3, "used once"), (4, "'c.' is no zone")],
    );
    assert_found(
        ". {\nforward . 1.2.3.4:abc https:// 192.0.2.1 grpc://a\n}\n",
        &[(
            2,
            "'1.2.3.4:abc' has no valid port; write a number from 1 to 65535 after the last colon; wrong, too: 'https://' and 'grpc://a'",
        )],
    );
}

#[test]
fn a_plugin_cannot_listen_where_the_server_does() {
    for (directive, bind) in [
        ("prometheus 127.0.0.1:53", ""),
        ("prometheus localhost:53", "bind 127.0.0.1\n"),
        ("health :53", "bind 127.0.0.1\n"),
        ("ready 0.0.0.0:53", "bind 127.0.0.1\n"),
        ("ready [::1]:53", ""),
    ] {
        let text = format!(". {{\n{directive}\n{bind}whoami\n}}\n");
        assert_found(&text, &[(2, "server listens at dns://")][..]);
        assert_found(&text.replace(". {", ".:54 {"), &[]);
        assert_found(&text.replace(". {", "quic://.:53 {\ntls c k"), &[]);
        // Whatever the others say.
        let first = "a.example:54 {\nwhoami\n}\n";
        assert_found(&format!("{first}{text}"), &[(5, "use another port")]);
    }
    for other in ["bind 127.0.0.1\nhealth 127.0.0.2:53", "bind ::1\nready 0.0.0.0:53", "health"] {
        assert_found(&format!(". {{\n{other}\nwhoami\n}}\n"), &[]);
    }
}

#[test]
fn a_mistake_stands_where_it_can_be_mended() {
    assert_found(
        ". {\nkubernetes {\nnamespaces a\nlabels b\nnamespace_labels c\nmulticluster nope.zone\n}\n}\n",
        &[(5, "exclude each other; keep one"), (6, "nope.zone")],
    );
    assert_found(
        ". {\nkubernetes {\nzonal\nnoendpoints\nstrict\nmulticluster other.zone\n}\n}\n",
        &[(4, "keep one of the two"), (6, "other.zone")],
    );
    assert_found(
        ". {\nfederation a b\nqqqqqq\nkubernetes a\nkubernetes b\ncache {\nservfail 1h\n}\n}\n",
        &[
            (2, "'multicluster' in the block of 'kubernetes'"),
            (3, "write a plugin that `-plugins` lists"),
            (5, "remove this one"),
            (7, "write a duration up to 5m"),
        ],
    );
}

#[test]
fn many_mistakes_end() {
    let lines: String = (0..300).map(|number| format!("what{number}\n")).collect();
    assert_eq!(found(&format!(". {{\n{lines}whoami\n}}\n")).len(), 300);
    assert_eq!(found(&format!(". {{\nlog {{\n{lines}}}\n}}\n")).len(), MAX_ROUNDS);
}

#[test]
fn a_good_corefile_has_none() {
    assert_found(". {\nerrors\nwhoami\n}\n", &[]);
}

/// What is wrong with one server block in its grammar, and where: its lines are counted from 1.
const BROKEN: &[(&str, &[(u32, &str)])] = &[
    // Braces that are missing.
    (
        "one.example {\n    errors\n    cache 30 {\n        prefetch 2\n    }\n",
        &[(1, "never closed")],
    ),
    (
        "one.example {\n    cache 30 {\n        suces 1\n    errors\n    log\n}\n",
        &[(2, "never closed"), (3, "suces")],
    ),
    (
        "one.example {\n    hosts {\n        reload 5s\n    reload\n    whoami x\n}\n",
        &[(2, "never closed"), (5, "whoami")],
    ),
    (
        "one.example {\n    cache 30 {\n        prefetch 2\n",
        &[(1, "never closed"), (2, "never closed")],
    ),
    ("one.example, two.example {\n    tls\n", &[(1, "never closed"), (2, "tls")]),
    ("one.example\n    erors\n}\n", &[(2, "erors"), (3, "no block is open")]),
    (
        "one.example {\n    cache 30\n        prefetch 2\n    }\n    errors\n    log x {\n        klass all\n    }\n}\n",
        &[(7, "klass"), (9, "no block is open")],
    ),
    (
        "one.example {\n    whoami x\n    cache 30\n        prefetch 2\n    }\n}\n",
        &[(2, "whoami"), (6, "no block is open")],
    ),
    // Braces that are too many, or in the wrong place.
    ("one.example {\n    erors\n}\n}\n", &[(2, "erors"), (4, "no block is open")]),
    ("}\none.example {\n    erors\n}\n", &[(1, "no block is open"), (3, "erors")]),
    (
        "one.example {\n    cache 30\n    {\n        prefetch x\n    }\n    errors\n}\n",
        &[(3, "Unexpected '{'"), (4, "'x'")],
    ),
    ("one.example { whoami x }\n", &[(1, "whoami"), (1, "line of its own")]),
    (
        "one.example {\n    cache 30 { prefetch 2 }\n    erors\n}\n",
        &[(2, "line of its own"), (3, "erors")],
    ),
    (
        "one.example {\n    cache 30 {\n        prefetch 2\n    } erors\n}\n",
        &[(4, "directive 'erors'"), (4, "after '}'")],
    ),
    // Keys.
    ("{\n    erors\n}\n", &[(1, "no key"), (2, "erors")]),
    ("one.example , two.example {\n    erors\n}\n", &[(1, "before ','"), (2, "erors")]),
    ("one.example, {\n    erors\n}\n", &[(1, "extra comma"), (2, "erors")]),
    ("one.example {\n    \"\" x\n    erors\n}\n", &[(2, "name is empty"), (3, "erors")]),
    // Imports: what they lack may be what another line needs, or the keys of a server block.
    (
        "one.example {\n    import missing\n    k8s_external one.example\n    erors\n}\n",
        &[(2, "not found"), (4, "erors")],
    ),
    ("tls://one.example {\n    import missing\n    erors\n}\n", &[(2, "not found"), (3, "erors")]),
    (
        "one.example {\n    import missing\n    whoami\n}\none.example {\n    whoami x\n}\n",
        &[(2, "not found"), (6, "whoami")],
    ),
    ("one.example {\n    import\n    erors\n}\n", &[(2, "requires"), (3, "erors")]),
    ("one.example {\n    import a b c\n    erors\n}\n", &[(2, "only one argument"), (3, "erors")]),
    (
        "import ./missing.conf\none.example {\n    import of-the-missing\n    erors\n}\n",
        &[(1, "not found"), (4, "erors")],
    ),
    (
        "(own) {\n    import own\n    erors\n}\none.example {\n    import own\n}\n",
        &[(2, "imports itself"), (3, "erors")],
    ),
    // Snippets.
    (
        "(one) {\n    erors\none.example {\n    import one\n    whoami x\n}\n",
        &[(1, "never closed"), (2, "erors"), (5, "whoami")],
    ),
    (
        "(one)\n    erors\n}\none.example {\n    import one\n}\n",
        &[(1, "Expected '{'"), (2, "erors")],
    ),
    (
        "(one) {\n    errors\n}\n(one) {\n    erors\n}\none.example {\n    import one\n    whoami x\n}\n",
        &[(4, "Redeclaration"), (9, "whoami")],
    ),
    ("() {\n    erors\n}\none.example {\n    whoami x\n}\n", &[(1, "needs a name"), (5, "whoami")]),
    // Braces without white space.
    (
        "one.example:53{\n    whoami x\n    log\n}\n",
        &[(1, "space before '{'; write 'one."), (2, "whoami")],
    ),
    (
        "one.example b two.example{\n    whoami x\n}\n",
        &[(1, "space before '{'; write 'two."), (2, "whoami")],
    ),
    (
        "(one){\n    erors\n}\none.example {\n    import one\n}\n",
        &[(1, "write '(one) {'"), (2, "erors")],
    ),
    (
        "one.example {\n    cache{\n        suces 1\n    }\n    whoami x\n}\n",
        &[(2, "write 'cache {'"), (3, "suces"), (5, "whoami")],
    ),
    (
        "one.example {\n    cache 30{\n        suces 1\n    }\n    whoami x\n}\n",
        &[(2, "write '30 {'"), (3, "suces"), (5, "whoami")],
    ),
    ("one.example {\n    whoami x\n}}\n", &[(2, "whoami"), (3, "each '}' on a line")]),
    (
        "one.example {\n    cache {\n        suces 1\n}}\n",
        &[(3, "suces"), (4, "each '}' on a line")],
    ),
    // Quotes.
    (
        "one.example {\n    template IN A {\n        answer \"{{ .Name }} 60 IN A 192.0.2.1\n    }\n    erors\n}\n",
        &[(3, "has no end"), (5, "erors")],
    ),
    (
        "one.example {\n    log . \"{remote}\n    erors\n    log . \"{name}\"\n    whoami \"x\n}\n",
        &[(2, "has no end"), (3, "erors"), (5, "has no end")],
    ),
];

#[test]
fn what_stands_behind_a_mistake_of_the_grammar_is_judged() {
    let before = "(good) {\n    errors\n}\nbefore.example {\n    import good\n    erors\n}\n";
    let after = "after.example:5300 {\n    import good\n    log {\n        klass all\n    }\n    whoami x\n}\n";
    for (broken, expected) in BROKEN {
        let first = u32::try_from(before.lines().count()).unwrap();
        let last = first + u32::try_from(broken.lines().count()).unwrap();
        let mut all = vec![(6, "erors")];
        all.extend(expected.iter().map(|(line, part)| (first + line, *part)));
        all.extend([(last + 4, "klass"), (last + 6, "whoami")]);
        assert_found(&format!("{before}{broken}{after}"), &all);
    }
}

#[test]
fn many_mistakes_of_the_grammar_are_found_at_once() {
    // One after the other, each in server blocks of its own names.
    let (mut text, mut all) = (String::new(), Vec::new());
    let is_alone = |text: &str| {
        // Behind a server block without its end, or with the names of others.
        ["import", "(o", "}", "one.example\n"].iter().any(|start| text.starts_with(start))
    };
    let broken = BROKEN.iter().filter(|(text, _)| !is_alone(text));
    for (index, (broken, expected)) in broken.enumerate() {
        let first = u32::try_from(text.lines().count()).unwrap();
        text.push_str(&broken.replace(".example", &format!(".example{index}")));
        all.extend(expected.iter().map(|(line, part)| (first + line, *part)));
    }
    assert_found(&text, &all);
}

#[test]
fn imported_files_are_judged_past_their_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("blocks"), "a.example {\n    erors\n}\n}\nb.example {\n    whoami x\n")
        .unwrap();
    std::fs::write(path("lines"), "log {\n    klass \"all\n}\nwhoami x\n").unwrap();
    let text = format!(
        "import {}\nc.example {{\n    import {}\n    erors\n}}\n",
        path("blocks"),
        path("lines")
    );
    assert_found(
        &text,
        &[
            (2, "erors"),
            (4, "no block is open"),
            (5, "never closed"),
            (6, "whoami"),
            (2, "has no end"),
            (4, "whoami"),
            (4, "erors"),
        ],
    );
}

#[test]
fn the_number_of_mistakes_of_the_grammar_is_bounded() {
    let text = "}\n".repeat(crate::corefile::limits::MAX_GRAMMAR_ERRORS + 10);
    assert_eq!(found(&text).len(), crate::corefile::limits::MAX_GRAMMAR_ERRORS + 1);
}

#[test]
fn keys_without_a_brace_before_another_server_block() {
    assert_found(
        "a.example\n    erors\nb.example {\n    whoami x\n}\n}\n",
        &[(1, "Expected '{'"), (2, "erors"), (4, "whoami"), (6, "no block is open")],
    );
}
