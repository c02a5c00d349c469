//! Ids are newtypes over UUIDs, so that a room can't be passed where a user is meant.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::position::Cursor;

/// A partition of the log. It is part of every room's id and never computed from a partition count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u16);

impl std::fmt::Display for PartitionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The all-zero id: "nobody", "nothing".
            pub const NIL: Self = Self(Uuid::nil());
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// An account. UUIDv7.
    UserId
);
uuid_id!(
    /// A conversation. UUIDv8 whose first 16 bits are its partition.
    RoomId
);
uuid_id!(
    /// A record's identity as one number: derived from (room, sender, base, cid), see [`MessageId::derive`].
    MessageId
);
uuid_id!(
    /// The client's id for one thing that it does; a retry bears the same.
    Cid
);
uuid_id!(
    /// A signed-in session; a socket belongs to one.
    SessionId
);
uuid_id!(
    /// One log's name, written in the genesis record of each partition and kept by the store.
    LogId
);

impl RoomId {
    /// A new room's id in `partition`; `random` are 16 random bytes.
    pub fn new(partition: PartitionId, random: [u8; 16]) -> Self {
        let mut bytes = random;
        bytes[..2].copy_from_slice(&partition.0.to_be_bytes());
        Self(Uuid::new_v8(bytes))
    }

    /// The room that a partition's own records (genesis) bear.
    pub fn of_partition(partition: PartitionId) -> Self {
        Self::new(partition, [0; 16])
    }

    /// The partition in which all of this room's records are.
    pub fn partition(self) -> PartitionId {
        let bytes = self.0.as_bytes();
        PartitionId(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}

impl MessageId {
    /// The id of the record with this identity (RFC 9562, UUIDv8): 48 bits `base >> 5`, so that indexes stay local, then the first 74 bits of
    /// SHA-256("parley.id.1" ‖ room ‖ sender ‖ cid ‖ base). Every gateway computes the same one without asking anybody.
    pub fn derive(room: RoomId, sender: UserId, cid: Cid, base: Cursor) -> Self {
        let hash = Sha256::new()
            .chain_update(b"parley.id.1")
            .chain_update(room.0.as_bytes())
            .chain_update(sender.0.as_bytes())
            .chain_update(cid.0.as_bytes())
            .chain_update(base.0.to_be_bytes())
            .finalize();
        let mut head = [0_u8; 16];
        head.copy_from_slice(&hash[..16]);
        let hash = u128::from_be_bytes(head);
        let custom_a = u128::from(base.0 >> 5) << 80;
        let custom_b = (hash >> 116) << 64;
        let custom_c = (hash >> 54) & ((1 << 62) - 1);
        Self(Uuid::new_v8((custom_a | custom_b | custom_c).to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_keeps_its_partition() {
        for partition in [0, 1, 15, 300, u16::MAX] {
            let room = RoomId::new(PartitionId(partition), [0xAB; 16]);
            assert_eq!(room.partition(), PartitionId(partition));
            assert_eq!(room.0.get_version_num(), 8);
        }
    }

    #[test]
    fn an_id_is_the_same_everywhere_and_differs_by_each_part() {
        let room = RoomId::new(PartitionId(3), [7; 16]);
        let (sender, cid) = (UserId(Uuid::from_u128(1)), Cid(Uuid::from_u128(2)));
        let id = MessageId::derive(room, sender, cid, Cursor(96));
        assert!(id.0.to_string().starts_with("00000000-0003-8"), "the first 48 bits are base >> 5: {id}");
        assert_eq!(id.0.get_version_num(), 8);
        assert_eq!(id, MessageId::derive(room, sender, cid, Cursor(96)));
        for other in [
            MessageId::derive(RoomId::new(PartitionId(4), [7; 16]), sender, cid, Cursor(96)),
            MessageId::derive(room, UserId(Uuid::from_u128(9)), cid, Cursor(96)),
            MessageId::derive(room, sender, Cid(Uuid::from_u128(3)), Cursor(96)),
            MessageId::derive(room, sender, cid, Cursor(97)),
        ] {
            assert_ne!(id, other);
        }
    }
}
