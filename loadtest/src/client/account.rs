//! A person over REST, from an address of their own: rights and sessions are changed here, messages are not sent here.

use std::{net::IpAddr, time::Duration};

use parley_proto::{RoomId, UserId};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{ANSWER_DEADLINE, ClientError, Credentials, Socket};

/// A person who is signed in.
#[derive(Debug, Clone)]
pub struct Account {
    pub user: UserId,
    pub(super) url: String,
    access_token: String,
    http: reqwest::Client,
    from: Option<IpAddr>,
}

#[derive(Deserialize)]
struct Session {
    access_token: String,
    user: Me,
}

#[derive(Deserialize)]
struct Me {
    id: UserId,
}

#[derive(Deserialize)]
struct Room {
    id: RoomId,
}

#[derive(Deserialize)]
struct Rooms {
    items: Vec<Room>,
}

/// For somebody whose connections come from `from`, if that is given.
pub fn http(from: Option<IpAddr>) -> reqwest::Result<reqwest::Client> {
    let idle = Duration::from_secs(5);
    reqwest::Client::builder().no_proxy().local_address(from).timeout(ANSWER_DEADLINE).pool_idle_timeout(idle).pool_max_idle_per_host(1).build()
}

impl Account {
    /// Signs in; `http` may be shared by many.
    pub async fn sign_in(http: reqwest::Client, url: &str, credentials: &Credentials) -> Result<Self, ClientError> {
        Self::session(http, url, "sign-in", credentials).await
    }

    /// Makes the account. Sockets will be opened from `from`.
    pub async fn sign_up(http: reqwest::Client, url: &str, credentials: &Credentials, from: Option<IpAddr>) -> Result<Self, ClientError> {
        Ok(Self { from, ..Self::session(http, url, "sign-up", credentials).await? })
    }

    /// Signs in. Sockets will be opened from `from`.
    pub async fn sign_in_from(http: reqwest::Client, url: &str, credentials: &Credentials, from: IpAddr) -> Result<Self, ClientError> {
        Ok(Self { from: Some(from), ..Self::session(http, url, "sign-in", credentials).await? })
    }

    async fn session(http: reqwest::Client, url: &str, how: &'static str, credentials: &Credentials) -> Result<Self, ClientError> {
        let Credentials { user_name, password } = credentials;
        let body = json!({"user_name": user_name, "password": password, "session": "token"});
        let answer = http.post(format!("{url}/api/v1/auth/{how}")).json(&body).send().await?;
        let Session { access_token, user } = accepted(how, answer).await?;
        Ok(Self { user: user.id, url: url.to_owned(), access_token, http, from: None })
    }

    /// A new session of the same person.
    pub async fn sign_in_again(&self, credentials: &Credentials) -> Result<Self, ClientError> {
        Ok(Self { from: self.from, ..Self::sign_in(self.http.clone(), &self.url, credentials).await? })
    }

    /// Ends the session.
    pub async fn sign_out(&self) -> Result<(), ClientError> {
        self.post("sign-out", "/auth/sign-out", &Value::Null).await.map(drop)
    }

    /// The rooms that this person is a member of, most active first.
    pub async fn rooms(&self) -> Result<Vec<RoomId>, ClientError> {
        let answer = self.http.get(format!("{}/api/v1/rooms?limit=100", self.url)).bearer_auth(&self.access_token).send().await?;
        let rooms: Rooms = accepted("rooms", answer).await?;
        Ok(rooms.items.into_iter().map(|room| room.id).collect())
    }

    /// A public room with this name.
    pub async fn create_room(&self, name: &str) -> Result<RoomId, ClientError> {
        let answer = self.post("rooms", "/rooms", &json!({"name": name, "visibility": "public"})).await?;
        Ok(accepted::<Room>("rooms", answer).await?.id)
    }

    /// Becomes a member.
    pub async fn join(&self, room: RoomId) -> Result<(), ClientError> {
        self.post("join", &format!("/rooms/{room}/join"), &Value::Null).await.map(drop)
    }

    /// Is no member any more.
    pub async fn leave(&self, room: RoomId) -> Result<(), ClientError> {
        self.post("leave", &format!("/rooms/{room}/leave"), &Value::Null).await.map(drop)
    }

    async fn post(&self, what: &'static str, path: &str, body: &Value) -> Result<reqwest::Response, ClientError> {
        let mut request = self.http.post(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.access_token);
        if !body.is_null() {
            request = request.json(body);
        }
        success(what, request.send().await?).await
    }

    /// A socket at `url`: NGINX, or one gateway. Nothing is said on it yet.
    pub async fn socket(&self, url: &str) -> Result<Socket, ClientError> {
        Socket::open(url, &self.access_token, self.from).await
    }
}

async fn success(what: &'static str, answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    Err(ClientError::Refused { path: what, status: status.as_u16(), problem: answer.json().await.unwrap_or_default() })
}

/// What was asked for, unless it was refused.
async fn accepted<T: DeserializeOwned>(what: &'static str, answer: reqwest::Response) -> Result<T, ClientError> {
    Ok(success(what, answer).await?.json().await?)
}
