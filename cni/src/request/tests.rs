//! What the tests of CNI's library (`pkg/skel`) check of a call, as a table.

use std::ffi::OsString;

use super::*;
use crate::Code;

/// The environment of a good call, with changes; an empty value takes a variable away.
fn environment(changes: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
    let changes: Vec<(String, String)> =
        changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    move |name| {
        let changed = changes.iter().find(|(key, _)| key == name);
        let value = match (changed, name) {
            (Some((_, value)), _) => value,
            (None, "CNI_COMMAND") => "ADD",
            (None, "CNI_CONTAINERID") => "some-container-id",
            (None, "CNI_NETNS") => "/some/netns/path",
            (None, "CNI_IFNAME") => "eth0",
            (None, "CNI_ARGS") => "IgnoreUnknown=1;some=extra",
            (None, "CNI_PATH") => "/some/cni/path",
            _ => return None,
        };
        Some(value.into())
    }
}

fn parse(changes: &[(&str, &str)], stdin: &str) -> Result<Request, Error> {
    let environment = Environment::read(environment(changes))?;
    Request::parse(&environment, stdin.as_bytes())
}

const NEWEST: &str = r#"{"name": "skel-test", "cniVersion": "1.1.0"}"#;

#[test]
fn every_verb_is_read() {
    for (verb, expected) in [
        ("ADD", "Add("),
        ("DEL", "Del("),
        ("CHECK", "Check("),
        ("GC", "Gc("),
        ("STATUS", "Status("),
        ("VERSION", "Version"),
    ] {
        let request = parse(&[("CNI_COMMAND", verb)], NEWEST).unwrap();
        assert!(format!("{request:?}").starts_with(expected), "{verb}: {request:?}");
    }
    let Request::Add(request) = parse(&[], NEWEST).unwrap() else { panic!("not ADD") };
    assert_eq!(request.attachment.container_id.as_str(), "some-container-id");
    assert_eq!(request.attachment.ifname.as_str(), "eth0");
    assert_eq!(request.netns.unwrap().to_str(), Some("/some/netns/path"));
    assert_eq!(request.arguments.get("some"), Some("extra"));
    assert_eq!(request.config.name.as_str(), "skel-test");
}

#[test]
fn version_looks_at_no_configuration() {
    assert_eq!(parse(&[("CNI_COMMAND", "VERSION")], "{not JSON"), Ok(Request::Version));
}

