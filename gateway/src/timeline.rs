//! Rows of a room and what happened to them later, folded into rows: the pure part of pages.

use std::collections::HashMap;

use parley_proto::{
    MessageId,
    item::{Item, ItemKind},
};

use crate::reader::Keyed;

/// Applies `later` (in order of keys) to `rows` (ascending): new rows are added, edits and deletions change the rows they are about.
pub(crate) fn fold(rows: Vec<Item>, later: Vec<Keyed>) -> Vec<Item> {
    let mut rows = rows;
    let mut index: HashMap<MessageId, usize> = rows.iter().enumerate().map(|(at, item)| (item.id, at)).collect();
    for (key, item) in later {
        match item.kind {
            ItemKind::Message | ItemKind::System | ItemKind::Removed | ItemKind::Archived => match index.get(&item.id) {
                Some(at) => {
                    if item.rev > rows[*at].rev {
                        rows[*at] = item;
                    }
                }
                None => {
                    index.insert(item.id, rows.len());
                    rows.push(item);
                }
            },
            ItemKind::Edit | ItemKind::Delete | ItemKind::Erased => {
                let Some(row) = item.target.and_then(|target| index.get(&target)).map(|at| &mut rows[*at]) else { continue };
                let newer = row.rev.unwrap_or(row.position) < key;
                // Who may delete is judged before the append; nobody may put words into somebody else's mouth.
                let theirs = row.sender == item.sender || item.kind != ItemKind::Edit;
                if row.kind != ItemKind::Message || row.deleted || !newer || !theirs {
                    continue;
                }
                row.rev = Some(key);
                if item.kind == ItemKind::Edit {
                    row.body = item.body;
                    row.edited = true;
                } else {
                    row.body = serde_json::Value::Null;
                    row.deleted = true;
                }
            }
        }
    }
    rows.sort_by_key(|item| item.position);
    rows
}

/// Keeps the newest `limit`; whether any were cut.
pub(crate) fn keep_newest(rows: &mut Vec<Item>, limit: usize) -> bool {
    let cut = rows.len().saturating_sub(limit);
    rows.drain(..cut);
    cut > 0
}

/// Keeps the oldest `limit`; whether any were cut.
pub(crate) fn keep_oldest(rows: &mut Vec<Item>, limit: usize) -> bool {
    let cut = rows.len() > limit;
    rows.truncate(limit);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use parley_proto::{Cid, Position, UnixMillis, UserId};
    use uuid::Uuid;

    fn item(position: u64, kind: ItemKind, id: u128, target: Option<u128>, body: &str) -> Item {
        Item {
            position: Position(position),
            kind,
            id: MessageId(Uuid::from_u128(id)),
            sender: UserId(Uuid::from_u128(7)),
            cid: Cid::NIL,
            target: target.map(|id| MessageId(Uuid::from_u128(id))),
            body: body.into(),
            sent_at: UnixMillis(0),
            rev: None,
            seq: None,
            imported: false,
            edited: false,
            deleted: false,
        }
    }

    #[test]
    fn an_edit_that_only_the_log_has_changes_the_stored_row() {
        let rows = vec![item(1, ItemKind::Message, 1, None, "one"), item(2, ItemKind::Message, 2, None, "two")];
        let later = vec![
            (Position(5), item(5, ItemKind::Message, 5, None, "five")),
            (Position(6), item(6, ItemKind::Edit, 6, Some(1), "uno")),
            (Position(7), item(7, ItemKind::Delete, 7, Some(2), "")),
            (Position(8), item(8, ItemKind::Edit, 8, Some(2), "too late")),
            (Position(9), item(9, ItemKind::Edit, 9, Some(99), "of nothing")),
        ];
        let folded = fold(rows, later);
        let seen: Vec<_> = folded.iter().map(|item| (item.position.0, item.body.as_str().map(str::to_owned), item.edited, item.deleted)).collect();
        assert_eq!(seen, [(1, Some("uno".into()), true, false), (2, None, false, true), (5, Some("five".into()), false, false)]);
    }

    #[test]
    fn nobody_edits_what_somebody_else_wrote() {
        let mut foreign = item(6, ItemKind::Edit, 6, Some(1), "mine now");
        foreign.sender = UserId(Uuid::from_u128(8));
        let folded = fold(vec![item(1, ItemKind::Message, 1, None, "one")], vec![(Position(6), foreign)]);
        assert_eq!(folded[0].body, "one");
    }
}
