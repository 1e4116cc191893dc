//! The blocks of this node: `/run/portolan/node-blocks.json`, written by `ipam-controller` or by hand, for configurations
//! without a range.
//!
//! ```json
//! {"blocks": [{"cidr": "10.244.3.0/24"}, "fd00:10:244:3::/64"]}
//! ```

use cni::{Field, FieldError, Json};
use ipnet::IpNet;

/// Most blocks of a node.
pub const MAX_BLOCKS: usize = 32;

/// Reads the blocks: strings, or objects with a key `cidr`, whose other keys are of no interest here.
///
/// # Errors
/// It is no JSON, has no blocks, or one of them is no subnet.
pub fn parse(octets: &[u8]) -> Result<Vec<IpNet>, String> {
    let json = Json::parse(octets).map_err(|error| error.to_string())?;
    let blocks = read(&Field::root(&json)).map_err(|error| error.to_string())?;
    match blocks.len() {
        0 => Err("there is no block in it yet".to_owned()),
        1..=MAX_BLOCKS => Ok(blocks),
        many => Err(format!("{many} blocks; at most {MAX_BLOCKS} are allowed")),
    }
}

fn read(root: &Field<'_>) -> Result<Vec<IpNet>, FieldError> {
    let Some(list) = root.get("blocks")? else {
        return Err(root.error("want a key blocks with a list of subnets"));
    };
    let block = |field: &Field<'_>| {
        let cidr = match field.json() {
            Json::Object(_) => field.get("cidr")?.ok_or_else(|| field.error("want a key cidr"))?,
            _ => field.clone(),
        };
        let block = cidr.network()?;
        if block == block.trunc() { Ok(block) } else { Err(cidr.error("host bits are set")) }
    };
    list.list()?.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_strings_or_objects() {
        let text =
            br#"{"node": "a", "blocks": [{"cidr": "10.244.3.0/24", "pool": "x"}, "fd00::/64"]}"#;
        let blocks: Vec<String> = parse(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(blocks, ["10.244.3.0/24", "fd00::/64"]);
        for (text, words) in [
            (&b"{"[..], "EOF"),
            (b"{}", "want a key blocks"),
            (b"{\"blocks\": []}", "no block in it yet"),
            (b"{\"blocks\": [{}]}", "blocks[0]: want a key cidr"),
            (b"{\"blocks\": [\"10.0.0.1/24\"]}", "blocks[0]: host bits"),
            (b"{\"blocks\": [7]}", "blocks[0]: want a string"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
