//! Use cases of rooms: create, find, join, leave. A private room that one is not in answers exactly as a missing one, on every path.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parley_engines::store::{
    Page, PageRequest, Store,
    rooms::{ActivityKey, DirectoryKey, MembershipChange, NewRoom, Room, RoomCreated},
};
use parley_proto::{
    ErrorCode, RoomId, UnixMillis, UserId,
    event::{Role, Visibility},
    limits as protocol_limits, text,
    wire::User,
};

use crate::{
    limits::{Limits, What},
    metrics,
    profiles::Profiles,
    refusal::Refusal,
    revocation::{Revocation, Revocations},
    rights::Rights,
};

mod placement;

use placement::Placement;

/// The use cases. Clones share everything.
#[derive(Debug, Clone)]
pub struct Rooms {
    store: Arc<dyn Store>,
    revocations: Revocations,
    profiles: Profiles,
    rights: Rights,
    limits: Limits,
    placement: Placement,
}

/// A room as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRoom {
    pub name: String,
    pub topic: String,
    pub visibility: Visibility,
}

/// A room, whether the asker is a member, and how far they have read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRoom {
    pub room: Room,
    pub member: bool,
    /// Up to which `seq` the asker has read; `None` where that was not looked up, or they are no member.
    pub read_seq: Option<u64>,
}

/// A member with their profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMember {
    pub user: User,
    pub role: Role,
    pub joined_at: UnixMillis,
}

impl Rooms {
    /// Puts the parts together.
    pub(crate) fn new(store: Arc<dyn Store>, revocations: Revocations, profiles: Profiles, rights: Rights, limits: Limits) -> Self {
        let placement = Placement::new(Arc::clone(&store));
        Self { store, revocations, profiles, rights, limits, placement }
    }

    /// Makes a room on a random open partition; the creator becomes its owner.
    pub async fn create(&self, user: UserId, request: CreateRoom, now: UnixMillis) -> Result<SeenRoom, Refusal> {
        let name = room_name(&request.name)?;
        let topic = topic(&request.topic)?;
        self.limits.take(What::RoomsCreated, user).await?;
        let id = RoomId::new(self.placement.pick().await?, rand::random());
        let new = NewRoom { id, name, topic, visibility: request.visibility, owner: user, created_at: now };
        match self.store.create_room(&new).await? {
            RoomCreated::Created(room) => Ok(SeenRoom { room, member: true, read_seq: Some(0) }),
            RoomCreated::NameTaken => Err(Refusal::new(ErrorCode::RoomNameTaken).at("name")),
        }
    }

    /// The rooms that this person is a member of, newest activity first.
    pub async fn mine(&self, user: UserId, page: &PageRequest<ActivityKey>) -> Result<Page<SeenRoom>, Refusal> {
        let page = self.store.rooms_of(user, page).await?;
        let ids: Vec<RoomId> = page.items.iter().map(|room| room.id).collect();
        let marks: HashMap<RoomId, u64> = self.store.read_marks(user, &ids).await?.into_iter().collect();
        Ok(map(page, |room| SeenRoom { member: true, read_seq: Some(read_seq(&room, marks.get(&room.id).copied())), room }))
    }

    /// Public rooms, most members first.
    pub async fn directory(&self, user: UserId, query: Option<&str>, page: &PageRequest<DirectoryKey>) -> Result<Page<SeenRoom>, Refusal> {
        let page = self.store.public_rooms(query, page).await?;
        let mine: HashSet<RoomId> = self.store.memberships(user).await?.into_iter().map(|membership| membership.room).collect();
        Ok(map(page, |room| SeenRoom { member: mine.contains(&room.id), read_seq: None, room }))
    }

    /// A room that this person may know of.
    pub async fn get(&self, user: UserId, id: RoomId) -> Result<SeenRoom, Refusal> {
        let room = self.store.room(id).await?.ok_or_else(Refusal::not_found)?;
        let member = self.store.membership(id, user).await?.is_some();
        if !member && room.visibility != Visibility::Public {
            return Err(Refusal::not_found());
        }
        let mark = if member { self.store.read_marks(user, &[id]).await?.pop().map(|(_, seq)| seq) } else { None };
        Ok(SeenRoom { member, read_seq: member.then(|| read_seq(&room, mark)), room })
    }

