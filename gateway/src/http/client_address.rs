//! Where a request comes from, as an extractor.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};

use super::state::AppState;
use crate::{limits::address::AddressBlock, peer::Peer};

/// The header in which a proxy says whose request it hands on.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address, as far as it can be believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientAddress(pub(super) AddressBlock);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.addr.ip());
        let named = parts.headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(state.config.trusted_proxies.client(peer, named)))
    }
}
