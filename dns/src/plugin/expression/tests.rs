//! Expressions of any text and with what `template` adds; `view` has the tests of the others.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::*;
use crate::engine::Metadata;
use crate::plugin::testing::query;

/// Returns the value of an expression with a number, a string and two groups, or what is wrong.
fn value_of(text: &str) -> Result<Value<'static>, String> {
    let variables = [("n".to_owned(), Type::Number), ("ip".to_owned(), Type::Text)];
    let scope = Scope { variables: &variables, has_groups: true };
    let (program, kind) = syntax::value(text, scope)
        .map_err(|error| format!("column {}: {}", error.column, error.problem))?;
    let groups =
        BTreeMap::from([("a".to_owned(), "7".to_owned()), ("1".to_owned(), "7".to_owned())]);
    let values = [Value::Number(3), Value::Text("10.1.2.3".into())];
    let (question, metadata) = (query("A-b.example.", RecordType::A), Metadata::default());
    let facts = Facts::of(&question, &metadata).with(&groups, &values);
    let value = program.value(facts).map_err(|failure| failure.to_string())?.into_owned();
    let found = match &value {
        Value::Text(_) => Type::Text,
        Value::Number(_) => Type::Number,
        Value::Bool(_) => Type::Bool,
    };
    assert_eq!(found, kind, "{text}: the type that was worked out before");
    Ok(value)
}

#[test]
fn numbers_and_strings() {
    for (text, expected) in [
        ("n * 2 + 1", 7),
        ("1 + 2 * n - 4", 3),
        ("10 - 3 - 2", 5),
        ("-n + 10 % 4", -1),
        ("int(group('a')) * int(1)", 7),
        ("len('grün')", 4),
    ] {
        assert_eq!(value_of(text), Ok(Value::Number(expected)), "{text}");
    }
    for (text, expected) in [
        ("replace(name(), '-', '.')", "a.b.example."),
        ("replace('aaa', 'a', 'bb')", "bbbbbb"),
        ("upper('a') + lower('B') + trim(' c ')", "Abc"),
        ("string(n) + string(true) + string('x')", "3truex"),
        ("group('a') + group(1) + group('none') + group(9)", "77"),
        ("ip", "10.1.2.3"),
    ] {
        assert_eq!(value_of(text), Ok(Value::Text(expected.into())), "{text}");
    }
}

#[test]
fn conditions_about_lists() {
    for (text, expected) in [
        ("any(['10.0.0.0/8', '172.16.0.0/12'], incidr(ip, #))", true),
        ("any(['192.168.0.0/16'], incidr(ip, #))", false),
        ("all([1, 2, n], # < 4)", true),
        ("all([1, 2, n], # < 3)", false),
        ("none(['a', 'b'], # == ip)", true),
        ("none(['a', ip], # == ip)", false),
        ("one([1, 2, 3], # > 2)", true),
        ("one([1, 2, 3], # > 1)", false),
        ("any([], # == 'a') or not all([], # == 'a')", false),
        ("any([1], # == 1) and any(['a'], # == 'a')", true),
    ] {
        assert_eq!(value_of(text), Ok(Value::Bool(expected)), "{text}");
    }
}

#[test]
fn refused_or_without_value() {
    let doubled = format!("replace('{}', 'a', 'bb')", "a".repeat(32_769));
    let added = format!("replace('{}', 'a', 'bbb') + 'cc'", "a".repeat(21_845));
    for (text, part) in [
        (
            "m + 1",
            "column 1: 'm' is no variable or function; variables set above are n, ip; functions are",
        ),
        ("n + ip", "column 5: each side of this '+' has to be a number"),
        ("ip - ip", "column 1: '-' takes numbers, and this is a string; write int(...)"),
        ("-ip", "column 2: what '-' stands before has to be a number"),
        ("true * true", "'*' adds numbers"),
        ("n()", "column 1: 'n' is no variable or function"),
        ("group(true)", "column 7: group() takes the name or the number"),
        ("len(n)", "column 5: len() does not take a number"),
        ("replace(ip, 'a')", "column 16: expected ','"),
        ("lower(ip, ip)", "expected ')'"),
        ("# == 1", "column 1: # stands for an item of a list"),
        ("any(['a'], # == 1)", "'==' compares a string with a number"),
        ("any(['a', 1], true)", "column 11: each item of the list has to be a string"),
        ("any(ip, true)", "column 5: expected '['"),
        ("any([1], any([2], # == 2))", "any() cannot stand in the condition of another list"),
        ("any([1], #)", "the condition of any() has to be true or false"),
        ("int('x')", "int: 'x' is no whole number"),
        ("1 % 0", "1 % 0 is nothing"),
        ("incidr('no', '10.0.0.0/8')", "incidr: 'no' is no address"),
        ("incidr(ip, ip)", "incidr: '10.1.2.3' is no network"),
        (&doubled, "a text becomes longer than 65536 octets"),
        (&added, "a text becomes longer than 65536 octets"),
    ] {
        let error = value_of(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(value_of(&added.replace("'cc'", "'c'")).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_a_condition_or_an_error_with_its_column(
        words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(&[
                    "(", ")", "[", "]", ",", "==", "<", "&&", "or", "not", "!", "+", "in", "matches", "contains",
                    "'a'", "1", "true", "-", "*", "%", "#", "any([", "n", "ip", "replace(", "int(", "name()", "do()", "incidr(", "metadata('x')", "'1.0.0.0/8'",
                ][..]).prop_map(str::to_owned),
                ".{0,3}",
            ],
            0..20,
        ),
    ) {
        let text = words.join(" ");
        let variables = [("n".to_owned(), Type::Number), ("ip".to_owned(), Type::Text)];
        let scope = Scope { variables: &variables, has_groups: true };
        match syntax::condition(&text, scope) {
            Ok(condition) => {
                let values = [Value::Number(3), Value::Text("10.1.2.3".into())];
                let (question, metadata) = (query("a.", RecordType::A), Metadata::default());
                condition.holds(Facts::of(&question, &metadata).with(&BTreeMap::new(), &values));
            }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column)),
        }
    }
}
