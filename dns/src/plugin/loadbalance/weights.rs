//! The weight file of `loadbalance weighted`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;

use hickory_proto::rr::{LowerName, Name};

/// The weight of an address that the file does not name.
const DEFAULT_WEIGHT: u8 = 1;

/// How much more often than another an address comes first.
///
/// ```text
/// # comment
/// www.example.com
/// 100.64.1.1 3
/// 2001:db8::1 1
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Weights(HashMap<LowerName, HashMap<IpAddr, u8>>);

/// Says what is wrong with a weight file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "line {line}: {problem} in '{text}'; write a domain name, or an address and a weight of 1 to 255"
)]
pub struct WeightsError {
    /// The line, counted from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Weights {
    /// Returns the weight of an address of a name; 1 unless the file says otherwise.
    pub fn of(&self, name: &LowerName, address: IpAddr) -> u8 {
        let weight = self.0.get(name).and_then(|addresses| addresses.get(&address));
        weight.copied().unwrap_or(DEFAULT_WEIGHT)
    }
}

impl FromStr for Weights {
    type Err = WeightsError;

    /// Reads the text of a weight file. A name that comes again continues; the first weight of an address stays.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut weights = Self::default();
        let mut current = None;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let error = |problem| WeightsError { line: at + 1, text: line.to_owned(), problem };
            let fields: Vec<&str> = line.split_whitespace().collect();
            match fields.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                [name] => current = Some(parse_name(name).map_err(error)?),
                [address, weight] => {
                    let name = current.clone().ok_or(error("no domain name above"))?;
                    let (address, weight) = parse_weight(address, weight).map_err(error)?;
                    weights.0.entry(name).or_default().entry(address).or_insert(weight);
                }
                _ => return Err(error("too many words")),
            }
        }
        Ok(weights)
    }
}

fn parse_name(text: &str) -> Result<LowerName, &'static str> {
    if text.parse::<IpAddr>().is_ok() {
        return Err("an address without weight");
    }
    let mut name = Name::from_ascii(text).map_err(|_| "no domain name")?;
    name.set_fqdn(true);
    Ok(name.into())
}

fn parse_weight(address: &str, weight: &str) -> Result<(IpAddr, u8), &'static str> {
    let address = address.parse().map_err(|_| "no address")?;
    match weight.parse() {
        Ok(weight @ 1..) => Ok((address, weight)),
        Ok(0) | Err(_) => Err("no weight of 1 to 255"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_weights() {
        let text = "# weights\n\nWWW.example.com\n 100.64.1.1\t3\n2001:db8::1 255\n\n.\n10.0.0.1 9\n\
                    www.example.com.\n100.64.1.2 4\n100.64.1.1 7\n";
        let weights: Weights = text.parse().unwrap();
        for (name, address, weight) in [
            ("www.example.com.", "100.64.1.1", 3),
            ("www.example.com.", "100.64.1.2", 4),
            ("www.example.com.", "2001:db8::1", 255),
            ("www.example.com.", "10.0.0.1", 1),
            (".", "10.0.0.1", 9),
            ("other.", "100.64.1.1", 1),
        ] {
            let name = name.parse().unwrap();
            assert_eq!(weights.of(&name, address.parse().unwrap()), weight, "{name} {address}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, problem) in [
            ("10.0.0.1", "an address without weight"),
            ("10.0.0.1 1", "no domain name above"),
            ("a\n10.0.0.1 0", "no weight of 1 to 255"),
            ("a\n10.0.0.1 256", "no weight of 1 to 255"),
            ("a\nlocalhost 1", "no address"),
            ("a\n10.0.0.1 1 2", "too many words"),
            ("a..b", "no domain name"),
        ] {
            let error = text.parse::<Weights>().unwrap_err();
            assert_eq!((error.problem, error.line), (problem, text.lines().count()), "{text}");
        }
    }
}
