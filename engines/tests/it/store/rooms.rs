//! Rooms and members.

use parley_engines::store::{
    projection::Entry,
    rooms::{ActivityKey, DirectoryKey, MembershipChange, NewRoom, RoomCreated},
};
use parley_proto::{
    Cursor, Record, UnixMillis, UserId,
    event::{EventName, Role, SystemEvent, Visibility},
};

use super::fixture::{AnyStore, P, append_entries, backward, create, forward, message, new_room, room, user};

async fn events(store: &AnyStore) -> Vec<SystemEvent> {
    store.outbox(P, 1_000).await.unwrap().value.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
}

pub(super) async fn a_new_room_has_its_creator_as_owner_and_an_event_in_the_outbox(store: AnyStore) {
    let made = create(&store, &new_room(1, "Kitchen", Visibility::Public)).await;
    assert_eq!((made.version, made.members, made.last_seq, made.last_activity_at), (1, 1, 0, UnixMillis(1_000)));
    assert_eq!(store.room(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.membership(made.id, user(1)).await.unwrap().unwrap().role, Role::Owner);
    let outbox = store.outbox(P, 10).await.unwrap();
    assert_eq!((outbox.next, outbox.value.len()), (Cursor::ZERO, 1));
    assert_eq!((outbox.value[0].room, outbox.value[0].sender), (made.id, user(1)));
    let event = &events(&store).await[0];
    assert_eq!((event.event, event.version, event.room.name.as_str()), (EventName::Created, 1, "Kitchen"));
    assert_eq!(event.member.as_ref().unwrap().role, Some(Role::Owner));
    assert_eq!(store.room(room(9)).await.unwrap(), None);
}

pub(super) async fn public_names_are_unique_when_folded_and_private_ones_are_not_claimed(store: AnyStore) {
    create(&store, &new_room(1, "Élan", Visibility::Public)).await;
    assert_eq!(store.create_room(&new_room(2, "éLAN", Visibility::Public)).await.unwrap(), RoomCreated::NameTaken);
    create(&store, &new_room(3, "élan", Visibility::Private)).await;
    create(&store, &new_room(4, "élan", Visibility::Private)).await;
    create(&store, &new_room(5, "secret", Visibility::Private)).await;
    create(&store, &new_room(6, "secret", Visibility::Public)).await;
    assert_eq!(events(&store).await.len(), 5, "a refused room leaves nothing behind");
}

pub(super) async fn a_public_name_that_many_want_at_once_is_given_to_one(store: AnyStore) {
    let wanted: Vec<_> = (1..=10).map(|number| new_room(number, "Kitchen", Visibility::Public)).collect();
    let answers = futures::future::join_all(wanted.iter().map(|room| store.create_room(room))).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer.as_ref().unwrap(), RoomCreated::Created(_))).count(), 1);
    assert_eq!(store.public_rooms(None, &forward(None, 10)).await.unwrap().items.len(), 1);
    assert_eq!(events(&store).await.len(), 1);
}

