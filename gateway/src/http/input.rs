//! What a request brings, read strictly: unknown fields, trailing data and wrong types are problems that name the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use parley_proto::ErrorCode;
use serde::de::DeserializeOwned;

use super::problem::with_status;
use crate::refusal::Refusal;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// A JSON body, or none at all.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub(super) Option<T>);

/// The query string.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// The id in the path. One that is none can't be anything's id: missing.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if !is_json(request.headers()) {
            return Err(with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, bad("send application/json")));
        }
        let bytes = read(request, state).await?;
        parse(&bytes).map(Self).map_err(IntoResponse::into_response)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let json = is_json(request.headers());
        let bytes = read(request, state).await?;
        match (bytes.is_empty(), json) {
            (true, _) => Ok(Self(None)),
            (false, true) => parse(&bytes).map(Some).map(Self).map_err(IntoResponse::into_response),
            (false, false) => Err(with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, bad("send application/json"))),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => Err(bad(error.body_text())),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(id) = Path::<T>::from_request_parts(parts, state).await.map_err(|_| Refusal::not_found())?;
        Ok(Self(id))
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Response> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let refusal = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Refusal::new(ErrorCode::TooLarge) } else { bad("the body could not be read") };
        refusal.into_response()
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let refusal = bad(error.inner().to_string());
        if path == "." { refusal } else { refusal.at(&path) }
    })?;
    json.end().map_err(|error| bad(error.to_string()))?;
    Ok(value)
}

fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadRequest).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        count: Option<u32>,
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        assert_eq!(parse::<Sample>(br#"{"name":"x"}"#), Ok(Sample { name: "x".into(), count: None }));
        let path = |text: &str| parse::<Sample>(text.as_bytes()).map_err(|refusal| (refusal.code, refusal.path)).unwrap_err();
        assert_eq!(path(r#"{"name":1}"#), (ErrorCode::BadRequest, Some("name".into())));
        assert_eq!(path(r#"{"name":"x","count":-1}"#), (ErrorCode::BadRequest, Some("count".into())));
        assert_eq!(path(r#"{"name":"x","admin":true}"#), (ErrorCode::BadRequest, Some("admin".into())));
    }

    #[test]
    fn strange_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in ["", "null", "[]", r#"{"name":"x"} trailing"#, r#"{"name":"x","name":"y"}"#, "{\"name\":\"\u{0}\"}", r#"{"name":"\ud800"}"#, &deep] {
            assert!(parse::<Sample>(text.as_bytes()).is_err(), "{text:.40}");
        }
        assert!(parse::<Sample>(b"{\"name\":\"\xFF\"}").is_err());
    }
}
