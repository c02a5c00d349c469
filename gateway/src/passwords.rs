//! Passwords: which are allowed, and argon2id behind a bounded queue.
//!
//! One run takes about 20 ms of a core and 19 MiB. Runs happen on the blocking pool, as many at once as there are cores; a short queue stands before them, and
//! whoever would wait too long is refused at once, so that a storm of sign-ins takes neither the memory nor the cores from the messages.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{PasswordHash, SaltString},
};
use parley_proto::{ErrorCode, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;

use crate::{metrics, refusal::Refusal};

/// Well-known passwords of eight and more characters, lower case, one a line.
const COMMON: &str = include_str!("passwords/common.txt");

/// OWASP's minimum for argon2id, in KiB, passes and lanes.
const ARGON2_COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// How many runs happen at once, and what may wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordLimits {
    /// Runs at once; the number of cores by default.
    pub in_flight: usize,
    /// How many may wait.
    pub queue: usize,
    /// How long each may wait.
    pub queue_age: Duration,
}

impl Default for PasswordLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { in_flight: cores, queue: 32, queue_age: Duration::from_millis(100) }
    }
}

/// Whether a run may wait for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    Waits,
    /// Runs only where nobody else would: for tries at an account that too many try at.
    GivesWay,
}

/// The hasher and its queue.
#[derive(Debug, Clone)]
pub struct Passwords {
    limits: PasswordLimits,
    runs: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    places: Arc<Semaphore>,
    /// The hash that unknown users are compared with.
    nobody: Arc<str>,
}

/// argon2 itself failed: only possible with parameters or a stored hash that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argon2: {0}")]
pub struct HashError(String);

impl Passwords {
    /// Runs no argon2: the hash that stands in for unknown users is one that no password has, at the same cost to compare with.
    pub fn new(limits: PasswordLimits) -> Result<Self, HashError> {
        let nobody = unmatched()?;
        let runs = Arc::new(Semaphore::new(limits.in_flight));
        let places = Arc::new(Semaphore::new(limits.in_flight + limits.queue));
        Ok(Self { limits, runs, places, nobody: nobody.into() })
    }

    /// The PHC string for a new password. Call [`check_policy`] first.
    pub async fn hash(&self, password: &str) -> Result<String, Refusal> {
        let password = normalised(password);
        self.run(Patience::Waits, move || hash_now(password.as_bytes())).await
    }

    /// Whether the password belongs to the stored hash. Without one (nobody has that name) the answer is no, at the same price.
    pub async fn verify(&self, password: &str, stored: Option<&str>, patience: Patience) -> Result<bool, Refusal> {
        let known = stored.is_some();
        let stored = stored.map_or_else(|| self.nobody.to_string(), str::to_owned);
        let password = normalised(password);
        let same = self.run(patience, move || verify_now(password.as_bytes(), &stored)).await?;
        Ok(same && known)
    }

    async fn run<T: Send + 'static>(&self, patience: Patience, work: impl FnOnce() -> Result<T, HashError> + Send + 'static) -> Result<T, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| overloaded("queue_full"))?;
        let runs = Arc::clone(&self.runs);
        let permit = match patience {
            Patience::GivesWay => runs.try_acquire_owned().map_err(|_| overloaded("gave_way"))?,
            Patience::Waits => {
                let turn = tokio::time::timeout(self.limits.queue_age, runs.acquire_owned()).await;
                turn.map_err(|_| overloaded("too_old"))?.map_err(|_| overloaded("closed"))?
            }
        };
        let done = tokio::task::spawn_blocking(move || with_permits(place, permit, work)).await;
        match done {
            Ok(Ok(value)) => {
                metrics::password_run("done");
                Ok(value)
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The permits go with the work, not with whoever waits for it: a client that hangs up does not make room while its run still burns a core.
fn with_permits<T>(place: OwnedSemaphorePermit, permit: OwnedSemaphorePermit, work: impl FnOnce() -> T) -> T {
    let done = work();
    drop((place, permit));
    done
}

fn overloaded(reason: &'static str) -> Refusal {
    metrics::password_run(reason);
    Refusal::new(ErrorCode::Overloaded).retry_after(Duration::from_secs(1))
}

fn failed(error: &dyn std::error::Error) -> Refusal {
    metrics::password_run("failed");
    tracing::error!(error = %error, "passwords.run_failed");
    Refusal::unavailable()
}

/// NFKC, so that the same password typed on another keyboard is the same password.
fn normalised(password: &str) -> String {
    password.nfkc().collect()
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let (memory, passes, lanes) = ARGON2_COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &[u8]) -> Result<String, HashError> {
    let random: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&random).map_err(|error| HashError(error.to_string()))?;
    let hash = argon2()?.hash_password(password, &salt).map_err(|error| HashError(error.to_string()))?;
    Ok(hash.to_string())
}

/// A hash that was drawn, not made.
fn unmatched() -> Result<String, HashError> {
    let (memory, passes, lanes) = ARGON2_COST;
    let encode = |random: &[u8]| SaltString::encode_b64(random).map_err(|error| HashError(error.to_string()));
    let (salt, hash) = (encode(&rand::random::<[u8; 16]>())?, encode(&rand::random::<[u8; 32]>())?);
    Ok(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}"))
}

fn verify_now(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let hash = PasswordHash::new(stored).map_err(|error| HashError(error.to_string()))?;
    match argon2()?.verify_password(password, &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::Password) => Ok(false),
        Err(error) => Err(HashError(error.to_string())),
    }
}

