//! A dead letter as text. Whatever is in it may come from anywhere: it reaches a terminal escaped.

use std::fmt::Write;

use parley_engines::store::projection::DeadLetter;
use parley_proto::{
    Body, Record, UnixMillis,
    check::check,
    codec::{self, DecodeError},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::LetterId;

/// Bytes that are shown of a long one.
const HEX_MAX: usize = 4_096;
const BYTES_PER_LINE: usize = 16;
/// Characters of a reason within a line.
const REASON_MAX: usize = 160;

/// The columns of [`line()`].
pub(super) fn head() -> String {
    format!("{:<16} {:>8}  {:<24}  {:<9} {}", "id", "bytes", "sent at", "kind", "reason")
}

/// One dead letter in one line.
pub(super) fn line(letter: &DeadLetter) -> String {
    let record = codec::decode(&letter.bytes).ok();
    let (sent_at, kind) = record.map_or_else(|| ("-".to_owned(), "-"), |record| (time(record.sent_at), record.kind.name()));
    let reason: String = letter.reason.escape_debug().take(REASON_MAX).collect();
    let redriven = letter.redriven.map_or_else(String::new, |to| format!(" (driven once more: {}:{to})", letter.partition));
    format!("{:<16} {:>8}  {sent_at:<24}  {kind:<9} {reason}{redriven}", LetterId::from(letter).to_string(), letter.bytes.len())
}

/// Everything that is known of it.
pub(super) fn whole(letter: &DeadLetter) -> String {
    let mut text = format!("dead letter  {}\nreason       {}\nbytes        {}\n", LetterId::from(letter), letter.reason.escape_debug(), letter.bytes.len());
    // Writing into a String can't fail.
    let _ = match (letter.redriven, check(&letter.bytes, letter.partition)) {
        (Some(to), _) => writeln!(text, "redriven     yes: it lies at {}:{to} as well", letter.partition),
        (None, Ok(_)) => writeln!(text, "redriven     no: `parley dead-letters redrive {}` has the store try again", LetterId::from(letter)),
        (None, Err(error)) => writeln!(text, "redriven     no, and it can't be: {error}"),
    };
    match codec::decode(&letter.bytes) {
        Ok(record) => text.push_str(&fields(&record)),
        Err(error) => text.push_str(&undecoded(&letter.bytes, error)),
    }
    text.push_str(&hex(&letter.bytes));
    text
}

fn fields(record: &Record) -> String {
    let body = match &record.body {
        Body::Plain(text) => format!("\"{}\"", text.escape_debug()),
        Body::A256Gcm { key_id, data } => format!("{} bytes, sealed under key {key_id}", data.len()),
    };
    let target = record.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
    format!(
        "kind         {}\nid           {}\nroom         {}\nsender       {}\ncid          {}\nbase         {}\nfloor        {}\ntarget       {target}\nvalue        {}\nsent at      {}\nimported     {}\nbody         {body}\n",
        record.kind.name(),
        record.id(),
        record.room,
        record.sender,
        record.cid,
        record.base,
        record.floor,
        record.value,
        time(record.sent_at),
        record.imported,
    )
}

/// As far as its beginning can be trusted.
fn undecoded(bytes: &[u8], error: DecodeError) -> String {
    let version = match bytes.strip_prefix(b"PRLY") {
        Some([version, ..]) => format!("version      {version}\n"),
        _ => String::new(),
    };
    format!("decoded      no: {error}\n{version}")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(BYTES_PER_LINE).take(HEX_MAX / BYTES_PER_LINE).enumerate() {
        let pairs: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let readable: String = line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        let _ = writeln!(text, "{:08x}  {:<47}  {readable}", number * BYTES_PER_LINE, pairs.join(" "));
    }
    if bytes.len() > HEX_MAX {
        let _ = writeln!(text, "… {} bytes more", bytes.len() - HEX_MAX);
    }
    text
}

fn time(at: UnixMillis) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{} ms", at.0))
}

#[cfg(test)]
mod tests {
    use parley_proto::{PartitionId, Position};

    use super::*;

    #[test]
    fn no_byte_of_it_reaches_a_terminal_as_it_is() {
        let letter = DeadLetter {
            partition: PartitionId(1),
            position: Position(2),
            reason: "a\u{1b}[31m\nb".to_owned(),
            bytes: vec![0x1b; 10_000].into(),
            redriven: None,
        };
        for text in [line(&letter), whole(&letter)] {
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        assert_eq!(line(&letter).lines().count(), 1);
        assert!(whole(&letter).ends_with("… 5904 bytes more\n"));
    }
}
