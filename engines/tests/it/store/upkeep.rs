//! What operators' commands ask.

use parley_engines::store::{accounts::Account, projection::Entry, rooms::RoomCreated, upkeep::RosterRow};
use parley_proto::{
    Body, Kind, Position, Record, RoomId, UnixMillis,
    event::{EventName, MemberRow, Role, RoomRow, SystemEvent, Visibility},
};

use super::fixture::{AnyStore, P, about, append, append_entries, create, edit, message, new_room, record, room, user, vote};

pub(super) async fn what_was_decided_later_is_found_and_what_was_not_is_not(store: AnyStore) {
    let first = message(room(1), user(1), "first");
    let reaction = |emoji: &str| Record { value: 1, body: Body::Plain(emoji.to_owned()), ..about(Kind::Reaction, &first, user(2)) };
    append(&store, [&first, &vote(&first, user(2), 1), &edit(&first, user(1), "better"), &reaction("👍")]).await;
    for (record, dead, decided) in [
        (&first, 9, Some(0)),
        (&message(room(1), user(1), "another"), 0, None),
        (&vote(&first, user(2), -1), 0, Some(1)),
        (&vote(&first, user(2), -1), 1, None),
        (&vote(&first, user(3), -1), 0, None),
        (&edit(&first, user(1), "worse"), 1, Some(2)),
        (&edit(&first, user(1), "worse"), 2, None),
        (&reaction("👍"), 2, Some(3)),
        (&reaction("👍"), 3, None),
        (&reaction("🦀"), 0, None),
        (&about(Kind::Delete, &first, user(1)), 0, None),
        (&Record { value: 3, ..record(Kind::Read, room(1), user(1)) }, 0, None),
    ] {
        let found = store.decided(record, Position(dead)).await.unwrap();
        assert_eq!((found.next.0, found.value.map(|position| position.0)), (4, decided), "{:?} that died at {dead}", record.kind);
    }
}

pub(super) async fn a_dead_letter_says_where_it_lies_as_well(store: AnyStore) {
    let dead = || Entry::Dead { reason: "poison".to_owned(), bytes: vec![1, 2].into() };
    append_entries(&store, vec![dead(), dead()]).await.unwrap();
    store.mark_redriven(P, Position(1), Position(7)).await.unwrap();
    let letters = store.dead_letters(P, parley_proto::Cursor::ZERO, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.redriven).collect::<Vec<_>>(), [None, Some(Position(7))]);
    assert!(letters.iter().all(|letter| letter.refusal().is_none()));
}

pub(super) async fn the_roster_is_listed_with_those_who_left_and_written_only_over_what_is_older(store: AnyStore) {
    let now = UnixMillis(5_000);
    for number in 1..4 {
        create(&store, &new_room(number, &format!("room {number}"), Visibility::Private)).await;
        store.join(room(number), user(2), now).await.unwrap();
    }
    store.leave(room(2), user(2), now).await.unwrap();
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let piece = store.roster_after(after, 2).await.unwrap();
        let Some(last) = piece.last() else { break };
        after = Some((last.room.id, last.member.user));
        rows.extend(piece);
    }
    let seen: Vec<_> = rows.iter().map(|row| (row.room.id, row.member.user, row.member.role, row.room_version)).collect();
    let (owner, member) = (Some(Role::Owner), Some(Role::Member));
    assert_eq!(
        seen,
        [
            (room(1), user(1), owner, 2),
            (room(1), user(2), member, 2),
            (room(2), user(1), owner, 3),
            (room(2), user(2), None, 3),
            (room(3), user(1), owner, 2),
            (room(3), user(2), member, 2),
        ]
    );
    store.import_roster(&rows).await.unwrap();
    let written = |row: &RosterRow, room_version, name: &str, member_version| {
        let room = RoomRow { name: name.to_owned(), ..row.room.clone() };
        let member = MemberRow { role: None, ..row.member.clone() };
        RosterRow { room, room_version, member, member_version }
    };
    store.import_roster(&[written(&rows[1], 1, "older", 1), written(&rows[5], 9, "newer", 8)]).await.unwrap();
    let there = store.roster_after(None, 100).await.unwrap();
    assert_eq!(there[..4], rows[..4]);
    assert_eq!((there[5].room.name.as_str(), there[5].room_version, there[5].member.role, there[5].member_version), ("newer", 9, None, 8));
    assert_eq!(store.room(room(3)).await.unwrap().unwrap().members, 1, "counted as well");
    assert_eq!(store.room(room(1)).await.unwrap().unwrap().members, 2);
    assert!(store.membership(room(3), user(2)).await.unwrap().is_none());
}

pub(super) async fn whoever_the_log_names_gets_an_account_without_a_password_once(store: AnyStore) {
    let account = Account {
        id: user(1),
        user_name: "ada".to_owned(),
        display_name: "Ada".to_owned(),
        color: "#123456".to_owned(),
        status_text: String::new(),
        password_hash: Some("$argon2id$…".to_owned()),
        disabled: false,
        is_admin: false,
        created_at: UnixMillis(1),
    };
    store.import_accounts(std::slice::from_ref(&account)).await.unwrap();
    create(&store, &new_room(1, "a", Visibility::Private)).await;
    store.join(room(1), user(4), UnixMillis(5)).await.unwrap();
    let first = message(room(1), user(2), "first");
    let (deleted, nobody) = (message(room(1), user(2), "again"), record(Kind::System, room(1), parley_proto::UserId::NIL));
    append(&store, [&first, &deleted, &vote(&first, user(3), 1), &Record { body: Body::Plain(r#"{"event":"x"}"#.to_owned()), ..nobody }]).await;
    assert_eq!(store.import_strangers().await.unwrap(), 3);
    assert_eq!(store.import_strangers().await.unwrap(), 0);
    let accounts = store.accounts_after(None, 10).await.unwrap();
    assert_eq!(accounts[0], account);
    let strangers: Vec<_> = accounts[1..].iter().map(|account| (account.id, account.user_name.as_str(), account.created_at.0)).collect();
    assert_eq!(
        strangers,
        [
            (user(2), "lost-000000000000000000000002", first.sent_at.0),
            (user(3), "lost-000000000000000000000003", first.sent_at.0),
            (user(4), "lost-000000000000000000000004", 5)
        ]
    );
    assert!(accounts[1..].iter().all(|account| account.password_hash.is_none() && !account.disabled));
    assert_eq!(store.accounts_after(Some(user(2)), 1).await.unwrap(), accounts[2..3]);
}

pub(super) async fn a_public_room_claims_the_name_that_another_one_gave_up_meanwhile(store: AnyStore) {
    let event = |id: RoomId, version, name: &str| {
        let row = RoomRow {
            id,
            kind: "room".to_owned(),
            name: name.to_owned(),
            topic: String::new(),
            visibility: Visibility::Public,
            archived: false,
            created_at: UnixMillis(1),
        };
        let event = SystemEvent { event: EventName::Created, version, room: row, member: None };
        Record { body: Body::Plain(serde_json::to_string(&event).unwrap()), ..record(Kind::System, id, user(1)) }
    };
    append(&store, [&event(room(1), 1, "Lobby")]).await;
    append(&store, [&event(room(2), 1, "lobby")]).await;
    append(&store, [&event(room(1), 2, "Hall")]).await;
    store.claim_names().await.unwrap();
    for name in ["LOBBY", "hall"] {
        let taken = store.create_room(&new_room(3, name, Visibility::Public)).await.unwrap();
        assert_eq!(taken, RoomCreated::NameTaken, "{name}");
    }
    store.claim_names().await.unwrap();
}
