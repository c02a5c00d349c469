//! Ids that are the same at every import.

use parley_proto::{Cid, PartitionId, RoomId, UserId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Namespace of the cids: one per line of the file.
const LINES: Uuid = Uuid::from_u128(0x7f4d_1a52_0c3e_4b8a_9d61_2e5b_c094_a7f3);

/// The cid of the message in this line, counted from 1.
pub(super) fn cid(line: u64) -> Cid {
    Cid(Uuid::new_v5(&LINES, line.to_string().as_bytes()))
}

pub(super) fn user(user_name: &str) -> UserId {
    UserId(Uuid::new_v8(hash("user", user_name)))
}

pub(super) fn room(name: &str, partition: PartitionId) -> RoomId {
    RoomId::new(partition, hash("room", name))
}

/// `irc-` and 12 hex digits of SHA-256(nick): nicks hold characters that user names can't.
pub(super) fn user_name(nick: &str) -> String {
    format!("irc-{}", &hex::encode(Sha256::digest(nick))[..12])
}

fn hash(what: &str, name: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update(b"parley.demo.").chain_update(what).chain_update([0]).chain_update(name).finalize();
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        assert_eq!(user_name("usual"), "irc-905301bf736f");
        assert_eq!(cid(1).to_string(), "40161f2a-8fce-5a16-8aec-6e56b28d96aa");
        assert_eq!(user("irc-905301bf736f").to_string(), "39768885-7b37-85b2-91a2-09770e7a3d94");
        assert_eq!(room("ubuntu", PartitionId(3)).to_string(), "00039981-1d93-8b4d-af63-dd9616ee4a82");
        assert_eq!(room("ubuntu", PartitionId(3)).partition(), PartitionId(3));
    }
}
