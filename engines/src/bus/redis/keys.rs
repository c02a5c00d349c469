//! Names of keys and channels. A partition's keys share a hash tag, so that its scripts run on one node of a cluster.

use std::str::FromStr;

use parley_proto::{PartitionId, RoomId, UserId};

use crate::bus::{Channel, limits::Bucket};

/// The sorted set of live gateways.
pub(super) const GATEWAYS: &str = "gw";

/// The sorted set of those who hold places.
pub(super) const HOLDERS: &str = "hold";

/// How the channels of rooms begin; the room follows.
pub(super) const ROOM_CHANNELS: &str = "c:";

const NOTICES_CHANNELS: &str = "n:";
const CONTROL_CHANNEL: &str = "ctl";

/// The partition's sorted set.
pub(super) fn set(partition: PartitionId) -> String {
    format!("p:{{{}}}", partition.0)
}

/// How the partition's tails begin; `incarnation:room` follows.
pub(super) fn tails(partition: PartitionId) -> String {
    format!("t:{{{}}}:", partition.0)
}

/// A bucket of tokens or places.
pub(super) fn bucket(bucket: &Bucket) -> String {
    format!("lim:{}:{}", bucket.what, bucket.who)
}

/// Who is in a room, of those at this holder.
pub(super) fn present_at(room: RoomId, holder: &str) -> String {
    format!("pres:{room}:{holder}")
}

/// The version of a person's rights. All of them share a hash tag: they are asked for by the hundred.
pub(super) fn rights(user: UserId) -> String {
    format!("{{ver}}:{user}")
}

pub(super) fn channel(channel: Channel) -> String {
    match channel {
        Channel::Room(room) => format!("{ROOM_CHANNELS}{room}"),
        Channel::Notices(partition) => format!("{NOTICES_CHANNELS}{}", partition.0),
        Channel::Control => CONTROL_CHANNEL.to_owned(),
    }
}

/// The channel of this name, if it is one of ours.
pub(super) fn channel_named(name: &str) -> Option<Channel> {
    if name == CONTROL_CHANNEL {
        return Some(Channel::Control);
    }
    if let Some(room) = name.strip_prefix(ROOM_CHANNELS) {
        return RoomId::from_str(room).ok().map(Channel::Room);
    }
    let partition = name.strip_prefix(NOTICES_CHANNELS)?;
    partition.parse().ok().map(|partition| Channel::Notices(PartitionId(partition)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_found_by_its_name() {
        for of in [Channel::Control, Channel::Notices(PartitionId(65_535)), Channel::Room(RoomId::new(PartitionId(7), [9; 16]))] {
            assert_eq!(channel_named(&channel(of)), Some(of));
        }
        for other in ["", "c:", "n:70000", "ctl2", "x:1"] {
            assert_eq!(channel_named(other), None, "{other}");
        }
    }

    #[test]
    fn a_partition_s_keys_share_a_hash_tag() {
        assert_eq!((set(PartitionId(12)), tails(PartitionId(12))), ("p:{12}".to_owned(), "t:{12}:".to_owned()));
    }
}
