//! Use cases of people: sign up, sign in, refresh, sign out, profile. Rules of names are in [`names`], the check of a session in [`sessions`].
//!
//! Knows no transport: how tokens travel (cookies or JSON) is HTTP's business.

use std::{sync::Arc, time::Duration};

use parley_engines::{
    bus::BusChannels,
    store::{
        Store,
        accounts::{Account, AccountCreated, ProfileChange, Rotation, Session},
    },
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
    revocation::{self, Revocation},
    tokens::{Access, RefreshToken, Tokens},
};

pub mod names;
pub mod sessions;

use sessions::Sessions;

/// The use cases. Clones share everything.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    bus: Arc<dyn BusChannels>,
    tokens: Tokens,
    passwords: Passwords,
    profiles: Profiles,
    sessions: Sessions,
    limits: Limits,
    refresh_lifetime: Duration,
}

/// What [`Accounts`] works with.
#[derive(Debug)]
pub struct AccountsParts {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn BusChannels>,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub profiles: Profiles,
    pub limits: Limits,
    /// How long a session lives, from sign-in.
    pub refresh_lifetime: Duration,
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
    pub fn new(parts: AccountsParts) -> Self {
        let sessions = Sessions::new(Arc::clone(&parts.store));
        let AccountsParts { store, bus, tokens, passwords, profiles, limits, refresh_lifetime } = parts;
        Self { store, bus, tokens, passwords, profiles, sessions, limits, refresh_lifetime }
    }

    /// The check whether a session is still there, shared with the sockets.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Makes an account and signs it in. A name that is taken, reserved or banned gets one and the same answer, after the same work.
    pub async fn sign_up(&self, request: SignUp, now: UnixMillis) -> Result<Granted, Refusal> {
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
            created_at: now,
            user_name,
        };
        if names::is_reserved(&account.user_name) || self.store.create_account(&account).await? == AccountCreated::NameTaken {
            metrics::sign_in("sign_up_refused");
            return Err(Refusal::new(ErrorCode::UsernameUnavailable).at("user_name"));
        }
        metrics::sign_in("sign_up");
        self.begin_session(&account, now).await
    }

    /// Begins a session. An unknown name and a wrong password are answered alike, after one run of argon2 each.
    pub async fn sign_in(&self, user_name: &str, password: &str, from: AddressBlock, now: UnixMillis) -> Result<Granted, Refusal> {
        let patience = self.permit_try(user_name, from).await?;
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
                self.begin_session(&account, now).await
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
        let here = format!("{account}/{from}");
        for what in [What::SignIns, What::SignInsMany, What::SignInsVeryMany] {
            self.limits.take(what, &here).await.inspect_err(|_| metrics::sign_in("too_many_tries"))?;
        }
        Ok(self.limits.take(What::SignInsAccount, &account).await.map_or(Patience::GivesWay, |()| Patience::Waits))
    }

    async fn begin_session(&self, account: &Account, now: UnixMillis) -> Result<Granted, Refusal> {
        let refresh_token = RefreshToken::random();
        let session = Session { id: SessionId(Uuid::new_v4()), user: account.id, created_at: now, expires_at: later(now, self.refresh_lifetime), ended: false };
        self.store.create_session(&session, refresh_token.hash()).await?;
        self.grant(account, &session, refresh_token, now)
    }

    /// Exchanges a refresh token for new tokens. A stolen one (used after it was replaced) ends the session everywhere.
    pub async fn refresh(&self, presented: &RefreshToken, now: UnixMillis) -> Result<Granted, Refusal> {
        let refresh_token = RefreshToken::random();
        let session = match self.store.rotate(presented.hash(), refresh_token.hash(), now).await? {
            Rotation::Rotated(session) => session,
            Rotation::Reused(session) => {
                metrics::sign_in("refresh_reused");
                self.tell_ended(session.id).await;
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
    pub async fn sign_out(&self, session: SessionId) -> Result<(), Refusal> {
        self.store.end_session(session).await?;
        self.tell_ended(session).await;
        metrics::sign_in("sign_out");
        Ok(())
    }

    /// Ends the session of a refresh token: for a browser whose access token has expired. A token that is worth nothing ends nothing.
    pub async fn sign_out_by_refresh(&self, presented: &RefreshToken, now: UnixMillis) -> Result<(), Refusal> {
        match self.store.rotate(presented.hash(), RefreshToken::random().hash(), now).await? {
            Rotation::Rotated(session) | Rotation::Reused(session) => self.sign_out(session.id).await,
            Rotation::Refused => Ok(()),
        }
    }

    async fn tell_ended(&self, session: SessionId) {
        self.sessions.ended(session);
        revocation::announce(self.bus.as_ref(), Revocation::of_session(session)).await;
    }

    /// Whom an access token speaks for, if its session is still there.
    pub async fn authenticate(&self, access_token: &str, now: UnixMillis) -> Result<Access, Refusal> {
        let access = self.tokens.verify(access_token, now).ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        self.sessions.check(access, now).await?;
        Ok(access)
    }

    /// One's own profile.
    pub async fn me(&self, user: UserId) -> Result<User, Refusal> {
        let account = self.account(user).await?.ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        self.profiles.saw(&account);
        Ok(profiles::user(&account))
    }

    /// Changes one's own profile. What is `None` stays.
    pub async fn update_profile(&self, user: UserId, change: ProfileChange) -> Result<User, Refusal> {
        let change = ProfileChange {
            display_name: change.display_name.as_deref().map(names::display_name).transpose()?,
            color: change.color.as_deref().map(names::color).transpose()?,
            status_text: change.status_text.as_deref().map(names::status_text).transpose()?,
        };
        let account = self.store.update_profile(user, &change).await?.ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        self.profiles.saw(&account);
        Ok(profiles::user(&account))
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
