//! A value with the place that it stands at, so that a mistake can be named: `ipam.ranges[0][1].subnet`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::identifier::shorten;
use crate::{Code, Error, Json};

/// A value of a configuration and its path from the root, for instance `ipam.ranges[0][1].subnet`.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    path: String,
    value: &'a Json,
}

/// A value that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct FieldError {
    /// Where it stands.
    pub path: String,
    /// What is wrong with it, and what it should be.
    pub problem: String,
}

impl From<FieldError> for Error {
    /// Code 7: the configuration can be read, but a value in it is invalid.
    fn from(error: FieldError) -> Self {
        Self::new(Code::INVALID_CONFIG, format!("invalid value of {}", error.path))
            .with_details(error.problem)
    }
}

impl<'a> Field<'a> {
    /// Makes a field of the root of a document; the path of a key in it is the key.
    pub fn root(value: &'a Json) -> Self {
        Self { path: String::new(), value }
    }

    /// Returns the path; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the value as it was written.
    pub fn json(&self) -> &'a Json {
        self.value
    }

    /// Makes an error about this field.
    pub fn error(&self, problem: impl Into<String>) -> FieldError {
        let path = if self.path.is_empty() { "the configuration" } else { &self.path };
        FieldError { path: path.to_owned(), problem: problem.into() }
    }

    /// Returns the value of a key (see [`Json::get`]); none when the key is missing or `null`.
    ///
    /// # Errors
    /// This is no object.
    pub fn get(&self, key: &str) -> Result<Option<Self>, FieldError> {
        if !matches!(self.value, Json::Object(_)) {
            return Err(self.mismatch("an object"));
        }
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Ok(self.value.get(key).map(|value| Self { path, value }))
    }

    /// Returns the elements of a list.
    ///
    /// # Errors
    /// This is no list.
    pub fn list(&self) -> Result<Vec<Self>, FieldError> {
        let Json::Array(items) = self.value else { return Err(self.mismatch("a list")) };
        let item = |(at, value)| Self { path: format!("{}[{at}]", self.path), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// Returns the keys, as they are written, and the values of an object whose keys are data.
    ///
    /// # Errors
    /// This is no object.
    pub fn entries(&self) -> Result<Vec<(&'a str, Self)>, FieldError> {
        let Json::Object(entries) = self.value else { return Err(self.mismatch("an object")) };
        let entry = |(key, value): &'a (String, Json)| {
            let path = format!("{}[{}]", self.path, shorten(key));
            (key.as_str(), Self { path, value })
        };
        Ok(entries.iter().map(entry).collect())
    }

    /// Returns a string.
    ///
    /// # Errors
    /// This is no string.
    pub fn string(&self) -> Result<&'a str, FieldError> {
        let Json::String(text) = self.value else { return Err(self.mismatch("a string")) };
        Ok(text)
    }

    /// Returns a boolean.
    ///
    /// # Errors
    /// This is no boolean.
    pub fn boolean(&self) -> Result<bool, FieldError> {
        let Json::Bool(value) = self.value else { return Err(self.mismatch("true or false")) };
        Ok(*value)
    }

    /// Returns an integer from 0 to 2⁶⁴ − 1. As in Go, `1.0` is none.
    ///
    /// # Errors
    /// This is no such integer.
    pub fn unsigned(&self) -> Result<u64, FieldError> {
        let expected = "an integer that is not negative";
        let Json::Number(number) = self.value else { return Err(self.mismatch(expected)) };
        number.as_u64().ok_or_else(|| self.error(format!("want {expected}, have {number}")))
    }

    /// Returns an integer of 64 bits with sign.
    ///
    /// # Errors
    /// This is no such integer.
    pub fn integer(&self) -> Result<i64, FieldError> {
        let Json::Number(number) = self.value else { return Err(self.mismatch("an integer")) };
        number.as_i64().ok_or_else(|| self.error(format!("want an integer, have {number}")))
    }

    /// Reads a string as a type; `expected` says what it should be: "an IP address".
    ///
    /// # Errors
    /// This is no string, or not of the type.
    pub fn parse<T: FromStr>(&self, expected: &str) -> Result<T, FieldError> {
        let text = self.string()?;
        text.parse().map_err(|_| self.error(format!("want {expected}, have {}", shorten(text))))
    }

    /// Reads an address with a prefix length, `10.1.0.5/16`; the address may have host bits. As Go does, and `ipnet`
    /// does not, it refuses leading zeros in IPv4 addresses: some programs take them for octal.
    ///
    /// # Errors
    /// This is no string, or no such address.
    pub fn network(&self) -> Result<IpNet, FieldError> {
        let text = self.string()?;
        network(text).ok_or_else(|| {
            let shown = shorten(text);
            self.error(format!("want an address with a prefix length, 10.1.0.5/16, have {shown}"))
        })
    }

    fn mismatch(&self, expected: &str) -> FieldError {
        self.error(format!("want {expected}, have {}", self.value.kind()))
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)
    }
}

fn network(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let is_number = !length.is_empty() && length.bytes().all(|octet| octet.is_ascii_digit());
    let length = length.parse().ok().filter(|_| is_number)?;
    let address: IpAddr = address.parse().ok()?;
    // `::ffff:10.1.0.0/120`: neither family's programs mean the same by it.
    IpNet::new(address, length).ok().filter(|_| address == address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_with_their_place() {
        let json = Json::parse(br#"{"ipam": {"ranges": [[{"Subnet": 7}]], "n": 1.0}, "x": "y"}"#);
        let json = json.unwrap();
        let root = Field::root(&json);
        let ipam = root.get("ipam").unwrap().unwrap();
        let sets = ipam.get("ranges").unwrap().unwrap().list().unwrap();
        let subnet = sets[0].list().unwrap()[0].get("subnet").unwrap().unwrap();
        let n = ipam.get("n").unwrap().unwrap();
        let x = root.get("x").unwrap().unwrap();
        for (error, text) in [
            (
                subnet.string().unwrap_err(),
                "ipam.ranges[0][0].subnet: want a string, have a number",
            ),
            (n.unsigned().unwrap_err(), "ipam.n: want an integer that is not negative, have 1.0"),
            (x.get("z").unwrap_err(), "x: want an object, have a string"),
            (x.list().unwrap_err(), "x: want a list, have a string"),
            (x.parse::<u8>("an octet").unwrap_err(), "x: want an octet, have \"y\""),
            (root.boolean().unwrap_err(), "the configuration: want true or false, have an object"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn networks_are_read_as_in_go() {
        for (text, is_good) in [
            ("10.1.0.5/16", true),
            ("0.0.0.0/0", true),
            ("2001:db8::1/128", true),
            ("10.01.0.5/16", false),
            ("10.1.0.5", false),
            ("10.1.0.5/", false),
            ("10.1.0.5/+8", false),
            ("10.1.0.5/33", false),
            ("10.1.0.5/256", false),
            ("fe80::1%eth0/64", false),
            ("::ffff:10.1.0.0/120", false),
            (" 10.1.0.5/16", false),
        ] {
            let json = Json::String(text.to_owned());
            let read = Field::root(&json).network();
            assert_eq!(read.is_ok(), is_good, "{text}");
            assert!(read.is_err() || read.unwrap().to_string() == text, "{text}");
        }
    }
}
