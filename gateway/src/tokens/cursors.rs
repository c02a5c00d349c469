//! Cursors of lists: where a page ended, signed for exactly that list of exactly that owner.

use parley_engines::store::Direction;
use parley_proto::{ErrorCode, MessageId, RoomId, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Signer;
use crate::refusal::Refusal;

/// Makes and reads list cursors.
#[derive(Debug, Clone)]
pub struct Cursors(Signer);

/// A list's identity. A cursor of one list is refused by every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List<'a> {
    /// The rooms of a person.
    RoomsOf(UserId),
    /// Public rooms, with what was looked for.
    Directory(Option<&'a str>),
    Members(RoomId),
    Messages(RoomId),
    /// Who voted on a message.
    Votes(MessageId),
}

impl List<'_> {
    fn purpose(&self) -> String {
        match self {
            Self::RoomsOf(user) => format!("list.rooms.{user}"),
            Self::Directory(None) => "list.directory".to_owned(),
            Self::Directory(Some(query)) => format!("list.directory.{query}"),
            Self::Members(room) => format!("list.members.{room}"),
            Self::Messages(room) => format!("list.messages.{room}"),
            Self::Votes(message) => format!("list.votes.{message}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Place<K> {
    backward: bool,
    key: K,
}

impl Cursors {
    /// Of the root signer.
    pub fn new(root: &Signer) -> Self {
        Self(root.derive("cursor"))
    }

    /// The cursor that goes on from `key`.
    pub fn write<K: Serialize>(&self, list: &List<'_>, direction: Direction, key: &K) -> Result<String, Refusal> {
        let place = Place { backward: direction == Direction::Backward, key };
        let payload = serde_json::to_vec(&place).map_err(|error| {
            tracing::error!(error = %error, "cursors.not_encoded");
            Refusal::unavailable()
        })?;
        Ok(self.0.derive(&list.purpose()).sign(&payload))
    }

    /// Where a cursor of this list goes on; `bad_request` for one that is forged, or of another list.
    pub fn read<K: DeserializeOwned>(&self, list: &List<'_>, text: &str) -> Result<(Direction, K), Refusal> {
        let place: Place<K> = self.0.derive(&list.purpose()).verify(text).and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or_else(wrong)?;
        Ok((if place.backward { Direction::Backward } else { Direction::Forward }, place.key))
    }
}

fn wrong() -> Refusal {
    Refusal::new(ErrorCode::BadRequest).detail("this is no cursor of this list").at("cursor")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::tokens::TokenKey;

    fn cursors() -> Cursors {
        Cursors::new(&Signer::new(&TokenKey::new("a long enough secret, 0123456789 abc").unwrap(), None))
    }

    #[test]
    fn a_cursor_is_of_one_list_only() {
        let (one, other) = (RoomId(Uuid::from_u128(1)), RoomId(Uuid::from_u128(2)));
        let text = cursors().write(&List::Messages(one), Direction::Backward, &17_u64).unwrap();
        assert_eq!(cursors().read::<u64>(&List::Messages(one), &text), Ok((Direction::Backward, 17)));
        for list in [List::Messages(other), List::Members(one), List::Directory(None), List::Directory(Some("")), List::RoomsOf(UserId(one.0))] {
            assert_eq!(cursors().read::<u64>(&list, &text).map_err(|refusal| refusal.code), Err(ErrorCode::BadRequest), "{list:?}");
        }
    }

    #[test]
    fn a_forged_cursor_is_refused_with_the_field_that_is_wrong() {
        for forged in ["", "17", "eyJrZXkiOjE3fQ", "../..", &"A".repeat(50_000)] {
            let refusal = cursors().read::<u64>(&List::Members(RoomId::NIL), forged).unwrap_err();
            assert_eq!((refusal.code, refusal.path.as_deref()), (ErrorCode::BadRequest, Some("cursor")));
        }
    }
}
