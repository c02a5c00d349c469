//! Rooms and members in memory.

use async_trait::async_trait;
use parley_proto::{
    Cid, RoomId, UnixMillis, UserId,
    event::{EventName, MemberRow, Role, RoomRow, SystemEvent, Visibility},
};
use uuid::Uuid;

use super::{MemoryStore, Tables, newest_first, page};
use crate::store::{
    Page, PageRequest, StoreUnavailable,
    numbers::fold_case,
    projection::OutboxRow,
    rooms::{ActivityKey, Change, DirectoryKey, Members, Membership, MembershipChange, NewRoom, Room, RoomCreated, Rooms, Wish},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// None once they left.
    pub(super) role: Option<Role>,
    pub(super) joined_at: UnixMillis,
    pub(super) version: i64,
}

impl Member {
    pub(super) fn membership(self, room: RoomId, user: UserId) -> Option<Membership> {
        Some(Membership { room, user, role: self.role?, joined_at: self.joined_at, version: self.version })
    }
}

impl Tables {
    /// Writes what the event says, where its version is greater.
    pub(super) fn apply(&mut self, event: &SystemEvent) {
        let RoomRow { id, kind, name, topic, visibility, archived, created_at } = event.room.clone();
        if self.rooms.get(&id).is_none_or(|room| event.version > room.version) {
            let (members, last_seq) = (0, 0);
            let room =
                Room { id, kind, name, topic, visibility, archived, version: event.version, members, last_seq, last_activity_at: created_at, created_at };
            self.rooms.insert(id, room);
        }
        let Some(MemberRow { user, role, joined_at }) = event.member else { return };
        if self.members.get(&(id, user)).is_none_or(|member| event.version > member.version) {
            self.members.insert((id, user), Member { role, joined_at, version: event.version });
        }
    }

    fn announce(&mut self, event: &SystemEvent, sender: UserId, now: UnixMillis) {
        let body = serde_json::to_string(event).unwrap_or_default();
        self.outbox.push(OutboxRow { id: Cid(Uuid::now_v7()), room: event.room.id, sender, body, created_at: now });
    }

    fn create_room(&mut self, new: &NewRoom) -> RoomCreated {
        let folded = fold_case(&new.name);
        let taken = |room: &Room| room.visibility == Visibility::Public && fold_case(&room.name) == folded;
        if new.visibility == Visibility::Public && self.rooms.values().any(taken) {
            return RoomCreated::NameTaken;
        }
        let NewRoom { id, name, topic, visibility, owner, created_at } = new.clone();
        let room = RoomRow { id, kind: "room".to_owned(), name, topic, visibility, archived: false, created_at };
        let member = MemberRow { user: owner, role: Some(Role::Owner), joined_at: created_at };
        let event = SystemEvent { event: EventName::Created, version: 1, room, member: Some(member) };
        self.apply(&event);
        self.announce(&event, owner, created_at);
        self.room(id).map_or(RoomCreated::NameTaken, RoomCreated::Created)
    }

    fn change_membership(&mut self, id: RoomId, user: UserId, wish: Wish, now: UnixMillis) -> MembershipChange {
        let Some(room) = self.room(id) else { return MembershipChange::NoRoom };
        let Change { event, membership } = match wish.judge(&room, user, self.member(id, user), now) {
            Ok(change) => change,
            Err(answer) => return answer,
        };
        self.apply(&event);
        self.announce(&event, user, now);
        if matches!(wish, Wish::Leave) {
            self.right_ended(user);
        }
        MembershipChange::Changed(membership)
    }
}

#[async_trait]
impl Rooms for MemoryStore {
    async fn create_room(&self, room: &NewRoom) -> Result<RoomCreated, StoreUnavailable> {
        self.call(|tables| tables.create_room(room)).await
    }

    async fn room(&self, id: RoomId) -> Result<Option<Room>, StoreUnavailable> {
        self.call(|tables| tables.room(id)).await
    }

    async fn rooms_of(&self, user: UserId, request: &PageRequest<ActivityKey>) -> Result<Page<Room>, StoreUnavailable> {
        let key = |at: UnixMillis, room: RoomId| (newest_first(at), room);
        self.call(|tables| {
            let mut rooms: Vec<_> = tables.rooms.keys().filter(|id| tables.member(**id, user).is_some()).filter_map(|id| tables.room(*id)).collect();
            rooms.sort_by_key(|room| key(room.last_activity_at, room.id));
            let start = request.start.map(|start| key(start.last_activity_at, start.room));
            let request = PageRequest { start, direction: request.direction, limit: request.limit };
            page(rooms, |room| key(room.last_activity_at, room.id), &request)
        })
        .await
    }

    async fn public_rooms(&self, query: Option<&str>, request: &PageRequest<DirectoryKey>) -> Result<Page<Room>, StoreUnavailable> {
        let query = fold_case(query.unwrap_or_default());
        let key = |members: u64, room: RoomId| (std::cmp::Reverse(members), room);
        self.call(|tables| {
            let public = |room: &Room| room.visibility == Visibility::Public && !room.archived;
            let fits = |room: &Room| public(room) && (fold_case(&room.name).contains(&query) || fold_case(&room.topic).contains(&query));
            let mut rooms: Vec<_> = tables.rooms.keys().filter_map(|id| tables.room(*id)).filter(fits).collect();
            rooms.sort_by_key(|room| key(room.members, room.id));
            let start = request.start.map(|start| key(start.members, start.room));
            let request = PageRequest { start, direction: request.direction, limit: request.limit };
            page(rooms, |room| key(room.members, room.id), &request)
        })
        .await
    }
}

#[async_trait]
impl Members for MemoryStore {
    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>, StoreUnavailable> {
        self.call(|tables| tables.member(room, user)).await
    }

    async fn memberships(&self, user: UserId) -> Result<Vec<Membership>, StoreUnavailable> {
        self.call(|tables| tables.rooms.keys().filter_map(|room| tables.member(*room, user)).collect()).await
    }

    async fn join(&self, room: RoomId, user: UserId, members_max: u64, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable> {
        self.call(|tables| tables.change_membership(room, user, Wish::Join { members_max }, now)).await
    }

    async fn leave(&self, room: RoomId, user: UserId, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable> {
        self.call(|tables| tables.change_membership(room, user, Wish::Leave, now)).await
    }

    async fn import_members(&self, id: RoomId, users: &[UserId], now: UnixMillis) -> Result<(), StoreUnavailable> {
        self.call(|tables| {
            let Some(room) = tables.rooms.get_mut(&id) else { return };
            room.version += 1;
            let version = room.version;
            for user in users.iter().filter(|user| tables.members.get(&(id, **user)).is_none_or(|member| member.role.is_none())).collect::<Vec<_>>() {
                tables.members.insert((id, *user), Member { role: Some(Role::Member), joined_at: now, version });
            }
        })
        .await
    }

    async fn members(&self, room: RoomId, request: &PageRequest<UserId>) -> Result<Page<Membership>, StoreUnavailable> {
        self.call(|tables| {
            let members = tables.members.range((room, UserId::NIL)..).take_while(|((of, _), _)| *of == room);
            let members: Vec<_> = members.filter_map(|((_, user), member)| member.membership(room, *user)).collect();
            page(members, |member| member.user, request)
        })
        .await
    }
}
