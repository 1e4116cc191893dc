//! What repeats from object to object is stored once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use cluster::{EndpointPort, ServicePort, Text};

/// The strings and lists of ports that were seen lately.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: HashSet<Text>,
    service_ports: HashSet<Arc<[ServicePort]>>,
    endpoint_ports: HashSet<Arc<[EndpointPort]>>,
}

/// How many strings are remembered. Forgetting costs only memory: strings that come again are stored again.
const MOST: usize = 32 * 1024;

/// How many lists of ports are remembered, each of Services and of EndpointSlices.
const MOST_PORTS: usize = 1024;

impl Names {
    /// Returns the string, sharing the storage of an equal one seen before.
    pub(super) fn text(&mut self, name: &str) -> Text {
        shared(&mut self.texts, MOST, name)
    }

    /// Returns the ports of a Service, sharing the storage of equal ones seen before.
    pub(super) fn service_ports(&mut self, ports: &[ServicePort]) -> Arc<[ServicePort]> {
        shared(&mut self.service_ports, MOST_PORTS, ports)
    }

    /// Returns the ports of an EndpointSlice, sharing the storage of equal ones seen before.
    pub(super) fn endpoint_ports(&mut self, ports: &[EndpointPort]) -> Arc<[EndpointPort]> {
        shared(&mut self.endpoint_ports, MOST_PORTS, ports)
    }
}

fn shared<'a, T: ?Sized + Eq + Hash>(
    seen: &mut HashSet<Arc<T>>,
    most: usize,
    value: &'a T,
) -> Arc<T>
where
    Arc<T>: Borrow<T> + From<&'a T>,
{
    if let Some(known) = seen.get(value) {
        return Arc::clone(known);
    }
    if seen.len() >= most {
        seen.clear();
    }
    let value = Arc::from(value);
    seen.insert(Arc::clone(&value));
    value
}
