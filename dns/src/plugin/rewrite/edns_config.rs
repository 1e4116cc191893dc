//! Reads `edns0` rules.

use super::edns::{Data, EdnsAction, EdnsRule, OptionKind, VARIABLES};
use super::words::Words;
use crate::corefile::{CorefileError, Token};

/// The longest data of an option, in octets: with it a question still fits a datagram of 512.
const MAX_DATA: usize = 192;

/// Reads `local ACTION CODE DATA`, `nsid ACTION` or `subnet ACTION V4 V6`, each with or without `revert`.
pub(super) fn edns_rule(words: &mut Words<'_>) -> Result<EdnsRule, CorefileError> {
    let kind = words.next("the option: local, nsid or subnet")?;
    let action = action(words.next("set, append, replace or unset")?)?;
    let revert = words.take_last("revert");
    let option = match kind.text.to_ascii_lowercase().as_str() {
        "local" => {
            let code = code(words.next("the code of the option")?)?;
            let data = match action {
                EdnsAction::Unset => Data::Fixed(Vec::new()),
                _ => data(words.next("the data of the option")?)?,
            };
            OptionKind::Local(code, data)
        }
        "nsid" => OptionKind::Nsid,
        "subnet" if action == EdnsAction::Unset => OptionKind::Subnet { v4: 0, v6: 0 },
        "subnet" => OptionKind::Subnet {
            v4: bits(words.next("the bits of IPv4 addresses")?, 32)?,
            v6: bits(words.next("the bits of IPv6 addresses")?, 128)?,
        },
        text => {
            return Err(
                kind.error(format!("unknown option '{text}'; there is local, nsid and subnet"))
            );
        }
    };
    Ok(EdnsRule { action, option, revert })
}

fn action(token: &Token) -> Result<EdnsAction, CorefileError> {
    match token.text.to_ascii_lowercase().as_str() {
        "set" => Ok(EdnsAction::Set),
        "append" => Ok(EdnsAction::Append),
        "replace" => Ok(EdnsAction::Replace),
        "unset" => Ok(EdnsAction::Unset),
        text => Err(token
            .error(format!("unknown action '{text}'; there is set, append, replace and unset"))),
    }
}

/// Reads a code as Go writes numbers: 65518, 0xffee, 0o177756, 0b1010, 0177756.
fn code(token: &Token) -> Result<u16, CorefileError> {
    let text = token.text.to_ascii_lowercase();
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'o', ..] => (&text[2..], 8),
        [b'0', b'b', ..] => (&text[2..], 2),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text.as_str(), 10),
    };
    let has_sign = digits.starts_with(['+', '-']);
    u16::from_str_radix(digits, radix).ok().filter(|_| !has_sign).ok_or_else(|| {
        token.error(format!(
            "'{}' is no code of an option; write a number up to 65535 or 0xffff",
            token.text
        ))
    })
}

fn data(token: &Token) -> Result<Data, CorefileError> {
    let text = &token.text;
    if let Some((_, variable)) = VARIABLES.iter().find(|(name, _)| name == text) {
        return Ok(Data::Variable(*variable));
    }
    if let Some(label) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        return is_label(label).then(|| Data::Metadata(label.to_owned())).ok_or_else(|| {
            let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
            token.error(format!(
                "unknown variable {text}; there is {} and labels of metadata such as {{kubernetes/service}}",
                known.join(", ")
            ))
        });
    }
    let data = match text.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits).ok_or_else(|| {
            token.error(format!(
                "'{text}' is no hexadecimal number; write two digits for each octet"
            ))
        })?,
        None => text.clone().into_bytes(),
    };
    if data.len() > MAX_DATA {
        let length = data.len();
        return Err(token.error(format!("the data has {length} octets; shorten it to {MAX_DATA}")));
    }
    Ok(Data::Fixed(data))
}

/// Says whether a text is a label as `metadata` has them: `plugin/name`, with further parts or none.
fn is_label(text: &str) -> bool {
    text.split_once('/').is_some_and(|(plugin, name)| {
        !plugin.is_empty() && !name.is_empty() && !name.starts_with('/')
    })
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let [high, low] = pair else { return None };
        let value = |digit: &u8| char::from(*digit).to_digit(16);
        u8::try_from(value(high)? << 4 | value(low)?).ok()
    });
    pairs.collect()
}

fn bits(token: &Token, most: u8) -> Result<u8, CorefileError> {
    let bits = token.text.parse::<u8>().ok().filter(|bits| *bits <= most);
    bits.ok_or_else(|| {
        token.error(format!("'{}' is no number of bits; write 0 to {most}", token.text))
    })
}
