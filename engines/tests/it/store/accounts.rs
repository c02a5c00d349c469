//! Accounts and sessions.

use parley_engines::store::{
    accounts::{Account, AccountCreated, PasswordChange, ProfileChange, RefreshHash, Rotation, Session, SessionCreated},
    rooms::NewRoom,
};
use parley_proto::{PartitionId, RoomId, SessionId, UnixMillis, event::Visibility};
use uuid::Uuid;

use super::fixture::{AnyStore, user};

fn account(number: u128, name: &str) -> Account {
    Account {
        id: user(number),
        user_name: name.to_owned(),
        display_name: format!("{name} the first"),
        color: "#102030".to_owned(),
        status_text: String::new(),
        password_hash: Some("$argon2id$…".to_owned()),
        disabled: false,
        is_admin: false,
        created_at: UnixMillis(5),
    }
}

pub(super) async fn a_user_name_is_taken_once_whatever_its_case(store: AnyStore) {
    let ada = account(1, "ada");
    assert_eq!(store.create_account(&ada).await.unwrap(), AccountCreated::Created);
    assert_eq!(store.create_account(&account(2, "ADA")).await.unwrap(), AccountCreated::NameTaken);
    assert_eq!(store.account_by_name("Ada").await.unwrap(), Some(ada.clone()));
    assert_eq!(store.account_by_name("a%a").await.unwrap(), None);
    assert_eq!(store.accounts(&[user(1), user(2)]).await.unwrap(), [ada]);
}

pub(super) async fn a_user_name_that_many_want_at_once_is_given_to_one(store: AnyStore) {
    let wanted: Vec<_> = (1..=10).map(|number| account(number, "ada")).collect();
    let answers = futures::future::join_all(wanted.iter().map(|account| store.create_account(account))).await;
    assert_eq!(answers.iter().filter(|answer| answer.as_ref().unwrap() == &AccountCreated::Created).count(), 1);
    assert_eq!(store.accounts(&wanted.iter().map(|account| account.id).collect::<Vec<_>>()).await.unwrap().len(), 1);
}

pub(super) async fn an_import_creates_only_what_is_missing(store: AnyStore) {
    store.create_account(&account(1, "ada")).await.unwrap();
    let mut many: Vec<_> = (2..1_002).map(|number| account(number, &format!("user{number}"))).collect();
    many.push(Account { display_name: "changed".to_owned(), ..account(1, "ada") });
    many[0].password_hash = None;
    assert_eq!(store.import_accounts(&many).await.unwrap(), 1_000);
    assert_eq!(store.import_accounts(&many).await.unwrap(), 0);
    assert_eq!(store.account_by_name("ada").await.unwrap().unwrap().display_name, "ada the first");
    assert_eq!(store.account_by_name("user2").await.unwrap(), Some(many[0].clone()));
}

pub(super) async fn a_profile_changes_only_where_asked(store: AnyStore) {
    store.create_account(&account(1, "ada")).await.unwrap();
    let change = ProfileChange { status_text: Some("away'; drop table accounts".to_owned()), ..ProfileChange::default() };
    let changed = store.update_profile(user(1), &change).await.unwrap().unwrap();
    assert_eq!(changed, Account { status_text: "away'; drop table accounts".to_owned(), ..account(1, "ada") });
    assert_eq!(store.account_by_name("ada").await.unwrap(), Some(changed));
    assert_eq!(store.update_profile(user(9), &change).await.unwrap(), None);
}

pub(super) async fn a_password_is_replaced(store: AnyStore) {
    store.create_account(&account(1, "ada")).await.unwrap();
    store.set_password(user(1), "other").await.unwrap();
    assert_eq!(store.account_by_name("ada").await.unwrap().unwrap().password_hash.as_deref(), Some("other"));
}

const NOW: UnixMillis = UnixMillis(1_000);

fn token(number: u8) -> RefreshHash {
    RefreshHash([number; 32])
}

async fn signed_in(store: &AnyStore) -> Session {
    store.create_account(&account(1, "ada")).await.unwrap();
    begin(store, 77, 0).await
}

const PASSWORD: Option<&str> = Some("$argon2id$…");

async fn begin(store: &AnyStore, number: u128, refresh: u8) -> Session {
    let id = SessionId(Uuid::from_u128(number));
    let agent = "Firefox on Linux".to_owned();
    let session = Session { id, user: user(1), created_at: NOW, last_seen_at: NOW, expires_at: UnixMillis(9_000), ended: false, agent };
    assert_eq!(store.create_session(&session, token(refresh), PASSWORD).await.unwrap(), SessionCreated::Created);
    session
}

