//! Accounts and sessions.

use parley_engines::store::accounts::{Account, AccountCreated, ProfileChange, RefreshHash, Rotation, Session};
use parley_proto::{SessionId, UnixMillis};
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
    let session = Session { id: SessionId(Uuid::from_u128(77)), user: user(1), created_at: NOW, expires_at: UnixMillis(9_000), ended: false };
    store.create_session(&session, token(0)).await.unwrap();
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
