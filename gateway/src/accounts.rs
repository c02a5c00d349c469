//! Use cases of people: sign up, sign in, refresh, sign out, profile, password. Rules of names are in [`names`], sessions in [`sessions`].
//!
//! Knows no transport: how tokens travel (cookies or JSON) is HTTP's business.

use std::{sync::Arc, time::Duration};

use parley_engines::store::{
    Store,
    accounts::{Account, AccountCreated, PasswordChange, ProfileChange, Rotation, Session, SessionCreated},
};
use parley_proto::{ErrorCode, SessionId, UnixMillis, UserId, wire::User};
use sha2::{Digest, Sha256};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    limits::{Limits, What, address::AddressBlock},
    metrics,
    passwords::{self, Passwords, Patience},
    profiles::{self, Profiles},
    refusal::Refusal,
    revocation::{Revocation, Revocations},
    tokens::{Access, RefreshToken, Tokens},
};

pub mod names;
pub mod sessions;

use sessions::Sessions;

/// The use cases. Clones share everything.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    revocations: Revocations,
    tokens: Tokens,
    passwords: Passwords,
    profiles: Profiles,
    sessions: Sessions,
    limits: Limits,
    refresh_lifetime: Duration,
}

/// What [`Accounts`] works with.
#[derive(Debug)]
pub(crate) struct AccountsParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) revocations: Revocations,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    pub(crate) profiles: Profiles,
    pub(crate) limits: Limits,
    /// How long a session lives, from sign-in.
    pub(crate) refresh_lifetime: Duration,
}

/// A new account as asked for.
#[derive(Clone)]
pub struct SignUp {
    pub user_name: String,
    pub password: String,
    pub display_name: Option<String>,
}

impl std::fmt::Debug for SignUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignUp").field("user_name", &self.user_name).finish_non_exhaustive()
    }
}

/// What only oneself is told of one's account.
#[derive(Debug, Clone)]
pub struct Me {
    pub user: User,
    pub is_admin: bool,
}

/// Where somebody signs in from.
#[derive(Debug)]
pub struct Client {
    pub address: AddressBlock,
    /// What their program says of itself, in short.
    pub agent: String,
}

/// A session's new tokens.
#[derive(Debug, Clone)]
pub struct Granted {
    pub user: User,
    pub session: SessionId,
    pub access_token: String,
    pub access_expires_at: UnixMillis,
    pub refresh_token: RefreshToken,
    pub refresh_expires_at: UnixMillis,
}

impl Accounts {
    /// Puts the parts together.
    pub(crate) fn new(parts: AccountsParts) -> Self {
        let sessions = Sessions::new(Arc::clone(&parts.store));
        let AccountsParts { store, revocations, tokens, passwords, profiles, limits, refresh_lifetime } = parts;
        Self { store, revocations, tokens, passwords, profiles, sessions, limits, refresh_lifetime }
    }

    /// The check whether a session is still there, shared with the sockets.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Makes an account and signs it in. A name that is taken, reserved or banned gets one and the same answer, after the same work.
    pub async fn sign_up(&self, request: SignUp, agent: String, now: UnixMillis) -> Result<Granted, Refusal> {
        let user_name = names::user_name(&request.user_name)?;
        passwords::check_policy(&request.password, &user_name)?;
        let display_name = names::display_name(request.display_name.as_deref().unwrap_or_else(|| request.user_name.trim()))?;
        let password_hash = self.passwords.hash(&request.password).await?;
        let account = Account {
            id: UserId(new_uuid(now)),
            color: names::default_color(&user_name).to_owned(),
            display_name,
            status_text: String::new(),
            password_hash: Some(password_hash),
            disabled: false,
            is_admin: false,
            created_at: now,
            user_name,
        };
        if names::is_reserved(&account.user_name) || self.store.create_account(&account).await? == AccountCreated::NameTaken {
            metrics::sign_in("sign_up_refused");
            return Err(Refusal::new(ErrorCode::UsernameUnavailable).at("user_name"));
        }
        metrics::sign_in("sign_up");
        self.begin_session(&account, agent, now).await
    }