/// Whether a password may be chosen: 8 to 128 code points of anything, not one that everybody tries first, not the user name or ours with a little around it.
pub fn check_policy(password: &str, user_name: &str) -> Result<(), Refusal> {
    let length = password.chars().count();
    let code = if length < *limits::PASSWORD.start() {
        ErrorCode::PasswordTooShort
    } else if length > *limits::PASSWORD.end() {
        ErrorCode::PasswordTooLong
    } else if is_common(password) || is_made_of_context(password, user_name) {
        ErrorCode::PasswordCommon
    } else {
        return Ok(());
    };
    Err(Refusal::new(code).at("password"))
}

fn is_common(password: &str) -> bool {
    let lower = normalised(password).to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    COMMON.lines().any(|line| line == lower || line == bare) || is_a_run(&lower)
}

/// One character again and again, or neighbours in a row: `aaaaaaaa`, `23456789`, `hgfedcba`.
fn is_a_run(password: &str) -> bool {
    let steps: Vec<i64> = password.chars().zip(password.chars().skip(1)).map(|(a, b)| i64::from(u32::from(b)) - i64::from(u32::from(a))).collect();
    [-1, 0, 1].iter().any(|step| steps.iter().all(|found| found == step))
}

/// Without the user name and our own name hardly anything is left: fewer than five characters, or no letter.
fn is_made_of_context(password: &str, user_name: &str) -> bool {
    let lower = normalised(password).to_lowercase();
    let user_name = user_name.to_lowercase();
    let rest = ["parley", &user_name].iter().filter(|word| word.chars().count() > 2).fold(lower.clone(), |rest, word| rest.replace(word, ""));
    rest.len() < lower.len() && (rest.chars().count() < 5 || !rest.chars().any(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str, user_name: &str) -> Option<ErrorCode> {
        check_policy(password, user_name).err().map(|refusal| refusal.code)
    }

    #[test]
    fn length_is_counted_in_code_points_with_exact_edges() {
        assert_eq!(code("żółć-ŁÓ", "eve"), Some(ErrorCode::PasswordTooShort));
        assert_eq!(code("żółć-ŁÓ1", "eve"), None);
        assert_eq!(code(&"🦀x".repeat(64), "eve"), None);
        assert_eq!(code(&format!("{}y", "🦀x".repeat(64)), "eve"), Some(ErrorCode::PasswordTooLong));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in ["password", "PassWord1", "qwertyuiop", "iloveyou", "12345678", "aaaaaaaaa", "zyxwvuts", "password!!", "!!!!!!!!!!"] {
            assert_eq!(code(common, "eve"), Some(ErrorCode::PasswordCommon), "{common}");
        }
    }

    #[test]
    fn the_user_name_and_our_name_do_not_make_a_password() {
        for context in ["marigold", "Marigold1", "parley-parley", "marigold2026", "PARLEY123456", "parleymarigold"] {
            assert_eq!(code(context, "marigold"), Some(ErrorCode::PasswordCommon), "{context}");
        }
        assert_eq!(code("a walrus in marigold socks", "marigold"), None);
        assert_eq!(code("alphabet soup", "al"), None);
    }

    #[test]
    fn anything_may_be_in_a_password() {
        for odd in ["        x", "\u{202E}\u{0}'; drop", "пароль-и-ещё", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦"] {
            assert_eq!(code(odd, "eve"), None, "{odd:?}");
        }
    }

    #[test]
    fn the_list_is_lower_case_and_long_enough_to_matter() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() >= 300, "{}", lines.len());
        for line in lines {
            assert!(line.chars().count() >= 8 && line == line.to_lowercase(), "{line}");
        }
    }

    #[tokio::test]
    async fn a_password_is_recognised_also_when_composed_otherwise() {
        let passwords = Passwords::new(PasswordLimits::default()).unwrap();
        let stored = passwords.hash("cafe\u{301}-crème").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(passwords.verify("café-crème", Some(&stored), Patience::Waits).await, Ok(true));
        assert_eq!(passwords.verify("café-creme", Some(&stored), Patience::Waits).await, Ok(false));
        assert_eq!(passwords.verify("café-crème", None, Patience::Waits).await, Ok(false));
    }

    #[tokio::test]
    async fn what_gives_way_runs_only_where_nobody_else_would() {
        let limits = PasswordLimits { in_flight: 1, queue: 1, queue_age: Duration::from_secs(20) };
        let passwords = Passwords::new(limits).unwrap();
        assert_eq!(passwords.verify("whatever it is", None, Patience::GivesWay).await, Ok(false));
        let busy = Arc::clone(&passwords.runs).acquire_owned().await.unwrap();
        let refused = passwords.verify("whatever it is", None, Patience::GivesWay).await.map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(ErrorCode::Overloaded));
        drop(busy);
    }

    #[tokio::test]
    async fn a_full_queue_and_a_long_wait_are_refused() {
        let limits = PasswordLimits { in_flight: 1, queue: 1, queue_age: Duration::from_millis(1) };
        let passwords = Passwords::new(limits).unwrap();
        let busy = Arc::clone(&passwords.runs).acquire_owned().await.unwrap();
        let refused = passwords.hash("whatever it is").await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::Overloaded, Some(Duration::from_secs(1))));
        let places = Arc::clone(&passwords.places).acquire_many_owned(2).await.unwrap();
        drop(busy);
        assert_eq!(passwords.hash("whatever it is").await.map_err(|refusal| refusal.code), Err(ErrorCode::Overloaded));
        drop(places);
        assert!(passwords.hash("whatever it is").await.is_ok());
    }
}
