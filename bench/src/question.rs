//! Questions on the wire.

use anyhow::{Context as _, ensure};

use crate::workload::Question;

/// Returns a query with id 0 that asks for recursion (RFC 1035 §4.1).
///
/// # Errors
/// The name has a label or a type that cannot be written.
pub(crate) fn encode(question: &Question) -> anyhow::Result<Vec<u8>> {
    let name = &question.name;
    let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        message.push(length.with_context(|| format!("'{name}' is no name"))?);
        message.extend(label.bytes());
    }
    ensure!(message.len() < 12 + 255, "'{name}' is too long");
    message.extend([0, 0, type_number(question.kind)?, 0, 1]);
    Ok(message)
}

/// Returns questions on the wire.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_all(questions: &[Question]) -> anyhow::Result<Vec<Vec<u8>>> {
    questions.iter().map(encode).collect()
}

fn type_number(kind: &str) -> anyhow::Result<u8> {
    Ok(match kind {
        "A" => 1,
        "PTR" => 12,
        "AAAA" => 28,
        "SRV" => 33,
        _ => anyhow::bail!("the type {kind} is not measured"),
    })
}

#[cfg(test)]
mod tests {
    use super::encode;
    use crate::workload::Question;

    #[test]
    fn a_question_is_written() {
        let question = |name: &str, kind| Question { name: name.into(), kind };
        let message = encode(&question("a.example", "AAAA")).unwrap();
        assert_eq!(message[12..], *b"\x01a\x07example\x00\x00\x1c\x00\x01");
        assert!(encode(&question("a..b", "A")).is_err());
        assert!(encode(&question("a", "TXT")).is_err());
    }
}
