//! `$GENERATE`: many similar records (BIND 9 Administrator Reference Manual, "The $GENERATE directive").

use super::lexer::Word;

/// The most records of one `$GENERATE`.
const MAX_COUNT: u32 = 65_536;

/// One number of a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generate {
    pub(super) number: u32,
}

/// How a number is written.
#[derive(Clone, Copy, Debug)]
struct Form {
    offset: i64,
    width: usize,
    base: u8,
}

impl Generate {
    /// Reads `FIRST-LAST[/STEP]`: the first number, the last, and the step.
    pub(super) fn range(word: &Word<'_>) -> Option<(u32, u32, usize)> {
        let text = word.ascii()?;
        let (range, step) = text.split_once('/').unwrap_or((text, "1"));
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| is_number)
        };
        let (first, last, step) = (number(first)?, number(last)?, number(step)?);
        let count = last.checked_sub(first)?.checked_div(step)?;
        (count < MAX_COUNT).then_some((first, last, usize::try_from(step).ok()?))
    }

    /// Returns a word with the number in the place of `$` and of `${OFFSET[,WIDTH[,BASE]]}`; `\$` and `$$` are a
    /// dollar sign.
    pub(super) fn word(self, word: &Word<'_>) -> Result<Vec<u8>, String> {
        let wrong =
            || format!("'{}' has a wrong form of $; write ${{OFFSET,WIDTH,BASE}}", word.show());
        let (mut octets, mut rest) = (Vec::new(), word.octets);
        loop {
            rest = match rest {
                [] => return Ok(octets),
                [b'\\', b'$', after @ ..] | [b'$', b'$', after @ ..] => {
                    octets.push(b'$');
                    after
                }
                [b'\\', escaped, after @ ..] => {
                    octets.extend([b'\\', *escaped]);
                    after
                }
                [b'$', b'{', after @ ..] => {
                    let end = after.iter().position(|octet| *octet == b'}').ok_or_else(wrong)?;
                    let form = std::str::from_utf8(&after[..end]).ok().and_then(Form::parse);
                    octets.extend(form.and_then(|form| form.write(self.number)).ok_or_else(wrong)?);
                    &after[end + 1..]
                }
                [b'$', after @ ..] => {
                    octets.extend(self.number.to_string().bytes());
                    after
                }
                [octet, after @ ..] => {
                    octets.push(*octet);
                    after
                }
            };
        }
    }
}

impl Form {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let offset = parts.next()?.parse().ok()?;
        let width = parts.next().map_or(Ok(0), str::parse).ok()?;
        let base = match parts.next() {
            None => b'd',
            Some(base) => *base.as_bytes().first().filter(|_| base.len() == 1)?,
        };
        (parts.next().is_none() && width <= 63).then_some(Self { offset, width, base })
    }

    fn write(self, number: u32) -> Option<Vec<u8>> {
        let number = u64::try_from(i64::from(number).checked_add(self.offset)?).ok()?;
        let width = self.width;
        let text = match self.base {
            b'd' => format!("{number:0width$}"),
            b'o' => format!("{number:0width$o}"),
            b'x' => format!("{number:0width$x}"),
            b'X' => format!("{number:0width$X}"),
            b'n' => nibbles(number, width, false),
            b'N' => nibbles(number, width, true),
            _ => return None,
        };
        Some(text.into_bytes())
    }
}

/// Writes hexadecimal digits as labels, the last digit first; the width counts the dots.
fn nibbles(number: u64, width: usize, is_upper: bool) -> String {
    let digits = width.div_ceil(2).max(1);
    let text = if is_upper { format!("{number:0digits$X}") } else { format!("{number:0digits$x}") };
    let labels: Vec<String> = text.chars().rev().map(String::from).collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word<'_> {
        Word { octets: text.as_bytes(), is_quoted: false }
    }

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("1-3", Some((1, 3, 1))),
            ("0-254/2", Some((0, 254, 2))),
            ("5-5", Some((5, 5, 1))),
            ("3-1", None),
            ("1-3/0", None),
            ("0-65535", Some((0, 65535, 1))),
            ("0-65536", None),
            ("1", None),
            ("-1-3", None),
            ("a-b", None),
            ("1-+3", None),
        ] {
            assert_eq!(Generate::range(&word(text)), expected, "{text}");
        }
    }

    #[test]
    fn forms() {
        for (text, expected) in [
            ("host-$", Some("host-20")),
            ("$.0.0.10", Some("20.0.0.10")),
            ("a\\$$$", Some("a$$")),
            ("${-5}", Some("15")),
            ("${0,3}", Some("020")),
            ("${0,4,x}", Some("0014")),
            ("${1,0,X}", Some("15")),
            ("${0,0,o}", Some("24")),
            ("${0,7,n}", Some("4.1.0.0")),
            ("${236,3,N}", Some("0.0.1")),
            ("\\.$", Some("\\.20")),
            ("${", None),
            ("${x}", None),
            ("${0,64}", None),
            ("${0,0,q}", None),
            ("${0,0,d,0}", None),
            ("${-21}", None),
        ] {
            let written = Generate { number: 20 }.word(&word(text)).ok();
            assert_eq!(written.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
