//! Remembers who has been ready.

use std::collections::BTreeSet;

use super::Monitor;

/// Turns what is not ready now into what `/ready` reports.
///
/// Made anew with each configuration: what is not waiting at the first report never is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Readiness {
    monitor: Monitor,
    /// What has not been ready yet; none before the first report.
    waiting: Option<BTreeSet<String>>,
}

impl Readiness {
    /// Returns the memory of a server that has not been asked yet.
    pub const fn new(monitor: Monitor) -> Self {
        Self { monitor, waiting: None }
    }

    /// Returns what `/ready` reports, sorted, each name once; empty means ready.
    pub fn report(&mut self, unready: impl IntoIterator<Item = String>) -> Vec<String> {
        let unready: BTreeSet<String> = unready.into_iter().collect();
        let waiting = match (self.monitor, self.waiting.take()) {
            (Monitor::Continuously, _) | (Monitor::UntilReady, None) => unready,
            (Monitor::UntilReady, Some(waiting)) => &waiting & &unready,
        };
        self.waiting.insert(waiting).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::ready::ReadyConfig;
    use crate::plugin::testing::configure;

    fn reports(corefile: &str) -> Vec<String> {
        let config = configure(corefile, ReadyConfig::parse).unwrap();
        let mut readiness = Readiness::new(config.monitor);
        let unready = ["kubernetes,forward,kubernetes", "kubernetes", "forward", "", "forward"];
        let names = |text: &str| {
            text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        unready.map(|text| readiness.report(names(text)).join(",")).to_vec()
    }

    #[test]
    fn until_ready_never_goes_back() {
        let expected = ["forward,kubernetes", "kubernetes", "", "", ""];
        assert_eq!(reports("ready"), expected);
        assert_eq!(reports("ready {\nmonitor until-ready\n}"), expected);
    }

    #[test]
    fn continuously_follows() {
        let expected = ["forward,kubernetes", "kubernetes", "forward", "", "forward"];
        assert_eq!(reports("ready {\nmonitor continuously\n}"), expected);
    }
}