pub(super) async fn a_refresh_token_is_rotated_and_the_one_before_is_good_for_one_lost_answer(store: AnyStore) {
    let session = signed_in(&store).await;
    assert_eq!(store.session(session.id).await.unwrap(), Some(session.clone()));
    assert_eq!(store.rotate(token(0), token(1), NOW).await.unwrap(), Rotation::Rotated(session.clone()));
    assert_eq!(store.rotate(token(0), token(2), NOW).await.unwrap(), Rotation::Rotated(session.clone()));
    assert_eq!(store.rotate(token(2), token(3), NOW).await.unwrap(), Rotation::Rotated(session.clone()));
    assert_eq!(store.rotate(token(0), token(4), NOW).await.unwrap(), Rotation::Reused(Session { ended: true, ..session }));
}

pub(super) async fn the_token_of_a_lost_answer_is_worth_nothing(store: AnyStore) {
    let session = signed_in(&store).await;
    store.rotate(token(0), token(1), NOW).await.unwrap();
    store.rotate(token(0), token(2), NOW).await.unwrap();
    assert!(matches!(store.rotate(token(1), token(3), NOW).await.unwrap(), Rotation::Reused(_)));
    assert!(store.session(session.id).await.unwrap().unwrap().ended);
}

pub(super) async fn an_old_token_ends_the_session(store: AnyStore) {
    let session = signed_in(&store).await;
    for number in 0..3 {
        assert_eq!(store.rotate(token(number), token(number + 1), NOW).await.unwrap(), Rotation::Rotated(session.clone()));
    }
    assert!(matches!(store.rotate(token(1), token(9), NOW).await.unwrap(), Rotation::Reused(_)));
    assert_eq!(store.rotate(token(3), token(10), NOW).await.unwrap(), Rotation::Refused);
}

pub(super) async fn ten_parallel_refreshes_are_one_success_one_grace_and_an_end(store: AnyStore) {
    let session = signed_in(&store).await;
    let calls = (1..=10).map(|number| store.rotate(token(0), token(number), NOW));
    let answers = futures::future::join_all(calls).await;
    let count = |wanted: fn(&Rotation) -> bool| answers.iter().filter(|answer| wanted(answer.as_ref().unwrap())).count();
    assert_eq!(count(|answer| matches!(answer, Rotation::Rotated(_))), 2);
    assert_eq!(count(|answer| matches!(answer, Rotation::Reused(_))), 1);
    assert_eq!(count(|answer| matches!(answer, Rotation::Refused)), 7);
    assert!(store.session(session.id).await.unwrap().unwrap().ended);
}

pub(super) async fn an_ended_or_expired_session_refuses_every_token(store: AnyStore) {
    let session = signed_in(&store).await;
    assert_eq!(store.rotate(token(9), token(1), NOW).await.unwrap(), Rotation::Refused, "nobody knows it");
    assert_eq!(store.rotate(token(0), token(1), session.expires_at).await.unwrap(), Rotation::Refused, "expired");
    store.end_session(session.id).await.unwrap();
    store.end_session(session.id).await.unwrap();
    assert_eq!(store.rotate(token(0), token(1), NOW).await.unwrap(), Rotation::Refused, "ended");
    assert_eq!(store.session(SessionId(Uuid::from_u128(78))).await.unwrap(), None);
}

pub(super) async fn a_person_s_sessions_are_listed_last_seen_first_and_ended_but_one(store: AnyStore) {
    let (first, second, third) = (signed_in(&store).await, begin(&store, 78, 10).await, begin(&store, 79, 20).await);
    let later = UnixMillis(2_000);
    store.rotate(token(10), token(11), later).await.unwrap();
    let second = Session { last_seen_at: later, ..second };
    assert_eq!(store.sessions_of(user(1), later).await.unwrap(), [second.clone(), first.clone(), third.clone()]);
    assert_eq!(store.sessions_of(user(2), later).await.unwrap(), []);
    assert_eq!(store.sessions_of(user(1), first.expires_at).await.unwrap(), [], "expired");
    let mut ended = store.end_other_sessions(user(1), second.id).await.unwrap();
    ended.sort();
    assert_eq!(ended, [first.id, third.id]);
    assert_eq!(store.sessions_of(user(1), later).await.unwrap(), [second]);
    assert_eq!(store.rotate(token(20), token(21), later).await.unwrap(), Rotation::Refused);
}