pub(super) async fn joining_and_leaving_are_idempotent_and_leave_their_events_in_order(store: AnyStore) {
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    let MembershipChange::Changed(joined) = store.join(id, user(2), u64::MAX, UnixMillis(7)).await.unwrap() else { panic!("joins") };
    assert_eq!((joined.role, joined.joined_at, joined.version), (Role::Member, UnixMillis(7), 2));
    assert_eq!(store.join(id, user(2), u64::MAX, UnixMillis(8)).await.unwrap(), MembershipChange::Unchanged);
    assert_eq!(store.membership(id, user(2)).await.unwrap(), Some(joined));
    assert_eq!(store.room(id).await.unwrap().unwrap().members, 2);
    assert!(matches!(store.leave(id, user(2), UnixMillis(9)).await.unwrap(), MembershipChange::Changed(_)));
    assert_eq!(store.leave(id, user(2), UnixMillis(9)).await.unwrap(), MembershipChange::Unchanged);
    assert_eq!(store.membership(id, user(2)).await.unwrap(), None);
    assert_eq!(store.memberships(user(2)).await.unwrap(), []);
    assert_eq!(store.room(id).await.unwrap().unwrap().members, 1);
    assert!(matches!(store.join(id, user(2), u64::MAX, UnixMillis(10)).await.unwrap(), MembershipChange::Changed(_)));
    assert_eq!(store.memberships(user(2)).await.unwrap().len(), 1);
    assert_eq!(store.join(room(9), user(2), u64::MAX, UnixMillis(7)).await.unwrap(), MembershipChange::NoRoom);
    assert_eq!(store.leave(room(9), user(2), UnixMillis(7)).await.unwrap(), MembershipChange::NoRoom);
    let said: Vec<_> = events(&store).await.iter().map(|event| (event.event, event.version, event.member.as_ref().and_then(|member| member.role))).collect();
    assert_eq!(
        said,
        [
            (EventName::Created, 1, Some(Role::Owner)),
            (EventName::Joined, 2, Some(Role::Member)),
            (EventName::Left, 3, None),
            (EventName::Joined, 4, Some(Role::Member))
        ]
    );
}

pub(super) async fn many_joins_at_once_get_one_version_each(store: AnyStore) {
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    let joins = (2..52).map(|number| store.join(id, user(number), u64::MAX, UnixMillis(1)));
    for joined in futures::future::join_all(joins).await {
        assert!(matches!(joined.unwrap(), MembershipChange::Changed(_)));
    }
    let versions: Vec<_> = events(&store).await.iter().map(|event| event.version).collect();
    assert_eq!(versions, (1..=51).collect::<Vec<_>>(), "the outbox's order is the order of commits");
    assert_eq!(store.room(id).await.unwrap().unwrap().members, 51);
}

pub(super) async fn a_room_takes_so_many_members_however_many_come_at_once(store: AnyStore) {
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    let joins = (2..32).map(|number| store.join(id, user(number), 10, UnixMillis(1)));
    let joined: Vec<_> = futures::future::join_all(joins).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(joined.iter().filter(|joined| matches!(joined, MembershipChange::Changed(_))).count(), 9);
    assert_eq!(joined.iter().filter(|joined| **joined == MembershipChange::Full).count(), 21);
    assert_eq!((store.room(id).await.unwrap().unwrap().members, events(&store).await.len()), (10, 10), "who was refused left no event");
    assert_eq!(store.join(id, user(1), 10, UnixMillis(2)).await.unwrap(), MembershipChange::Unchanged, "who is in is in");
    assert!(matches!(store.leave(id, user(1), UnixMillis(3)).await.unwrap(), MembershipChange::Changed(_)));
    assert!(matches!(store.join(id, user(99), 10, UnixMillis(4)).await.unwrap(), MembershipChange::Changed(_)), "a place that is free is free");
}

pub(super) async fn imported_members_count_and_have_no_event(store: AnyStore) {
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    let people: Vec<UserId> = (1..1_001).map(user).collect();
    store.import_members(id, &people, UnixMillis(3)).await.unwrap();
    store.import_members(id, &people, UnixMillis(4)).await.unwrap();
    assert_eq!(store.room(id).await.unwrap().unwrap().members, 1_000);
    assert_eq!(store.membership(id, user(1)).await.unwrap().unwrap().role, Role::Owner, "who is in already stays what they are");
    assert_eq!(events(&store).await.len(), 1);
    assert!(matches!(store.leave(id, user(700), UnixMillis(5)).await.unwrap(), MembershipChange::Changed(_)));
    assert_eq!(store.room(id).await.unwrap().unwrap().members, 999);
}

