//! An item: what a record or a stored row looks like to a client.

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    ids::{Cid, MessageId, UserId},
    position::Position,
    record::{Body, Kind, Record, UnixMillis},
};

/// The kinds of which clients are told one by one. Votes, reactions and reads reach them as absolute values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Message,
    Edit,
    Delete,
    Removed,
    Archived,
    System,
    Erased,
}

impl ItemKind {
    /// The item kind of a record kind, `None` where the kind makes no frame.
    pub fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Message => Some(Self::Message),
            Kind::Edit => Some(Self::Edit),
            Kind::Delete => Some(Self::Delete),
            Kind::Removed => Some(Self::Removed),
            Kind::Archived => Some(Self::Archived),
            Kind::System => Some(Self::System),
            Kind::Erased => Some(Self::Erased),
            Kind::Vote | Kind::Reaction | Kind::Read | Kind::Cancel | Kind::Genesis => None,
        }
    }
}

/// One line of a room as clients get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub position: Position,
    pub kind: ItemKind,
    pub id: MessageId,
    pub sender: UserId,
    pub cid: Cid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<MessageId>,
    /// A string for messages and edits, an object for system events, null where there is nothing to show (deleted, erased, encrypted).
    pub body: serde_json::Value,
    #[serde(with = "rfc3339_millis")]
    pub sent_at: UnixMillis,
    /// Stored rows only: the position of the row's last change. The larger one wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<Position>,
    /// Stored messages only: the message's number in its room, from 1, without gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

impl Item {
    /// What clients are told of `record` at `position`; `None` where the kind makes no frame.
    pub fn of_record(position: Position, record: &Record) -> Option<Self> {
        let kind = ItemKind::of(record.kind)?;
        Some(Self {
            position,
            kind,
            id: record.id(),
            sender: record.sender,
            cid: record.cid,
            target: record.target,
            body: body_json(kind, &record.body),
            sent_at: record.sent_at,
            rev: None,
            seq: None,
            imported: record.imported,
            edited: false,
            deleted: false,
        })
    }
}

/// The JSON of a body of this kind.
pub fn body_json(kind: ItemKind, body: &Body) -> serde_json::Value {
    match (kind, body) {
        (_, Body::A256Gcm { .. }) => serde_json::Value::Null,
        (ItemKind::Message | ItemKind::Edit, Body::Plain(text)) => serde_json::Value::String(text.clone()),
        (ItemKind::System | ItemKind::Removed | ItemKind::Archived, Body::Plain(json)) => serde_json::from_str(json).unwrap_or_default(),
        (ItemKind::Delete | ItemKind::Erased, Body::Plain(_)) => serde_json::Value::Null,
    }
}

/// RFC 3339 in UTC with exactly three decimals.
pub fn format_time(at: UnixMillis) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000)
        .ok()
        .and_then(|time| time.format(FORMAT).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
}

/// `#[serde(with = …)]` for [`UnixMillis`] as RFC 3339 UTC with milliseconds.
pub mod rfc3339_millis {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};

    use crate::record::UnixMillis;

    /// Writes the time.
    pub fn serialize<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_time(*at))
    }

    /// Reads a time; what is finer than a millisecond is cut off.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixMillis, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)?;
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(UnixMillis).map_err(D::Error::custom)
    }
}