#[test]
fn verbs_have_the_version_that_they_came_with() {
    for (verb, oldest) in [
        ("ADD", "0.1.0"),
        ("DEL", "0.1.0"),
        ("CHECK", "0.4.0"),
        ("GC", "1.1.0"),
        ("STATUS", "1.1.0"),
    ] {
        let oldest: Version = oldest.parse().unwrap();
        for version in Version::ALL {
            let config = format!(r#"{{"name": "skel-test", "cniVersion": "{version}"}}"#);
            let read = parse(&[("CNI_COMMAND", verb)], &config);
            if version >= oldest {
                assert!(read.is_ok(), "{verb} {version}: {read:?}");
                continue;
            }
            let error = read.unwrap_err();
            assert_eq!(error.code, Code::INCOMPATIBLE_VERSION);
            assert_eq!(error.message, format!("config version does not allow {verb}"));
        }
    }
}

#[test]
fn mistakes_have_the_code_and_the_order_of_the_library() {
    let long = "a".repeat(201);
    for (changes, stdin, code, words) in [
        // Configurations.
        (&[][..], "", 6, "stdin cannot be read"),
        (&[], "{", 6, "line 1"),
        (&[], "[]", 6, "want an object, have a list"),
        (&[], "null", 6, "want an object, have null"),
        (&[], r#"{"name": 7}"#, 6, "name: want a string, have a number"),
        (&[], r#"{"name": "n", "cniVersion": 1}"#, 6, "cniVersion: want a string"),
        (&[], "{}", 7, "missing network name"),
        (&[], r#"{"name": ""}"#, 7, "missing network name"),
        (&[], r#"{"name": "te!st"}"#, 7, "invalid characters in network name"),
        (&[], r#"{"name": "../etc"}"#, 7, "invalid characters in network name"),
        (&[], r#"{"name": "n\u0000"}"#, 7, r#""n\0""#),
        (&[], r#"{"name": "ñ"}"#, 7, "use ASCII letters"),
        (&[], &format!(r#"{{"name": "{long}"}}"#), 7, "network name is too long"),
        (&[], r#"{"name": "n", "cniVersion": "9.8.7"}"#, 1, "incompatible CNI versions"),
        (&[], r#"{"name": "n", "cniVersion": "9.8.7"}"#, 1, "config is \"9.8.7\", plugin supports"),
        (&[], r#"{"name": "n", "cniVersion": "1.0"}"#, 1, "incompatible CNI versions"),
        // Containers.
        (&[("CNI_CONTAINERID", "")], NEWEST, 4, "set CNI_CONTAINERID"),
        (&[("CNI_CONTAINERID", "some%%container")], NEWEST, 4, "invalid characters in containerID"),
        (&[("CNI_CONTAINERID", "../../etc/passwd")], NEWEST, 4, "../../etc/passwd"),
        (&[("CNI_CONTAINERID", "a\nb")], NEWEST, 4, r#""a\nb""#),
        (&[("CNI_CONTAINERID", "-rf")], NEWEST, 4, "begin with a letter or digit"),
        (&[("CNI_CONTAINERID", &long)], NEWEST, 4, "201 octets"),
        // Interfaces.
        (&[("CNI_IFNAME", "")], NEWEST, 4, "set CNI_IFNAME"),
        (&[("CNI_IFNAME", "1234567890123456")], NEWEST, 4, "interface name is too long"),
        (&[("CNI_IFNAME", ".")], NEWEST, 4, "interface name is . or .."),
        (&[("CNI_IFNAME", "..")], NEWEST, 4, "interface name is . or .."),
        (&[("CNI_IFNAME", "test/test")], NEWEST, 4, "interface name contains / or :"),
        (&[("CNI_IFNAME", "test:test")], NEWEST, 4, "interface name contains / or :"),
        (&[("CNI_IFNAME", "test test")], NEWEST, 4, "white space"),
        (&[("CNI_IFNAME", "a\u{2003}b")], NEWEST, 4, "white space"),
        // Arguments.
        (&[("CNI_ARGS", "IP")], NEWEST, 4, "exactly one '='"),
        // The configuration comes before the names, and the version after them.
        (&[("CNI_IFNAME", "."), ("CNI_CONTAINERID", "%")], "{}", 7, "missing network name"),
        (&[("CNI_IFNAME", "."), ("CNI_CONTAINERID", "%")], NEWEST, 4, "containerID"),
        (&[("CNI_IFNAME", ".")], r#"{"name": "n", "cniVersion": "9.8.7"}"#, 4, "interface name"),
    ] {
        let error = parse(changes, stdin).unwrap_err();
        assert_eq!(error.code, Code(code), "{changes:?} {stdin}: {error}");
        assert!(error.to_string().contains(words), "{changes:?} {stdin}: {error}");
    }
}

#[test]
fn a_configuration_without_version_is_of_the_oldest() {
    for config in [r#"{"name": "n"}"#, r#"{"name": "n", "cniVersion": ""}"#, r#"{"NAME": "n"}"#] {
        let Request::Add(request) = parse(&[], config).unwrap() else { panic!("not ADD") };
        assert_eq!(request.config.version, Version::V0_1_0);
    }
}

#[test]
fn del_does_not_mind_its_arguments() {
    let del = ("CNI_COMMAND", "DEL");
    let read = parse(&[del, ("CNI_ARGS", "IP"), ("CNI_NETNS", "")], NEWEST);
    let Ok(Request::Del(request)) = read else { panic!("{read:?}") };
    assert_eq!((request.arguments, request.netns), (Arguments::default(), None));
}

#[test]
fn valid_attachments_are_a_list_or_unknown() {
    let one = r#"[{"containerID": "a", "ifname": "eth0"}]"#;
    for (keys, expected) in [
        (String::new(), None),
        (r#", "cni.dev/valid-attachments": null"#.to_owned(), None),
        (r#", "cni.dev/valid-attachments": []"#.to_owned(), Some(0)),
        (format!(r#", "cni.dev/valid-attachments": {one}"#), Some(1)),
        (format!(r#", "cni.dev/attachments": {one}"#), Some(1)),
        (format!(r#", "cni.dev/valid-attachments": [], "cni.dev/attachments": {one}"#), Some(0)),
    ] {
        let config = format!(r#"{{"name": "n", "cniVersion": "1.1.0"{keys}}}"#);
        let Request::Gc(request) = parse(&[("CNI_COMMAND", "GC")], &config).unwrap() else {
            panic!("not GC")
        };
        assert_eq!(request.valid.map(|valid| valid.len()), expected, "{config}");
    }
}

#[test]
fn a_spoilt_list_of_attachments_is_refused_as_a_whole() {
    for (list, words) in [
        (r#"{"containerID": "a"}"#, "want a list, have an object"),
        (r#"[{"containerID": "a"}]"#, "[0]: want a key ifname"),
        (
            r#"[{"containerID": "a", "ifname": "eth0"}, {"ifname": "eth0"}]"#,
            "[1]: want a key containerID",
        ),
        (r#"[{"containerID": "a/b", "ifname": "eth0"}]"#, "invalid characters in containerID"),
        (r#"["a"]"#, "[0]: want an object, have a string"),
    ] {
        let config = format!(
            r#"{{"name": "n", "cniVersion": "1.1.0", "cni.dev/valid-attachments": {list}}}"#
        );
        let error = parse(&[("CNI_COMMAND", "GC")], &config).unwrap_err();
        assert_eq!(error.code, Code::INVALID_CONFIG, "{list}");
        assert!(error.to_string().contains(words), "{list}: {error}");
    }
}
