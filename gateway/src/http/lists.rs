//! Lists as `{items, next, previous}` with signed cursors.

use parley_engines::store::{Direction, Page, PageRequest};
use parley_proto::{ErrorCode, limits};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    refusal::Refusal,
    tokens::{Cursors, List},
};

/// `?cursor=&limit=`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<String>,
}

/// A page as clients get it.
#[derive(Debug, Serialize)]
pub(super) struct ListPage<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
}

/// How many: 50, or 1 to 100 as asked. (Read by hand: a number too large for any type is the same mistake as 101.)
pub(super) fn limit(asked: Option<&str>) -> Result<usize, Refusal> {
    match asked {
        None | Some("") => Ok(limits::PAGE),
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=limits::PAGE_MAX).contains(limit))
            .ok_or_else(|| Refusal::new(ErrorCode::BadRequest).detail(format!("limit is 1 to {}", limits::PAGE_MAX)).at("limit")),
    }
}

/// What the store is asked for; an empty cursor is none.
pub(super) fn request<K: DeserializeOwned>(cursors: &Cursors, list: &List<'_>, query: &PageQuery) -> Result<PageRequest<K>, Refusal> {
    let limit = limit(query.limit.as_deref())?;
    match query.cursor.as_deref() {
        None | Some("") => Ok(PageRequest { start: None, direction: Direction::Forward, limit }),
        Some(cursor) => {
            let (direction, key) = cursors.read(list, cursor)?;
            Ok(PageRequest { start: Some(key), direction, limit })
        }
    }
}

/// The request with another key.
pub(super) fn keyed<A, B>(request: PageRequest<A>, key: impl FnOnce(A) -> B) -> PageRequest<B> {
    PageRequest { start: request.start.map(key), direction: request.direction, limit: request.limit }
}

/// The answer: `key` says where the list goes on behind (or in front of) an item.
pub(super) fn answer<A, B, K: Serialize>(
    cursors: &Cursors,
    list: &List<'_>,
    page: Page<A>,
    key: impl Fn(&A) -> K,
    show: impl FnMut(A) -> B,
) -> Result<ListPage<B>, Refusal> {
    let at = |item: Option<&A>, direction| item.map(|item| cursors.write(list, direction, &key(item))).transpose();
    let next = if page.has_next { at(page.items.last(), Direction::Forward)? } else { None };
    let previous = if page.has_previous { at(page.items.first(), Direction::Backward)? } else { None };
    Ok(ListPage { items: page.items.into_iter().map(show).collect(), next, previous })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        assert_eq!(limit(None), Ok(50));
        assert_eq!(limit(Some("1")), Ok(1));
        assert_eq!(limit(Some("100")), Ok(100));
        for wrong in ["0", "101", "-1", "1.5", "x", "99999999999999999999999999"] {
            assert_eq!(limit(Some(wrong)).map_err(|refusal| (refusal.code, refusal.path)), Err((ErrorCode::BadRequest, Some("limit".to_owned()))), "{wrong}");
        }
    }
}
