//! Which port is whose, counted from the base. `None` everywhere without one: then each takes a free port.

use super::ClusterConfig;

/// The web app's and the API's port, wherever the others are.
const WEB: u16 = 8080;

const KAFKA_CLIENTS: usize = 1;
const KAFKA_CONTROLLERS: usize = 4;
const REDIS: usize = 7;
const POSTGRES: usize = 8;
const PROMETHEUS: usize = 9;
/// Two for each gateway.
const GATEWAYS: usize = 10;
const PERSISTERS: usize = 80;

pub(super) fn kafka(config: &ClusterConfig) -> Vec<(u16, u16)> {
    let node = |index| at(config, KAFKA_CLIENTS + index).zip(at(config, KAFKA_CONTROLLERS + index));
    (0..config.brokers.count()).filter_map(node).collect()
}

pub(super) fn redis(config: &ClusterConfig) -> Option<u16> {
    at(config, REDIS)
}

pub(super) fn postgres(config: &ClusterConfig) -> Option<u16> {
    at(config, POSTGRES)
}

pub(super) fn prometheus(config: &ClusterConfig) -> Option<u16> {
    at(config, PROMETHEUS)
}

/// Its public and its admin listener's.
pub(super) fn gateway(config: &ClusterConfig, number: usize) -> (Option<u16>, Option<u16>) {
    let first = GATEWAYS + 2 * (number - 1);
    (at(config, first), at(config, first + 1))
}

pub(super) fn persister(config: &ClusterConfig, number: usize) -> Option<u16> {
    at(config, PERSISTERS + number - 1)
}

pub(super) fn web(config: &ClusterConfig) -> Option<u16> {
    config.web_port.or_else(|| config.port_base.map(|_| WEB))
}

fn at(config: &ClusterConfig, offset: usize) -> Option<u16> {
    config.port_base?.checked_add(u16::try_from(offset).ok()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kafka::Brokers;

    #[test]
    fn no_port_is_given_twice() {
        let config = ClusterConfig { port_base: Some(8_700), brokers: Brokers::Three, ..ClusterConfig::new("data") };
        let gateways = (1..=30).map(|number| gateway(&config, number));
        let ports: Vec<_> = kafka(&config)
            .into_iter()
            .chain(gateways.map(|(addr, admin)| (addr.unwrap(), admin.unwrap())))
            .flat_map(|(one, other)| [one, other])
            .chain([redis(&config), postgres(&config), prometheus(&config), web(&config)].map(Option::unwrap))
            .chain((1..=10).map(|number| persister(&config, number).unwrap()))
            .collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len(), "{ports:?}");
    }
}
