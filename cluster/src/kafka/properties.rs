//! A broker's settings.

use std::{fmt::Write, path::Path};

use super::Door;

/// Where one node listens, on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodePorts {
    pub(super) id: usize,
    pub(super) clients: u16,
    pub(super) controller: u16,
}

/// `server.properties` of `node`, one of `nodes`, each of which is broker and controller. It has `doors` besides.
pub(super) fn of(node: NodePorts, nodes: &[NodePorts], data: &Path, doors: &[Door]) -> String {
    let voters: Vec<_> = nodes.iter().map(|node| format!("{}@127.0.0.1:{}", node.id, node.controller)).collect();
    let replicas = nodes.len();
    let in_sync = if replicas == 3 { 2 } else { 1 };
    let NodePorts { id, clients, controller } = node;
    let with_doors = |own: String, door: fn(&Door) -> String| std::iter::once(own).chain(doors.iter().map(door)).collect::<Vec<_>>().join(",");
    let own = format!("PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}");
    let settings = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", id.to_string()),
        // Fixed voters: the data folder survives a change of ports, which a voter set in the log would not.
        ("controller.quorum.voters", voters.join(",")),
        ("listeners", with_doors(own.clone(), |door| format!("{}://127.0.0.1:{}", door.name, door.port))),
        ("advertised.listeners", with_doors(own, |door| format!("{}://127.0.0.1:{}", door.name, door.advertised))),
        ("listener.security.protocol.map", with_doors("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(), |door| format!("{}:PLAINTEXT", door.name))),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("log.dirs", data.display().to_string()),
        ("default.replication.factor", replicas.to_string()),
        ("min.insync.replicas", in_sync.to_string()),
        // A replica that missed acked records must never become the leader.
        ("unclean.leader.election.enable", "false".to_owned()),
        ("auto.create.topics.enable", "false".to_owned()),
        // Kafka's own topics: small, and as safe as ours.
        ("offsets.topic.replication.factor", replicas.to_string()),
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.replication.factor", replicas.to_string()),
        ("transaction.state.log.min.isr", in_sync.to_string()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        ("share.coordinator.state.topic.replication.factor", replicas.to_string()),
        ("share.coordinator.state.topic.min.isr", in_sync.to_string()),
        ("share.coordinator.state.topic.num.partitions", "2".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // The default asks for 128 MB, which small heaps don't have.
        ("log.cleaner.dedupe.buffer.size", "8388608".to_owned()),
        ("log.cleaner.threads", "1".to_owned()),
        // A killed broker's partitions move after this time, and it is let in again only after it, also where it is the only one. The default is 9 s.
        ("broker.session.timeout.ms", "3000".to_owned()),
        // How often it asks to be let in.
        ("broker.heartbeat.interval.ms", "250".to_owned()),
    ];
    settings.into_iter().fold(String::new(), |mut text, (name, value)| {
        // Writing into a String can't fail.
        let _ = writeln!(text, "{name}={value}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_brokers_need_two_to_agree_and_one_is_alone() {
        let nodes = [1, 2, 3].map(|id| NodePorts { id, clients: 100 + id as u16, controller: 200 + id as u16 });
        let three = of(nodes[1], &nodes, Path::new("/data"), &[]);
        for line in ["node.id=2", "controller.quorum.voters=1@127.0.0.1:201,2@127.0.0.1:202,3@127.0.0.1:203", "min.insync.replicas=2"] {
            assert!(three.lines().any(|its| its == line), "{line} is not in\n{three}");
        }
        let one = of(nodes[0], &nodes[..1], Path::new("/data"), &[]);
        assert!(one.contains("min.insync.replicas=1\n") && one.contains("default.replication.factor=1\n"));
    }

    #[test]
    fn who_comes_through_a_door_is_sent_to_another_port() {
        let node = NodePorts { id: 1, clients: 101, controller: 201 };
        let door = Door { name: "GATEWAY_1".to_owned(), port: 301, advertised: 401 };
        let text = of(node, &[node], Path::new("/data"), &[door]);
        for line in [
            "listeners=PLAINTEXT://127.0.0.1:101,CONTROLLER://127.0.0.1:201,GATEWAY_1://127.0.0.1:301",
            "advertised.listeners=PLAINTEXT://127.0.0.1:101,CONTROLLER://127.0.0.1:201,GATEWAY_1://127.0.0.1:401",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GATEWAY_1:PLAINTEXT",
        ] {
            assert!(text.lines().any(|its| its == line), "{line} is not in\n{text}");
        }
    }
}
