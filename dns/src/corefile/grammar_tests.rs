//! The grammar without files: blocks, keys, directives, snippets, environment.

use super::limits::MAX_NESTING;
use super::outline::{outline, parse_alone, refusal};

fn assert_accepted(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        match parse_alone(text) {
            Ok(corefile) => assert_eq!(outline(&corefile), *expected, "{text:?}"),
            Err(error) => panic!("{text:?} refused: {error}"),
        }
    }
}

fn assert_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let message = refusal(parse_alone(text));
        assert!(message.starts_with(expected), "{text:?}: {message}");
    }
}

#[test]
fn blocks_and_keys() {
    assert_accepted(&[
        ("", ""),
        ("# nothing\n", ""),
        (".", ".{}"),
        (". {\n}", ".{}"),
        (". { }", ".{}"),
        (". {\n whoami\n}\n", ".{whoami}"),
        (". { whoami\n}", ".{whoami}"),
        (".:53\nwhoami\nlog . {\n class all\n}", ".:53{whoami; log .{class all}}"),
        ("a b {\n}", "a b{}"),
        ("a, b,\n\n c d {\n}", "a b c d{}"),
        ("a,\nb\nwhoami", "a b{whoami}"),
        ("a,b {\n}", "'a,b'{}"),
        ("\"a,\" {\n}", "'a,'{}"),
        ("\"\" a {\n}", "a{}"),
        (".\n{\n whoami\n}", ".{whoami}"),
        ("a {\n}\nb {\n}", "a{} b{}"),
        ("a {\n} b {\n}", "a{} b{}"),
        ("a {\n}\nb\nwhoami", "a{} b{whoami}"),
        ("\u{feff}. {\r\n  log\r\n}\r\n", ".{log}"),
        ("a#c d\nwhoami # b\n#c\nlog", "a{whoami; log}"),
    ]);
    assert_refused(&[
        ("a, {\n}", "1 - Expected another key after ','"),
        ("a,", "1 - Expected another key after ','"),
        ("a,\n# end", "1 - Expected another key after ','"),
        (", a {\n}", "1 - Expected a key before ','"),
        ("{\n whoami\n}", "1 - This server block has no key"),
        ("{$UNSET} {\n}", "1 - This server block has no key"),
        ("}", "1 - Unexpected '}'"),
        (". {\n}\n}", "3 - Unexpected '}'"),
        (".\nwhoami\n}", "3 - Unexpected '}'"),
        (". {\n whoami\n", "1 - Unexpected end of file"),
        ("\n. {", "2 - Unexpected end of file"),
    ]);
}

#[test]
fn directives_and_nested_blocks() {
    assert_accepted(&[
        (". {\n a 1 2\n a 3\n}", ".{a 1 2; a 3}"),
        (". {\n a x {\n  b 1\n  b 2\n  c\n }\n d\n}", ".{a x{b 1; b 2; c}; d}"),
        (". {\n a { }\n b\n}", ".{a{}; b}"),
        (". {\n a {\n }\n}", ".{a{}}"),
        (". {\n a { b 1\n c\n }\n}", ".{a{b 1; c}}"),
        (". {\n a {\n b {\n c {\n d\n }\n }\n }\n}", ".{a{b{c{d}}}}"),
        (". {\n a \"{\" \"}\" {x} }y\n}", ".{a '{' '}' '{x}' '}y'}"),
        (". {\n \"import\" x\n}", ".{import x}"),
        (". {\n a import\n}", ".{a import}"),
        (". {\n a \"1\n2\" 3\n b\n}", ".{a '1\\n2' 3; b}"),
        (". {\n a \"say \\\"hi\\\"\" \"\\d\"\n}", ".{a 'say \\\"hi\\\"' '\\\\d'}"),
        (". {\n a#b c\n d \"#e\"\n}", ".{a; d '#e'}"),
        (". {\n a \"\"\n}", ".{a ''}"),
        (". {\n a 1 { # open\n  b # c\n } # close\n}", ".{a 1{b}}"),
    ]);
    assert_refused(&[
        (". {\n a\n {\n b\n }\n}", "3 - Unexpected '{'; put it at the end"),
        (". {\n a { {\n", "2 - Unexpected '{'"),
        (". {\n whoami }", "2 - Unexpected '}'; put it on a line of its own"),
        (". { whoami }", "1 - Unexpected '}'; put it on a line of its own"),
        (". {\n a {\n b }\n}", "3 - Unexpected '}'; put it on a line of its own"),
        (". {\n a {\n } b\n}", "3 - Unexpected 'b' after '}'"),
        (". {\n a {\n } }", "3 - Unexpected '}' after '}'"),
        (". {\n a {\n b\n}", "1 - Unexpected end of file"),
        (". {\n a {\n \"}\n", "3 - The quoted string that starts here"),
        (". {\n \"\" a\n}", "2 - The directive's name is empty"),
        (". {\n {$UNSET} a\n}", "2 - The directive's name is empty"),
    ]);
}

