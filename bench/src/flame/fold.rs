//! What `perf script` prints, as counted stacks.

use std::collections::BTreeMap;

/// How often each stack was seen; the outermost frame first.
pub(crate) type Stacks = BTreeMap<Vec<String>, u64>;

/// Counts the stacks of `perf script -F comm,ip,sym`:
///
/// ```text
/// portolan
///         55d0c8a1b2c3 dns::wire::parse
///         7f1234567890 start_thread
///
/// ```
///
/// The first line of a sample is the thread's name, then come the frames from the innermost out.
pub(crate) fn fold(script: &str) -> Stacks {
    let mut stacks = Stacks::new();
    for sample in script.split("\n\n") {
        let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
        let Some(thread) = lines.next() else { continue };
        let mut frames: Vec<String> = lines.filter_map(frame).collect();
        if frames.is_empty() {
            continue;
        }
        frames.push(thread.trim().to_owned());
        frames.reverse();
        *stacks.entry(frames).or_default() += 1;
    }
    stacks
}

/// Returns the function of a frame, without the hash that makes names of Rust unique.
fn frame(line: &str) -> Option<String> {
    let (_, symbol) = line.trim_start().split_once(' ')?;
    let symbol = symbol.split("+0x").next().unwrap_or(symbol).trim();
    let name = match symbol.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name
        }
        _ => symbol,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn equal_stacks_are_counted_from_the_outside() {
        let script = "portolan \n\t    55d0 dns::wire::parse::h0123456789abcdef\n\t    7f12 main\n\n\
            portolan \n\t    55d4 dns::wire::parse::h0123456789abcdef\n\t    7f12 main+0x10\n\n\
            worker \n\t    ffff [unknown]\n\n";
        let stacks = fold(script);
        let stack = ["portolan", "main", "dns::wire::parse"].map(str::to_owned).to_vec();
        assert_eq!(stacks.get(&stack), Some(&2), "{stacks:?}");
        assert_eq!(stacks.len(), 2);
    }
}
