//! `/users`: people by their ids.

use axum::{Json, extract::State};
use parley_proto::{ErrorCode, UserId, wire::User};
use serde::{Deserialize, Serialize};

use super::{input::Query, signed_in::SignedIn, state::AppState};
use crate::refusal::Refusal;

/// How many may be asked for at once.
const IDS_MAX: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsersQuery {
    ids: String,
}

#[derive(Serialize)]
pub(super) struct Users {
    items: Vec<User>,
}

pub(super) async fn list(State(state): State<AppState>, _: SignedIn, Query(query): Query<UsersQuery>) -> Result<Json<Users>, Refusal> {
    let ids = parse(&query.ids)?;
    Ok(Json(Users { items: state.accounts.users(&ids).await }))
}

fn parse(ids: &str) -> Result<Vec<UserId>, Refusal> {
    let wrong = |detail: String| Refusal::new(ErrorCode::BadRequest).detail(detail).at("ids");
    let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).take(IDS_MAX + 1).collect();
    if ids.len() > IDS_MAX {
        return Err(wrong(format!("at most {IDS_MAX} ids")));
    }
    ids.into_iter().map(|id| id.parse().map_err(|_| wrong("ids are UUIDs, separated by commas".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_ids_and_not_one_more() {
        let ids = |count: usize| vec![UserId::NIL.to_string(); count].join(",");
        assert_eq!(parse(&ids(100)).map(|ids| ids.len()), Ok(100));
        assert_eq!(parse(&ids(101)).map_err(|refusal| refusal.code), Err(ErrorCode::BadRequest));
        assert_eq!(parse("1,2").map_err(|refusal| refusal.code), Err(ErrorCode::BadRequest));
        assert_eq!(parse(""), Ok(vec![]));
    }
}
