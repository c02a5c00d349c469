//! Error codes: one enum for REST problems and socket frames.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $title:literal,)*) => {
        /// What went wrong, as clients see it: `snake_case` in JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A short English sentence, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

error_codes! {
    BadRequest = 400 "The request is malformed",
    Unauthenticated = 401 "Sign in first",
    CredentialsWrong = 401 "User name or password is wrong",
    Forbidden = 403 "Not allowed",
    /// Missing, or not yours to know about: the same answer.
    NotFound = 404 "Not found",
    Conflict = 409 "Conflict",
    UsernameUnavailable = 409 "This user name is not available",
    UsernameInvalid = 400 "A user name has 2 to 32 of a-z, 0-9, _ . -",
    DisplayNameInvalid = 400 "A display name has 1 to 64 characters and no control characters",
    StatusTextTooLong = 400 "A status text has at most 100 characters",
    ColorInvalid = 400 "A colour is # and six hexadecimal digits",
    CurrentPasswordWrong = 403 "The current password is wrong",
    PasswordTooShort = 400 "A password has at least 8 characters",
    PasswordTooLong = 400 "A password has at most 128 characters",
    PasswordCommon = 400 "This password is too easy to guess",
    RoomNameInvalid = 400 "A room name has 1 to 80 characters and no control characters",
    RoomNameTaken = 409 "A public room has this name already",
    TopicTooLong = 400 "A topic has at most 250 characters and no control characters",
    BodyEmpty = 400 "A message says something",
    BodyTooLong = 400 "A message has at most 4000 code points",
    BodyInvalid = 400 "A message has no NUL characters",
    /// The client's base lies above the log's end: it is of another log.
    BaseAhead = 409 "The base is ahead of the log",
    /// An earlier send of this connection to this room has an unknown outcome: retry or drop it first.
    OrderHold = 409 "An earlier message has an unknown outcome",
    /// A cancel came first: the thing never appears, and its cid is never used again.
    Cancelled = 409 "Cancelled",
    RateLimited = 429 "Too many requests",
    QueueFull = 503 "The queue is full",
    Overloaded = 503 "Too busy",
    Unavailable = 503 "Something that this needs is away",
    HistoryPending = 503 "This piece of history can't be read just now",
    AuthUnverified = 503 "Rights can't be verified just now",
    ResyncRequired = 409 "Too much was missed",
    TooManySubscriptions = 409 "Too many rooms at once",
    NotSubscribed = 409 "Subscribe to the room first",
    TooLarge = 413 "Too large",
    VersionUnsupported = 400 "This protocol version is not spoken here",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_a_500() {
        for code in ErrorCode::ALL {
            assert!(matches!(code.status(), 400..=499 | 503), "{code:?}");
        }
    }
}