    /// Begins a session. An unknown name and a wrong password are answered alike, after one run of argon2 each.
    pub async fn sign_in(&self, user_name: &str, password: &str, client: Client, now: UnixMillis) -> Result<Granted, Refusal> {
        let patience = self.permit_try(user_name, client.address).await?;
        let account = match names::user_name(user_name) {
            Ok(user_name) => self.store.account_by_name(&user_name).await?,
            Err(_) => None,
        };
        let stored = account.as_ref().and_then(|account| account.password_hash.as_deref());
        let right = self.passwords.verify(password, stored, patience).await?;
        match account {
            Some(account) if right && account.disabled => Err(disabled()),
            Some(account) if right => {
                metrics::sign_in("sign_in");
                self.begin_session(&account, client.agent, now).await
            }
            _ => {
                metrics::sign_in("credentials_wrong");
                Err(Refusal::new(ErrorCode::CredentialsWrong))
            }
        }
    }

    /// Counts a try. From one address the delay at an account grows with the number of tries, whether there is such an account or not. What others do from
    /// elsewhere refuses nobody: above the account's own budget a try waits for nothing, so that it costs other accounts' people no time.
    async fn permit_try(&self, user_name: &str, from: AddressBlock) -> Result<Patience, Refusal> {
        let typed = names::user_name(user_name).unwrap_or_else(|_| user_name.to_owned());
        let account = format!("{:x}", Sha256::digest(typed.as_bytes()));
        self.count_try(&format!("{account}/{from}")).await?;
        Ok(self.limits.take(What::SignInsAccount, &account).await.map_or(Patience::GivesWay, |()| Patience::Waits))
    }

    /// One more guess at a password, where guesses are counted together.
    async fn count_try(&self, place: &str) -> Result<(), Refusal> {
        for what in [What::SignIns, What::SignInsMany, What::SignInsVeryMany] {
            self.limits.take(what, place).await.inspect_err(|_| metrics::sign_in("too_many_tries"))?;
        }
        Ok(())
    }

    async fn begin_session(&self, account: &Account, agent: String, now: UnixMillis) -> Result<Granted, Refusal> {
        let refresh_token = RefreshToken::random();
        let (id, expires_at) = (SessionId(Uuid::new_v4()), later(now, self.refresh_lifetime));
        let session = Session { id, user: account.id, created_at: now, last_seen_at: now, expires_at, ended: false, agent };
        match self.store.create_session(&session, refresh_token.hash(), account.password_hash.as_deref()).await? {
            SessionCreated::Created => self.grant(account, &session, refresh_token, now),
            SessionCreated::PasswordChanged => Err(Refusal::new(ErrorCode::CredentialsWrong)),
        }
    }

    /// Exchanges a refresh token for new tokens. A stolen one (used after it was replaced) ends the session everywhere.
    pub async fn refresh(&self, presented: &RefreshToken, now: UnixMillis) -> Result<Granted, Refusal> {
        let refresh_token = RefreshToken::random();
        let session = match self.store.rotate(presented.hash(), refresh_token.hash(), now).await? {
            Rotation::Rotated(session) => session,
            Rotation::Reused(session) => {
                metrics::sign_in("refresh_reused");
                self.tell_ended(session.user, &[session.id]).await;
                return Err(Refusal::new(ErrorCode::Unauthenticated));
            }
            Rotation::Refused => {
                metrics::sign_in("refresh_refused");
                return Err(Refusal::new(ErrorCode::Unauthenticated));
            }
        };
        let account = self.account(session.user).await?.ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        if account.disabled {
            return Err(disabled());
        }
        metrics::sign_in("refresh");
        self.grant(&account, &session, refresh_token, now)
    }

    fn grant(&self, account: &Account, session: &Session, refresh_token: RefreshToken, now: UnixMillis) -> Result<Granted, Refusal> {
        let (access_token, access_expires_at) = self.tokens.issue(Access { user: account.id, session: session.id }, now)?;
        self.profiles.saw(account);
        Ok(Granted {
            user: profiles::user(account),
            session: session.id,
            access_token,
            access_expires_at,
            refresh_token,
            refresh_expires_at: session.expires_at,
        })
    }

    /// Ends a session, here and in every socket. Idempotent.
    pub async fn sign_out(&self, access: Access) -> Result<(), Refusal> {
        self.end(access).await?;
        metrics::sign_in("sign_out");
        Ok(())
    }

    /// Ends the session of a refresh token: for a browser whose access token has expired. A token that is worth nothing ends nothing.
    pub async fn sign_out_by_refresh(&self, presented: &RefreshToken, now: UnixMillis) -> Result<(), Refusal> {
        match self.store.rotate(presented.hash(), RefreshToken::random().hash(), now).await? {
            Rotation::Rotated(session) | Rotation::Reused(session) => self.sign_out(Access { user: session.user, session: session.id }).await,
            Rotation::Refused => Ok(()),
        }
    }

