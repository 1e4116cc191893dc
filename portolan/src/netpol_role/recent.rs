//! The denied packets that had a line last, for the status page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::denials::Denial;

/// How many are kept.
const MOST: usize = 50;

/// The last denials, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(Instant, Denial)>>);

impl Recent {
    /// Keeps a denial, in the place of the oldest when there are many.
    pub(super) fn note(&self, denial: Denial, at: Instant) {
        // Nothing panics while it is held, here and below.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back((at, denial));
    }

    /// Returns them, the newest first.
    pub(super) fn newest(&self) -> Vec<(Instant, Denial)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use netpol::{Direction, Mode, Traffic};

    use super::*;

    #[test]
    fn the_newest_come_first_and_old_ones_go() {
        let (recent, now) = (Recent::default(), Instant::now());
        let most = u16::try_from(MOST).unwrap();
        for port in 1..=most + 7 {
            let denial = Denial {
                pod: "shop/db".to_owned(),
                direction: Direction::Ingress,
                mode: Mode::Enforce,
                peer: "shop/web".to_owned(),
                source: [10, 0, 0, 1].into(),
                destination: [10, 0, 0, 2].into(),
                traffic: Traffic::Tcp(port),
                policies: Vec::new(),
            };
            recent.note(denial, now);
        }
        let ports: Vec<Traffic> =
            recent.newest().into_iter().map(|(_, denial)| denial.traffic).collect();
        assert_eq!(ports.len(), MOST);
        assert_eq!((ports[0], ports[MOST - 1]), (Traffic::Tcp(most + 7), Traffic::Tcp(8)));
    }
}
