//! What a Service gets, and what it is to lose.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cluster::{ObjectKey, ServiceType};

use super::super::assign::{Given, HealthCheck, has_node_ports, seed};
use super::super::family_policy::families_of;
use super::super::state::{ServiceReason, ServiceState, family};
use super::super::wish::Wish;
use super::{Entry, ServiceController};
use crate::Family;

/// For each port of a Service the node port that it is given, and what becomes of its port for health checks.
type NodePorts = (Vec<Option<u16>>, Option<HealthCheck>);

/// What is missing that cannot be had, with the remedy.
pub(super) struct Missing(pub(super) ServiceReason, pub(super) String);

impl ServiceController {
    /// Chooses what a Service lacks, and says what it is to lose: all of it or nothing; none when it is as it should be.
    /// `wish` is what it says without what it is to lose.
    pub(super) fn give(
        &mut self,
        key: &ObjectKey,
        state: &ServiceState,
        wish: &Wish,
        entry: &mut Entry,
    ) -> Result<Option<Given>, Missing> {
        let families = families_of(wish, &self.families())
            .map_err(|text| Missing(ServiceReason::CannotAllocate, text))?;
        let mut addresses = wish.written().to_vec();
        for family in families.iter().skip(wish.written().len()) {
            addresses.push(self.address_for(key, *family, &addresses)?);
        }
        if addresses.len() == wish.written().len() && *wish == state.wish {
            addresses.clear();
        }
        let (node_ports, health_check) = self.node_ports(key, wish)?;
        // `dropTypeDependentFields` of kube-apiserver.
        let has_none =
            matches!(wish.service_type, ServiceType::ClusterIp | ServiceType::ExternalName);
        let drops_node_ports = has_none && wish.ports.iter().any(|port| port.node_port.is_some());
        if node_ports.iter().all(Option::is_none)
            && addresses.is_empty()
            && health_check.is_none()
            && !drops_node_ports
        {
            return Ok(None);
        }
        let given = Given { addresses, node_ports, drops_node_ports, health_check };
        entry.intent = Some(given.clone());
        self.settle(key, entry);
        Ok(Some(given))
    }

    /// Chooses an address: one that is claimed for the Service already, or a free one.
    fn address_for(&self, key: &ObjectKey, of: Family, but: &[IpAddr]) -> Result<IpAddr, Missing> {
        let mut claimed = self.claimed.get(key).into_iter().flatten();
        let claimed = claimed.find(|ip| {
            family(**ip) == of
                && !but.contains(ip)
                && self.book.is_in_range(**ip)
                && self.book.other(**ip, key).is_none()
                && self.addresses.get(ip).is_some_and(|it| it.is_labelled && it.is_managed)
        });
        let new = || self.book.pick(of, seed(key, &of.to_string()));
        claimed.copied().or_else(new).ok_or_else(|| {
            let text = format!("no address of {of} is free; add a ServiceCIDR, or delete Services");
            Missing(ServiceReason::CannotAllocate, text)
        })
    }

    /// Chooses the node ports of a Service, and what becomes of its port for health checks.
    fn node_ports(&mut self, key: &ObjectKey, wish: &Wish) -> Result<NodePorts, Missing> {
        // The same port of several protocols has one node port.
        let mut of_port = BTreeMap::new();
        for port in &wish.ports {
            of_port.extend(port.node_port.map(|node_port| (port.port, node_port)));
        }
        let mut chosen: Vec<u16> = Vec::new();
        // Held at once, so that the next port gets another.
        let mut choose = |what: &str| {
            let found = self.book.pick_port(seed(key, what));
            chosen.extend(found.inspect(|port| self.book.hold_port(*port, key)));
            found
        };
        let mut given = Vec::new();
        let mut is_missing = false;
        for port in wish.ports.iter().filter(|_| has_node_ports(wish)) {
            let node_port = match (port.node_port, of_port.get(&port.port)) {
                (Some(_), _) => None,
                (None, Some(node_port)) => Some(*node_port),
                (None, None) => {
                    let found = choose(&port.port.to_string());
                    of_port.extend(found.map(|found| (port.port, found)));
                    found
                }
            };
            is_missing |= port.node_port.is_none() && node_port.is_none();
            given.push(node_port);
        }
        let health_check = match (wish.needs_health_check(), wish.health_check) {
            (true, None) => {
                let found = choose("health check").map(HealthCheck::Given);
                is_missing |= found.is_none();
                found
            }
            (false, Some(_)) => Some(HealthCheck::Dropped),
            (true, Some(_)) | (false, None) => None,
        };
        // What is given is held by the Service from now on, by its intent.
        chosen.iter().for_each(|port| self.book.release_port(*port, key));
        if is_missing {
            let text = "no node port is free; delete Services, or make some of type ClusterIP";
            return Err(Missing(ServiceReason::NoNodePort, text.to_owned()));
        }
        Ok((given, health_check))
    }
}
