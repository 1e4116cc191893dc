//! Cuts the body of a watch into lines, however it arrives, in bounded memory.

/// The longest line that is kept; an object of etcd's largest size is a tenth of it.
pub(crate) const MOST_BYTES_A_LINE: usize = 16 << 20;

/// A line of a body, without its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    /// Its bytes.
    Whole(&'a [u8]),
    /// It was longer than is kept.
    TooLong,
}

/// What has come of a line that has not ended yet.
#[derive(Debug)]
pub(crate) struct Lines {
    pending: Vec<u8>,
    is_too_long: bool,
    most: usize,
}

impl Lines {
    /// Returns a splitter that keeps lines of up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { pending: Vec::new(), is_too_long: false, most }
    }

    /// Takes the next bytes of the body and gives every line that ends in them to `each`. Empty lines are
    /// left out. What follows the last line's end waits for more; at the end of the body it is no line.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = (&bytes[..end], &bytes[end + 1..]);
            bytes = tail;
            if self.pending.is_empty() && !self.is_too_long && head.len() <= self.most {
                // The usual case, which copies nothing.
                give(head, &mut each);
                continue;
            }
            self.keep(head);
            if std::mem::take(&mut self.is_too_long) {
                each(Line::TooLong);
            } else {
                give(&self.pending, &mut each);
            }
            self.pending.clear();
            // One large object must not hold its size for ever.
            self.pending.shrink_to(64 << 10);
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.pending.len() + bytes.len() > self.most {
            self.is_too_long = true;
            self.pending = Vec::new();
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }
}

fn give(line: &[u8], each: &mut impl FnMut(Line<'_>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        each(Line::Whole(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn collect(chunks: &[&[u8]], most: usize) -> Vec<Option<Vec<u8>>> {
        let (mut lines, mut found) = (Lines::new(most), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| {
                found.push(match line {
                    Line::Whole(line) => Some(line.to_vec()),
                    Line::TooLong => None,
                });
            });
        }
        found
    }

    #[test]
    fn long_lines_are_told_and_the_next_ones_are_whole() {
        let found = collect(&[b"ab\nabcde", b"fgh\ncd\n\nrest"], 4);
        assert_eq!(found, [Some(b"ab".to_vec()), None, Some(b"cd".to_vec())]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(body in "[a-c\n\r]{0,60}", cuts in prop::collection::vec(0..60usize, 0..8)) {
            let body = body.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &body[w[0]..w[1]]).collect();
            prop_assert_eq!(collect(&chunks, 5), collect(&[body], 5));
        }
    }
}