pub(super) async fn a_new_password_ends_all_sessions_but_one_and_is_set_once(store: AnyStore) {
    let (kept, other) = (signed_in(&store).await, begin(&store, 78, 10).await);
    let change = PasswordChange { user: user(1), from: PASSWORD.unwrap().to_owned(), to: "new".to_owned(), keep: kept.id };
    assert_eq!(store.change_password(&change).await.unwrap(), Some(vec![other.id]));
    assert_eq!(store.change_password(&PasswordChange { to: "newer".to_owned(), ..change }).await.unwrap(), None, "of two at once one wins");
    assert_eq!(store.account_by_name("ada").await.unwrap().unwrap().password_hash.as_deref(), Some("new"));
    assert!(store.session(other.id).await.unwrap().unwrap().ended);
    assert!(!store.session(kept.id).await.unwrap().unwrap().ended);
}

pub(super) async fn a_session_is_not_begun_with_a_password_that_was_changed_meanwhile(store: AnyStore) {
    let kept = signed_in(&store).await;
    let change = PasswordChange { user: user(1), from: PASSWORD.unwrap().to_owned(), to: "new".to_owned(), keep: kept.id };
    let late: Vec<_> = (0..20_u128).map(|number| Session { id: SessionId(Uuid::from_u128(100 + number)), ..kept.clone() }).collect();
    let begun = late.iter().zip(30..).map(|(session, refresh)| store.create_session(session, token(refresh), PASSWORD));
    let (changed, begun) = futures::future::join(store.change_password(&change), futures::future::join_all(begun)).await;
    assert!(changed.unwrap().is_some());
    assert!(begun.iter().all(Result::is_ok));
    assert_eq!(store.sessions_of(user(1), NOW).await.unwrap(), std::slice::from_ref(&kept), "whether before or after the change, none of them is there");
    assert_eq!(
        store.create_session(&Session { id: SessionId(Uuid::from_u128(99)), ..kept }, token(90), PASSWORD).await.unwrap(),
        SessionCreated::PasswordChanged
    );
}

pub(super) async fn a_version_grows_with_each_right_that_ends(store: AnyStore) {
    let session = signed_in(&store).await;
    store.create_account(&account(2, "bo")).await.unwrap();
    let id = RoomId::new(PartitionId(1), [9; 16]);
    let room = NewRoom { id, name: "r".to_owned(), topic: String::new(), visibility: Visibility::Public, owner: user(2), created_at: NOW };
    store.create_room(&room).await.unwrap();
    let version = async || store.rights_versions(&[user(1), user(9)]).await.unwrap();
    let start = version().await[0].1;
    store.join(id, user(1), NOW).await.unwrap();
    assert_eq!(version().await, [(user(1), start)], "nothing ended, and nobody is no person");
    store.leave(id, user(1), NOW).await.unwrap();
    assert_eq!(version().await, [(user(1), start + 1)]);
    store.leave(id, user(1), NOW).await.unwrap();
    store.end_session(session.id).await.unwrap();
    store.end_session(session.id).await.unwrap();
    assert_eq!(version().await, [(user(1), start + 2)]);
    for number in 0..3 {
        begin(&store, 80 + number, 40 + u8::try_from(number).unwrap()).await;
    }
    store.end_other_sessions(user(1), session.id).await.unwrap();
    assert!(version().await[0].1 > start + 2);
    let reused = version().await[0].1;
    begin(&store, 90, 50).await;
    for (presented, new) in [(50, 51), (51, 52), (52, 53), (50, 54)] {
        store.rotate(token(presented), token(new), NOW).await.unwrap();
    }
    assert_eq!(version().await, [(user(1), reused + 1)], "a token that was used again");
    assert!(store.rights_versions(&[user(2)]).await.unwrap() == [(user(2), 0)], "other people's stand still");
}

pub(super) async fn administrators_are_made_unmade_and_listed(store: AnyStore) {
    for (number, name) in [(1, "zoe"), (2, "ada"), (3, "bo")] {
        store.create_account(&account(number, name)).await.unwrap();
    }
    assert_eq!(store.admins().await.unwrap(), []);
    assert!(store.set_admin("ADA", true).await.unwrap());
    assert!(store.set_admin("zoe", true).await.unwrap());
    assert!(store.set_admin("zoe", true).await.unwrap());
    assert!(!store.set_admin("nobody", true).await.unwrap());
    let names: Vec<_> = store.admins().await.unwrap().into_iter().map(|account| (account.user_name, account.is_admin)).collect();
    assert_eq!(names, [("ada".to_owned(), true), ("zoe".to_owned(), true)]);
    assert!(store.set_admin("ada", false).await.unwrap());
    assert_eq!(store.admins().await.unwrap().len(), 1);
}