pub(super) async fn members_are_paged_in_both_directions(store: AnyStore) {
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    store.import_members(id, &(1..11).map(user).collect::<Vec<_>>(), UnixMillis(3)).await.unwrap();
    let names = |items: &[parley_engines::store::rooms::Membership]| items.iter().map(|member| member.user).collect::<Vec<_>>();
    let page = store.members(id, &forward(None, 4)).await.unwrap();
    assert_eq!((names(&page.items), page.has_previous, page.has_next), ((1..5).map(user).collect(), false, true));
    let page = store.members(id, &forward(Some(user(8)), 4)).await.unwrap();
    assert_eq!((names(&page.items), page.has_previous, page.has_next), (vec![user(9), user(10)], true, false));
    let page = store.members(id, &backward(Some(user(9)), 4)).await.unwrap();
    assert_eq!((names(&page.items), page.has_previous, page.has_next), ((5..9).map(user).collect(), true, true));
    let page = store.members(id, &backward(None, 20)).await.unwrap();
    assert_eq!((names(&page.items), page.has_previous, page.has_next), ((1..11).map(user).collect(), false, false));
}

pub(super) async fn my_rooms_come_newest_activity_first(store: AnyStore) {
    for number in 1..=4 {
        create(&store, &NewRoom { created_at: UnixMillis(i64::from(number)), ..new_room(number, &format!("room {number}"), Visibility::Private) }).await;
    }
    let spoken = Record { sent_at: UnixMillis(100), ..message(room(2), user(1), "hello") };
    append_entries(&store, vec![Entry::First(Box::new(spoken))]).await.unwrap();
    let page = store.rooms_of(user(1), &forward(None, 3)).await.unwrap();
    assert_eq!(page.items.iter().map(|room| room.id).collect::<Vec<_>>(), [room(2), room(4), room(3)]);
    assert_eq!((page.items[0].last_seq, page.items[0].last_activity_at), (1, UnixMillis(100)));
    let key = |index: usize| ActivityKey { last_activity_at: page.items[index].last_activity_at, room: page.items[index].id };
    let next = store.rooms_of(user(1), &forward(Some(key(2)), 3)).await.unwrap();
    assert_eq!((next.items.iter().map(|room| room.id).collect::<Vec<_>>(), next.has_previous, next.has_next), (vec![room(1)], true, false));
    let back = store.rooms_of(user(1), &backward(Some(key(2)), 1)).await.unwrap();
    assert_eq!((back.items.iter().map(|room| room.id).collect::<Vec<_>>(), back.has_previous, back.has_next), (vec![room(4)], true, true));
    assert_eq!(store.rooms_of(user(2), &forward(None, 3)).await.unwrap().items, []);
}

pub(super) async fn the_directory_is_searched_literally_and_case_folded(store: AnyStore) {
    for (number, name, topic) in [(1, "100% Rust", "ownership_rules"), (2, "1000 Rusts", "ownership rules"), (3, "ÄRGER", r"C:\dir")] {
        create(&store, &NewRoom { topic: topic.to_owned(), ..new_room(number, name, Visibility::Public) }).await;
    }
    create(&store, &new_room(4, "100% hidden", Visibility::Private)).await;
    store.join(room(2), user(2), u64::MAX, UnixMillis(1)).await.unwrap();
    let search = async |query: &'static str| {
        let page = store.public_rooms(Some(query), &forward(None, 10)).await.unwrap();
        page.items.iter().map(|room| room.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(search("100%").await, ["100% Rust"]);
    assert_eq!(search("P_R").await, ["100% Rust"]);
    assert_eq!(search(r":\d").await, ["ÄRGER"]);
    assert_eq!(search("ärg").await, ["ÄRGER"]);
    assert_eq!(search("rUST").await, ["1000 Rusts", "100% Rust"], "most members first");
    assert_eq!(search("hidden").await, [""; 0]);
    let first = store.public_rooms(None, &forward(None, 1)).await.unwrap();
    assert!(first.has_next && !first.has_previous);
    let key = DirectoryKey { members: first.items[0].members, room: first.items[0].id };
    let rest = store.public_rooms(None, &forward(Some(key), 10)).await.unwrap();
    assert_eq!(rest.items.iter().map(|room| room.id).collect::<Vec<_>>(), [room(1), room(3)]);
    let last = store.public_rooms(None, &backward(None, 1)).await.unwrap();
    assert_eq!((last.items[0].id, last.has_previous, last.has_next), (room(3), true, false));
}
