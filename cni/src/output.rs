//! What a plugin prints to its standard output: one JSON object, indented by four spaces as other plugins do.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::{Error, Version};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EncodedError<'a> {
    cni_version: &'a str,
    code: u32,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions<'a> {
    cni_version: &'a str,
    supported_versions: [&'a str; Version::ALL.len()],
}

/// Writes an error (CNI SPEC 1.1.0, "Error") of a call whose configuration has this version.
pub fn error(error: &Error, version: Version) -> String {
    let Error { code, message, details } = error;
    pretty(&EncodedError { cni_version: version.as_str(), code: code.0, msg: message, details })
}

/// Writes the answer to VERSION (CNI SPEC 1.1.0, "VERSION Success").
pub fn versions() -> String {
    let supported_versions = Version::ALL.map(Version::as_str);
    pretty(&Versions { cni_version: Version::NEWEST.as_str(), supported_versions })
}

/// Writes a value as JSON, indented by four spaces, with a line break at the end.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    let mut octets = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    value
        .serialize(&mut Serializer::with_formatter(&mut octets, formatter))
        .expect("these types have no map keys that are not strings, and a vector takes all");
    octets.push(b'\n');
    String::from_utf8(octets).expect("serde_json writes UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn errors_and_versions_are_written_as_the_specification_says() {
        let full = Error::new(Code::INVALID_CONFIG, "bad").with_details("do \"this\"");
        let text = error(&full, Version::V0_4_0);
        let expected = "{\n    \"cniVersion\": \"0.4.0\",\n    \"code\": 7,\n    \"msg\": \"bad\",\n    \
                        \"details\": \"do \\\"this\\\"\"\n}\n";
        assert_eq!(text, expected);
        let short = error(&Error::new(Code(100), "full"), Version::V1_1_0);
        assert!(!short.contains("details"), "{short}");
        assert!(
            versions().contains("\"supportedVersions\": [\n        \"0.1.0\",\n"),
            "{}",
            versions()
        );
    }
}
