//! What a changed Corefile does to the listeners.

use super::{ListenerConfig, ListenerKey};
use crate::engine::ListenerId;

/// Gives out the numbers of listeners.
///
/// Lives as long as the process and forgets nothing, so that a listener has the same number in every engine,
/// whether the configuration that named it was used or not. It is as large as the listeners that there ever were.
#[derive(Clone, Debug, Default)]
pub struct ListenerIds {
    known: Vec<ListenerKey>,
}

/// Which listeners a new configuration keeps, opens and closes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListenerChanges {
    /// Those whose sockets stay; as the new configuration has them.
    pub keep: Vec<ListenerConfig>,
    /// Those that have to be bound.
    pub open: Vec<ListenerConfig>,
    /// Those whose sockets go; as the old configuration has them.
    pub close: Vec<ListenerConfig>,
}

impl ListenerIds {
    /// Returns the number of each listener.
    pub fn of(&mut self, listeners: &[ListenerConfig]) -> Vec<ListenerId> {
        listeners.iter().map(|listener| self.id(listener)).collect()
    }

    /// Returns the number of a listener.
    pub fn id(&mut self, listener: &ListenerConfig) -> ListenerId {
        let key = listener.key();
        let known = self.known.iter().position(|other| *other == key);
        ListenerId(known.unwrap_or_else(|| {
            self.known.push(key);
            self.known.len() - 1
        }))
    }
}

impl ListenerChanges {
    /// Compares two configurations. Other zones change no socket; a listener that has to be bound again, with
    /// the same number, is in both `open` and `close`.
    pub fn between(old: &[ListenerConfig], new: &[ListenerConfig]) -> Self {
        let is_in = |all: &[ListenerConfig], one: &ListenerConfig| {
            all.iter().any(|other| has_same_sockets(other, one))
        };
        let (keep, open) = new.iter().cloned().partition(|listener| is_in(old, listener));
        let close = old.iter().filter(|listener| !is_in(new, listener)).cloned();
        Self { keep, open, close: close.collect() }
    }
}

fn has_same_sockets(a: &ListenerConfig, b: &ListenerConfig) -> bool {
    a.key() == b.key() && a.sockets == b.sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sockets;
    use crate::corefile::Transport;
    use crate::plugin::stream_limits::StreamLimits;
    use crate::plugin::timeouts::TimeoutsConfig;

    fn listener(text: &str) -> ListenerConfig {
        let (host, rest) = text.split_once('#').unwrap();
        let (port, zone) = rest.split_once(' ').unwrap();
        ListenerConfig {
            transport: Transport::Dns,
            host: Some(host).filter(|host| !host.is_empty()).map(|host| host.parse().unwrap()),
            port: port.parse().unwrap(),
            sockets: Sockets::Number(1),
            timeouts: TimeoutsConfig::default(),
            stream_limits: StreamLimits::default(),
            tls: None,
            tls_position: None,
            zones: vec![(zone.parse().unwrap(), 0)],
        }
    }

    fn listeners(texts: &[&str]) -> Vec<ListenerConfig> {
        texts.iter().map(|text| listener(text)).collect()
    }

    #[test]
    fn sockets_stay_unless_their_address_goes() {
        type Texts<'a> = &'a [&'a str];
        let cases: [(Texts<'_>, Texts<'_>, [Texts<'_>; 3]); 4] = [
            (&["#53 a."], &["#53 b."], [&["#53 b."], &[], &[]]),
            (&["#53 a."], &["#54 a."], [&[], &["#54 a."], &["#53 a."]]),
            (
                &["#53 a.", "10.0.0.1#53 b."],
                &["10.0.0.1#53 b.", "::1#53 b."],
                [&["10.0.0.1#53 b."], &["::1#53 b."], &["#53 a."]],
            ),
            (&["#0 a."], &["#0 a.", "::1#0 a."], [&["#0 a."], &["::1#0 a."], &[]]),
        ];
        for (old, new, [keep, open, close]) in cases {
            let changes = ListenerChanges::between(&listeners(old), &listeners(new));
            let expected = ListenerChanges {
                keep: listeners(keep),
                open: listeners(open),
                close: listeners(close),
            };
            assert_eq!(changes, expected, "{old:?} to {new:?}");
        }
    }

    #[test]
    fn another_number_of_sockets_opens_and_closes() {
        let old = listeners(&["#53 a."]);
        let new = vec![ListenerConfig { sockets: Sockets::Processors, ..listener("#53 a.") }];
        let changes = ListenerChanges::between(&old, &new);
        assert_eq!(changes, ListenerChanges { keep: Vec::new(), open: new, close: old });
    }

    #[test]
    fn a_listener_keeps_its_number() {
        let mut ids = ListenerIds::default();
        let numbers = |ids: &mut ListenerIds, texts: &[&str]| {
            ids.of(&listeners(texts)).into_iter().map(|ListenerId(id)| id).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&mut ids, &["#53 a.", "::1#53 a."]), [0, 1]);
        assert_eq!(numbers(&mut ids, &["::1#53 b.", "#54 a."]), [1, 2]);
        assert_eq!(numbers(&mut ids, &["#53 a.", "#54 a."]), [0, 2]);
    }
}