#[test]
fn environment_references() {
    assert_accepted(&[
        ("{$ZONE}:53 {\n}", "example.org:53{}"),
        ("{%ZONE%} {\n}", "example.org{}"),
        ("{$LIST}\nb {\n}", "a b{}"),
        ("{$TWO} {\n}", "'a b'{}"),
        ("{$UNSET} a {\n}", "a{}"),
        (". {\n {$ZONE} {$ZONE} {%UNSET%} {$}\n}", ".{example.org example.org '' '{$}'}"),
        (". {\n a {\n  {$ZONE} \"{$ZONE} x\"\n }\n}", ".{a{example.org 'example.org x'}}"),
        // A value is text, whatever it looks like.
        (". {\n a {$BRACE}\n}", ".{a '{'}"),
        (". {\n {$IMPORT} x\n}", ".{import x}"),
        // The known collision with Go templates, and the way round it.
        (". {\n a {{$x}} {{ $x }}\n}", ".{a '{}' '{{' '$x' '}}'}"),
    ]);
}

#[test]
fn snippets() {
    assert_accepted(&[
        ("(s) {\n a 1\n b\n}\n. {\n import s\n c\n}", ".{a 1; b; c}"),
        ("(s) { a 1\n}\n. {\n z\n import s\n c\n}", ".{z; a 1; c}"),
        ("(s) {\n}\n. {\n import s\n}", ".{}"),
        ("(s)\n{\n a\n}\n. {\n import s\n}", ".{a}"),
        ("(s) {\n b 1\n}\n. {\n a {\n  import s\n  c\n }\n}", ".{a{b 1; c}}"),
        ("(s) {\n a {\n  b\n }\n}\n. {\n import s\n}\nx {\n import s\n}", ".{a{b}} x{a{b}}"),
        ("(s) {\n . {\n  a\n }\n}\nimport s\nx {\n}", ".{a} x{}"),
        ("(s) {\n a {$ZONE}\n}\n. {\n import s\n}", ".{a example.org}"),
        // What a snippet imports is resolved when the snippet is used.
        ("(s) {\n import t\n}\n(t) {\n a\n}\n. {\n import s\n}", ".{a}"),
        ("(a) (b) {\n}", "'(a)' '(b)'{}"),
        ("\"(a)\" {\n}", "'(a)'{}"),
    ]);
    assert_refused(&[
        ("(s) {\n}\n(s) {\n}", "3 - Redeclaration of previously declared snippet s (see 1)"),
        (". {\n import s\n}\n(s) {\n}", "2 - File to import not found: s"),
        ("(s)\na", "1 - Expected '{' after the snippet (s)"),
        ("() {\n}", "1 - A snippet needs a name"),
        ("(s) {\n a {\n }\n", "1 - Unexpected end of file"),
        ("(s) {\n import s\n}\n. {\n import s\n}", "2 - Import cycle: 's'"),
        ("(s) {\n import t\n}\n(t) {\n import s\n}\nimport s", "5 - Import cycle: 's'"),
        (". {\n import\n}", "2 - Import requires"),
        (". {\n import {$UNSET}\n}", "2 - Import requires a non-empty"),
        (". {\n import a b\n}", "2 - Import takes only one argument"),
        (". {\n import a {\n}\n}", "2 - Import takes only one argument"),
    ]);
}

#[test]
fn bounds() {
    let nested = |depth: usize| format!(".\n{}{}", "a {\n".repeat(depth), "}\n".repeat(depth));
    assert!(parse_alone(&nested(MAX_NESTING)).is_ok());
    let message = refusal(parse_alone(&nested(MAX_NESTING + 1)));
    assert!(message.starts_with("18 - Blocks nest deeper than 16"), "{message}");

    // Each snippet doubles the one before it: 2^30 lines without a bound.
    let mut text = "(s0) {\n a\n}\n".to_owned();
    for index in 1..=30 {
        let before = index - 1;
        text += &format!("(s{index}) {{\n import s{before}\n import s{before}\n}}\n");
    }
    let message = refusal(parse_alone(&(text + ".\nimport s30")));
    assert!(message.contains("more than 10000 snippet imports"), "{message}");

    let body = "x".repeat(1024 * 1024);
    let text = format!("(s) {{\n {body}\n}}\n.\n{}", "import s\n".repeat(100));
    let message = refusal(parse_alone(&text));
    assert!(message.contains("more than 67108864 bytes"), "{message}");

    let text = format!("(s) {{\n{}}}\n.\n{}", "a\n".repeat(20_000), "import s\n".repeat(60));
    let message = refusal(parse_alone(&text));
    assert!(message.contains("more than 1000000 tokens"), "{message}");
}

#[test]
fn positions_and_plugin_errors() {
    let corefile = parse_alone("a,\nb {\n x 1 {\n  y\n }\n}").unwrap();
    let block = &corefile.blocks[0];
    assert_eq!((block.position.line, block.keys[1].position.line), (1, 2));
    let directive = &block.directives[0];
    let message = directive.error("unknown directive").to_string();
    let expected = "/etc/coredns/Corefile:3 - Error during parsing: unknown directive";
    assert_eq!(message, expected);
    assert_eq!(directive.lines()[0].name.error("").position().line, 4);
}
