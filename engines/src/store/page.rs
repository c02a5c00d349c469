//! Pages cut out of ordered lists.

use super::{Direction, Page, PageRequest};

/// One more than asked for tells whether the list goes on.
pub(super) fn fetch_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// The page out of rows that were fetched in its direction with [`fetch_limit`].
pub(super) fn cut<K, R, T>(page: &PageRequest<K>, mut rows: Vec<R>, decode: impl Fn(R) -> Result<T, sqlx::Error>) -> Result<Page<T>, sqlx::Error> {
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    if page.direction == Direction::Backward {
        rows.reverse();
    }
    let items = rows.into_iter().map(decode).collect::<Result<_, _>>()?;
    let (has_previous, has_next) = match page.direction {
        Direction::Forward => (page.start.is_some(), more),
        Direction::Backward => (more, page.start.is_some()),
    };
    Ok(Page { items, has_previous, has_next })
}