    async fn end(&self, access: Access) -> Result<(), Refusal> {
        self.store.end_session(access.session).await?;
        self.tell_ended(access.user, &[access.session]).await;
        Ok(())
    }

    async fn tell_ended(&self, user: UserId, sessions: &[SessionId]) {
        sessions.iter().for_each(|session| self.sessions.ended(*session));
        let revocations: Vec<_> = sessions.iter().copied().map(Revocation::of_session).collect();
        self.revocations.tell(user, &revocations).await;
    }

    /// One's own sessions that live, last seen first.
    pub async fn list_sessions(&self, user: UserId, now: UnixMillis) -> Result<Vec<Session>, Refusal> {
        Ok(self.store.sessions_of(user, now).await?)
    }

    /// Ends one of one's own sessions. `not_found` for anybody else's, and for what is none. Idempotent.
    pub async fn revoke_session(&self, user: UserId, session: SessionId) -> Result<(), Refusal> {
        self.store.session(session).await?.filter(|found| found.user == user).ok_or_else(Refusal::not_found)?;
        self.end(Access { user, session }).await?;
        metrics::sign_in("revoke");
        Ok(())
    }

    /// Ends all of one's sessions but the one that asks; how many there were.
    pub async fn revoke_others(&self, access: Access) -> Result<usize, Refusal> {
        let ended = self.store.end_other_sessions(access.user, access.session).await?;
        self.tell_ended(access.user, &ended).await;
        metrics::sign_in("revoke_others");
        Ok(ended.len())
    }

    /// Changes one's own password, which takes the current one, and ends all other sessions; how many there were.
    pub async fn change_password(&self, access: Access, current: &str, new: &str) -> Result<usize, Refusal> {
        let account = self.account(access.user).await?.ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        passwords::check_policy(new, &account.user_name).map_err(|refusal| refusal.at("new_password"))?;
        let wrong = || {
            metrics::sign_in("password_wrong");
            Refusal::new(ErrorCode::CurrentPasswordWrong).at("current_password")
        };
        let from = account.password_hash.clone().ok_or_else(wrong)?;
        // A session that was left open somewhere is no place to guess from either.
        self.count_try(&format!("session of {}", access.user)).await?;
        if !self.passwords.verify(current, Some(&from), Patience::Waits).await? {
            return Err(wrong());
        }
        let to = self.passwords.hash(new).await?;
        let change = PasswordChange { user: access.user, from, to, keep: access.session };
        let ended = self.store.change_password(&change).await?.ok_or_else(wrong)?;
        self.tell_ended(access.user, &ended).await;
        metrics::sign_in("password_changed");
        Ok(ended.len())
    }

    /// Whom an access token speaks for, if its session is still there.
    pub async fn authenticate(&self, access_token: &str, now: UnixMillis) -> Result<Access, Refusal> {
        let access = self.tokens.verify(access_token, now).ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        self.sessions.check(access, now).await?;
        Ok(access)
    }

    /// One's own profile.
    pub async fn me(&self, user: UserId) -> Result<Me, Refusal> {
        let account = self.account(user).await?.ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        Ok(self.seen_by_oneself(&account))
    }

    fn seen_by_oneself(&self, account: &Account) -> Me {
        self.profiles.saw(account);
        Me { user: profiles::user(account), is_admin: account.is_admin }
    }

    /// Changes one's own profile. What is `None` stays.
    pub async fn update_profile(&self, user: UserId, change: ProfileChange) -> Result<Me, Refusal> {
        let change = ProfileChange {
            display_name: change.display_name.as_deref().map(names::display_name).transpose()?,
            color: change.color.as_deref().map(names::color).transpose()?,
            status_text: change.status_text.as_deref().map(names::status_text).transpose()?,
        };
        let account = self.store.update_profile(user, &change).await?.ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        Ok(self.seen_by_oneself(&account))
    }

    /// Those of these people that exist, in the order asked.
    pub async fn users(&self, ids: &[UserId]) -> Vec<User> {
        self.profiles.of(ids).await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, Refusal> {
        Ok(self.store.accounts(&[user]).await?.into_iter().next())
    }
}

fn disabled() -> Refusal {
    metrics::sign_in("disabled");
    Refusal::new(ErrorCode::Forbidden).detail("this account is disabled")
}

fn later(now: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// UUIDv7: new accounts sit together in indexes.
fn new_uuid(now: UnixMillis) -> Uuid {
    let millis = u64::try_from(now.0).unwrap_or(0);
    let nanos = u32::try_from(millis % 1_000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, millis / 1_000, nanos))
}
