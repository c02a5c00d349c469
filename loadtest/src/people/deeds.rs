//! What people do over REST while their socket is open: leave and join a room, sign out and in. Each is asked for until it is done.

use std::{collections::HashMap, time::Duration};

use parley_proto::RoomId;
use rand::Rng;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::person::{Person, Receiving, Setting};
use crate::{
    client::{Account, ClientError, Credentials},
    history::{Deed, Event},
};

/// Between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(400);
/// After leaving, before joining again.
const AWAY: std::ops::Range<Duration> = Duration::from_secs(1)..Duration::from_secs(5);
/// After signing out, before signing in again: by then the socket has to be closed.
const OUT: Duration = Duration::from_secs(3);

/// What is under way, one thing at a time, and what is to follow.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    now: Option<(Doing, JoinHandle<Option<Account>>)>,
    rejoin: HashMap<RoomId, Instant>,
    sign_in_at: Option<Instant>,
    is_out: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    Deed(Deed),
    SignIn,
}

impl Deeds {
    pub(super) fn is_signed_in(&self) -> bool {
        !self.is_out
    }

    pub(super) fn is_idle(&self) -> bool {
        self.now.is_none() && self.rejoin.is_empty() && !self.is_out
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        if self.now.is_some() { None } else { self.rejoin.values().copied().chain(self.sign_in_at).min() }
    }

    /// The session is over: another one is wanted.
    pub(super) fn sign_in(&mut self, setting: &Setting) {
        self.is_out = true;
        self.sign_in_at = None;
        if self.now.is_none() {
            let (account, credentials) = (setting.account.clone(), setting.credentials.clone());
            let signing = async move { Some(until_done(|| account.sign_in_again(&credentials)).await) };
            self.now = Some((Doing::SignIn, tokio::spawn(signing)));
        } else {
            self.sign_in_at = Some(Instant::now());
        }
    }

    /// Waits for what is under way.
    pub(super) async fn done(&mut self) -> (Doing, Option<Account>) {
        let Some((doing, handle)) = &mut self.now else { return std::future::pending().await };
        let (doing, account) = (*doing, handle.await.ok().flatten());
        self.now = None;
        (doing, account)
    }
}

impl Person {
    /// Begins a deed, unless another one is under way.
    pub(super) fn begin(&mut self, deed: Deed) -> anyhow::Result<()> {
        if self.deeds.now.is_some() || self.deeds.is_out || (deed == Deed::SignOut && !self.deeds.rejoin.is_empty()) {
            return Ok(());
        }
        self.note(&Event::Asked { deed })?;
        let (account, credentials) = (self.setting.account.clone(), self.setting.credentials.clone());
        if deed == Deed::SignOut {
            self.deeds.is_out = true;
        }
        self.deeds.now = Some((Doing::Deed(deed), tokio::spawn(do_it(deed, account, credentials))));
        Ok(())
    }

    pub(super) fn deed_done(&mut self, (doing, account): (Doing, Option<Account>)) -> anyhow::Result<()> {
        let now = Instant::now();
        match doing {
            Doing::SignIn => {
                self.deeds.is_out = false;
                if let Some(account) = account {
                    self.hang_up_if_open()?;
                    self.is_now(account);
                }
            }
            Doing::Deed(deed) => {
                self.note(&Event::Done { deed })?;
                if let Some(account) = account {
                    self.hang_up_if_open()?;
                    self.is_now(account);
                }
                match deed {
                    Deed::Leave(room) => {
                        let away = self.setting.rng.random_range(AWAY);
                        self.deeds.rejoin.insert(room, now + away);
                        self.resumable.remove(&room);
                        if let Some(standing) = self.standings.get_mut(&room) {
                            standing.receiving = Receiving::Not;
                        }
                        self.outbox.forget_untried(room);
                    }
                    Deed::Join(room) => {
                        if let Some(standing) = self.standings.get_mut(&room) {
                            standing.receiving = Receiving::From(now);
                        }
                    }
                    Deed::SignOut => self.deeds.sign_in_at = Some(now + OUT),
                }
            }
        }
        Ok(())
    }

    /// Begins what is to follow, once its time has come.
    pub(super) fn deeds_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        if self.deeds.now.is_some() {
            return Ok(());
        }
        if self.deeds.sign_in_at.is_some_and(|at| at <= now) {
            self.deeds.sign_in(&self.setting);
            return Ok(());
        }
        let room = self.deeds.rejoin.iter().find(|(_, at)| **at <= now).map(|(room, _)| *room);
        if let Some(room) = room.filter(|_| !self.deeds.is_out) {
            self.deeds.rejoin.remove(&room);
            self.begin(Deed::Join(room))?;
        }
        Ok(())
    }
}

/// Asks until it is done, in another session where this one has ended meanwhile: then that comes back.
async fn do_it(deed: Deed, mut account: Account, credentials: Credentials) -> Option<Account> {
    let mut is_another = false;
    loop {
        let done = match deed {
            Deed::Join(room) => account.join(room).await,
            Deed::Leave(room) => account.leave(room).await,
            Deed::SignOut => account.sign_out().await,
        };
        match done {
            Ok(()) => return is_another.then_some(account),
            Err(ClientError::Refused { status: 401, .. }) if deed == Deed::SignOut => return None,
            Err(ClientError::Refused { status: 401, .. }) => {
                account = until_done(|| account.sign_in_again(&credentials)).await;
                is_another = true;
            }
            Err(_) => sleep(TRY_PAUSE).await,
        }
    }
}

/// Asks until it is done.
async fn until_done<T, F: Future<Output = Result<T, ClientError>>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(_) => sleep(TRY_PAUSE).await,
        }
    }
}