    /// Makes this person a member of a public room. Idempotent.
    pub async fn join(&self, user: UserId, id: RoomId, now: UnixMillis) -> Result<SeenRoom, Refusal> {
        let seen = self.get(user, id).await?;
        if seen.member {
            return Ok(seen);
        }
        // Not in the store's transaction: of those who come at the same moment a few may be more.
        if seen.room.members >= self.limits.config.room_members {
            metrics::limited("room_members");
            return Err(Refusal::new(ErrorCode::Conflict).detail("this room has as many members as a room may have"));
        }
        match self.store.join(id, user, now).await? {
            MembershipChange::NoRoom => Err(Refusal::not_found()),
            MembershipChange::Unchanged => self.get(user, id).await,
            // What was said before they came is not unread; the mark that says so is on its way.
            MembershipChange::Changed(_) => self.get(user, id).await.map(|seen| SeenRoom { read_seq: Some(seen.room.last_seq), ..seen }),
        }
    }

    /// Ends a membership, here and in every socket. Idempotent in a public room; a private one is missing from then on.
    pub async fn leave(&self, user: UserId, id: RoomId, now: UnixMillis) -> Result<(), Refusal> {
        if !self.get(user, id).await?.member {
            return Ok(());
        }
        match self.store.leave(id, user, now).await? {
            MembershipChange::NoRoom => Err(Refusal::not_found()),
            // Unchanged: another request was faster, and may not have told yet.
            MembershipChange::Changed(_) | MembershipChange::Unchanged => {
                let revocation = Revocation::of_member(user, id);
                self.rights.revoked(&revocation);
                self.revocations.tell(user, &[revocation]).await;
                Ok(())
            }
        }
    }

    /// Who is in the room, for a member (judged by the caller), in order of user ids.
    pub async fn members(&self, room: RoomId, page: &PageRequest<UserId>) -> Result<Page<SeenMember>, Refusal> {
        let page = self.store.members(room, page).await?;
        let ids: Vec<UserId> = page.items.iter().map(|membership| membership.user).collect();
        let users = self.profiles.of(&ids).await;
        let items = page.items.iter().filter_map(|membership| {
            let user = users.iter().find(|user| user.id == membership.user)?.clone();
            Some(SeenMember { user, role: membership.role, joined_at: membership.joined_at })
        });
        Ok(Page { items: items.collect(), has_previous: page.has_previous, has_next: page.has_next })
    }
}

/// Who has no mark yet has joined this moment, or was brought here by an import: nothing is unread for them.
fn read_seq(room: &Room, mark: Option<u64>) -> u64 {
    mark.map_or(room.last_seq, |mark| mark.min(room.last_seq))
}

fn map<A, B>(page: Page<A>, change: impl FnMut(A) -> B) -> Page<B> {
    Page { items: page.items.into_iter().map(change).collect(), has_previous: page.has_previous, has_next: page.has_next }
}

fn room_name(typed: &str) -> Result<String, Refusal> {
    text::clean_label(typed, 1, protocol_limits::ROOM_NAME).map_err(|error| Refusal::new(ErrorCode::RoomNameInvalid).detail(error.to_string()).at("name"))
}

fn topic(typed: &str) -> Result<String, Refusal> {
    text::clean_label(typed, 0, protocol_limits::ROOM_TOPIC).map_err(|error| Refusal::new(ErrorCode::TopicTooLong).detail(error.to_string()).at("topic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_topics_keep_to_their_lengths() {
        assert_eq!(room_name(" Gophers ").as_deref(), Ok("Gophers"));
        for wrong in ["", "  ", "a\nb", "\u{200B}", &"x".repeat(81)] {
            assert_eq!(room_name(wrong).map_err(|refusal| refusal.code), Err(ErrorCode::RoomNameInvalid), "{wrong:?}");
        }
        assert_eq!(topic("").as_deref(), Ok(""));
        assert_eq!(topic(&"x".repeat(251)).map_err(|refusal| refusal.code), Err(ErrorCode::TopicTooLong));
    }
}
