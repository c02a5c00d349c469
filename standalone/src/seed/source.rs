//! The file: one JSON object a line. What can't be a message is counted, not imported.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::Context;
use flate2::read::GzDecoder;
use parley_proto::{
    UnixMillis, UserId, limits,
    text::{self, TextError},
};
use serde::Deserialize;
use time::{PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::ids;

const MINUTE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]");

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// In the file's order.
    pub(super) messages: Vec<Message>,
    /// In order of their first message.
    pub(super) people: Vec<Person>,
    pub(super) skipped: Skipped,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// In the file, from 1.
    pub(super) line: u64,
    pub(super) sent_at: UnixMillis,
    pub(super) year: u16,
    /// Index into the people.
    pub(super) sender: usize,
    pub(super) body: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) user_name: String,
    /// The nick, as far as it can be shown.
    pub(super) display_name: String,
    pub(super) first_seen: UnixMillis,
}

/// Lines without a message in the store.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) blank: u64,
    pub(super) too_long: u64,
    /// No JSON, no time, no name, a character that is not allowed.
    pub(super) invalid: u64,
    /// Joins, leaves, renames and the like.
    pub(super) other_kinds: u64,
}

/// Reads the file up to its `max`-th message.
pub(super) fn open(path: &Path, max: usize) -> anyhow::Result<Source> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    read(BufReader::new(GzDecoder::new(file)), max).with_context(|| path.display().to_string())
}

fn read(lines: impl BufRead, max: usize) -> std::io::Result<Source> {
    let (mut source, mut known) = (Source::default(), HashMap::new());
    for (number, line) in (1..).zip(lines.split(b'\n')) {
        if source.messages.len() == max {
            break;
        }
        match judge(&line?) {
            Ok(parsed) => source.push(number, parsed, &mut known),
            Err(Skip::Blank) => source.skipped.blank += 1,
            Err(Skip::TooLong) => source.skipped.too_long += 1,
            Err(Skip::Invalid) => source.skipped.invalid += 1,
            Err(Skip::OtherKind) => source.skipped.other_kinds += 1,
        }
    }
    Ok(source)
}

impl Source {
    fn push(&mut self, line: u64, parsed: Parsed, known: &mut HashMap<String, usize>) {
        let Parsed { at, nick, display_name, body } = parsed;
        let sent_at = UnixMillis(at.assume_utc().unix_timestamp() * 1_000);
        let sender = *known.entry(nick).or_insert_with_key(|nick| {
            let user_name = ids::user_name(nick);
            self.people.push(Person { id: ids::user(&user_name), user_name, display_name, first_seen: sent_at });
            self.people.len() - 1
        });
        self.messages.push(Message { line, sent_at, year: u16::try_from(at.year()).unwrap_or_default(), sender, body });
    }
}

#[derive(Debug)]
struct Parsed {
    at: PrimitiveDateTime,
    nick: String,
    display_name: String,
    body: String,
}

#[derive(Debug)]
enum Skip {
    Blank,
    TooLong,
    Invalid,
    OtherKind,
}

#[derive(Deserialize)]
struct Line {
    at: String,
    kind: String,
    #[serde(default)]
    nick: String,
    #[serde(default)]
    body: String,
}

fn judge(line: &[u8]) -> Result<Parsed, Skip> {
    let Line { at, kind, nick, body } = serde_json::from_slice(line).map_err(|_| Skip::Invalid)?;
    if kind != "message" {
        return Err(Skip::OtherKind);
    }
    text::check_body(&body).map_err(|error| match error {
        TextError::Empty => Skip::Blank,
        TextError::TooLong => Skip::TooLong,
        TextError::Invalid => Skip::Invalid,
    })?;
    let at = PrimitiveDateTime::parse(&at, MINUTE).map_err(|_| Skip::Invalid)?;
    let display_name = display_name(&nick).ok_or(Skip::Invalid)?;
    Ok(Parsed { at, nick, display_name, body })
}

/// Without the characters that a display name can't have, and not longer than one.
fn display_name(nick: &str) -> Option<String> {
    let shown = |c: &char| text::clean_label(c.encode_utf8(&mut [0; 4]), 0, 1).is_ok();
    let cut: String = nick.chars().filter(shown).take(limits::DISPLAY_NAME).collect();
    text::clean_label(&cut, 1, limits::DISPLAY_NAME).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, nick: &str, body: &str) -> String {
        serde_json::json!({"at": "2004-11-15T12:18", "kind": kind, "nick": nick, "body": body}).to_string()
    }

    #[test]
    fn every_line_is_a_message_or_counted() {
        let lines = [
            line("message", "ada", "first"),
            line("join", "bo", ""),
            line("message", "ada", " \t"),
            line("message", "ada", &"x".repeat(4_001)),
            line("message", "ada", "a\0b"),
            line("message", "\u{202E}", "nobody said this"),
            "{".to_owned(),
            line("message", "b\u{1}o", "second"),
            line("message", "ada", "third"),
            line("message", "ada", "one too many"),
        ];
        let source = read(lines.join("\n").as_bytes(), 3).unwrap();
        let messages: Vec<_> = source.messages.iter().map(|message| (message.line, message.sender, message.body.as_str())).collect();
        assert_eq!(messages, [(1, 0, "first"), (8, 1, "second"), (9, 0, "third")]);
        assert_eq!(source.skipped, Skipped { blank: 1, too_long: 1, invalid: 3, other_kinds: 1 });
        assert_eq!((&source.people[1].user_name, source.people[1].display_name.as_str()), (&ids::user_name("b\u{1}o"), "bo"));
        assert_eq!((source.messages[0].year, source.messages[0].sent_at), (2004, UnixMillis(1_100_521_080_000)));
    }

    #[test]
    fn a_long_nick_is_cut_and_an_empty_one_is_none() {
        assert_eq!(display_name(&"n".repeat(70)).map(|name| name.len()), Some(64));
        assert_eq!(display_name(" "), None);
    }
}
