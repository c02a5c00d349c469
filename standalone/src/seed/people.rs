//! Accounts without passwords, their rooms and memberships, and the demo person, who is in all rooms and can sign in.

use anyhow::{Context, bail, ensure};
use parley_engines::store::{
    Store,
    accounts::Account,
    rooms::{NewRoom, RoomCreated},
};
use parley_gateway::{
    accounts::names,
    clock,
    passwords::{PasswordLimits, Passwords},
};
use parley_proto::{UnixMillis, UserId, event::Visibility};

use super::{
    ids,
    rooms::{DemoRoom, Plan},
    source::Source,
};

pub(super) const DEMO_USER_NAME: &str = "demo";

/// Rows per statement.
const BATCH: usize = 2_000;

/// Characters that nobody mixes up, 32 of them: five bits each.
const PASSWORD_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Makes the accounts, the rooms and the memberships that are not there yet.
pub(super) async fn import(store: &dyn Store, source: &Source, plan: &Plan) -> anyhow::Result<()> {
    let accounts: Vec<_> = source.people.iter().map(|person| account(person.user_name.clone(), &person.display_name, person.first_seen)).collect();
    let demo = account(DEMO_USER_NAME.to_owned(), "Demo", clock::now());
    for batch in accounts.chunks(BATCH).chain([&[demo.clone()][..]]) {
        store.import_accounts(batch).await?;
    }
    let there = store.account_by_name(DEMO_USER_NAME).await?;
    ensure!(there.is_some_and(|there| there.id == demo.id), "somebody has signed up as {DEMO_USER_NAME}: seed another data folder");
    for (room, members) in plan.rooms.iter().zip(plan.members(&source.messages)) {
        create_room(store, room, demo.id).await?;
        let members: Vec<_> = members.into_iter().map(|person| accounts[person].id).chain([demo.id]).collect();
        for batch in members.chunks(BATCH) {
            store.import_members(room.id, batch, room.created_at).await?;
        }
    }
    Ok(())
}

async fn create_room(store: &dyn Store, room: &DemoRoom, owner: UserId) -> anyhow::Result<()> {
    let DemoRoom { id, name, topic, created_at } = room.clone();
    match store.create_room(&NewRoom { id, name, topic, visibility: Visibility::Public, owner, created_at }).await? {
        RoomCreated::Created(_) => Ok(()),
        RoomCreated::NameTaken => bail!("another public room is called {}: seed another data folder", room.name),
    }
}

fn account(user_name: String, display_name: &str, created_at: UnixMillis) -> Account {
    Account {
        id: ids::user(&user_name),
        display_name: display_name.to_owned(),
        color: names::default_color(&user_name).to_owned(),
        status_text: String::new(),
        password_hash: None,
        disabled: false,
        is_admin: false,
        created_at,
        user_name,
    }
}

/// A user name with its password, as JSON has it.
#[derive(Debug, serde::Serialize)]
pub(super) struct Credentials {
    user_name: String,
    pub(super) password: String,
}

/// Gives an imported account a new password, which only the caller knows.
pub(super) async fn set_new_password(store: &dyn Store, user_name: &str) -> anyhow::Result<Credentials> {
    let password = random_password();
    let passwords = Passwords::new(PasswordLimits::default())?;
    let hash = passwords.hash(&password).await.ok().context("hashing a password")?;
    store.set_password(ids::user(user_name), &hash).await?;
    Ok(Credentials { user_name: user_name.to_owned(), password })
}

/// 80 random bits, in four groups that can be typed.
fn random_password() -> String {
    let groups: [[u8; 4]; 4] = rand::random();
    groups.map(|group| group.map(|byte| char::from(PASSWORD_ALPHABET[usize::from(byte) % PASSWORD_ALPHABET.len()])).iter().collect::<String>()).join("-")
}

#[cfg(test)]
mod tests {
    use parley_gateway::passwords;

    use super::*;

    #[test]
    fn the_demo_password_is_new_each_time_and_one_that_people_may_choose() {
        let (one, other) = (random_password(), random_password());
        assert_ne!(one, other);
        assert_eq!(one.len(), 19);
        assert!(passwords::check_policy(&one, DEMO_USER_NAME).is_ok());
    }

    #[test]
    fn an_imported_account_has_a_user_name_that_people_may_have_and_no_password() {
        let account = account(ids::user_name("|trey|"), "|trey|", UnixMillis(0));
        assert_eq!(names::user_name(&account.user_name).as_deref(), Ok(account.user_name.as_str()));
        assert_eq!(account.password_hash, None);
    }
}
