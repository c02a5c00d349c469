//! One WebSocket that speaks our frames. Knows nothing of rooms and cursors.

use std::net::{IpAddr, SocketAddr};

use futures::{SinkExt, StreamExt};
use parley_proto::wire::{ClientFrame, SUBPROTOCOL, ServerFrame};
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{ANSWER_DEADLINE, ClientError};

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// The upgrade, over a connection that comes from `from`.
    pub(super) async fn open(url: &str, access_token: &str, from: Option<IpAddr>) -> Result<Self, ClientError> {
        let opening = async {
            let mut request = format!("{}/api/v1/socket", url.replacen("http", "ws", 1)).into_client_request().map_err(Box::new)?;
            let bearer = HeaderValue::try_from(format!("Bearer {access_token}"))
                .map_err(|error| Box::new(tungstenite::Error::from(tungstenite::http::Error::from(error))))?;
            request.headers_mut().insert("authorization", bearer);
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
            let stream = connect(url, from).await.map_err(|error| Box::new(tungstenite::Error::Io(error)))?;
            Ok(Self { stream: tokio_tungstenite::client_async(request, stream).await.map_err(Box::new)?.0 })
        };
        timeout(ANSWER_DEADLINE, opening).await.unwrap_or(Err(ClientError::Silent))
    }

    /// Hands a frame to the network.
    pub async fn write(&mut self, frame: &ClientFrame) -> Result<(), ClientError> {
        let text = serde_json::to_string(frame)?;
        let written = timeout(ANSWER_DEADLINE, self.stream.send(Message::Text(text.into()))).await;
        Ok(written.map_err(|_| ClientError::Silent)?.map_err(Box::new)?)
    }

    /// The next frame, whenever it comes. May be dropped while it waits: nothing is lost.
    pub async fn read(&mut self) -> Result<ServerFrame, ClientError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(close))) => return Err(ClientError::Closed(close.map(|close| close.code.into()))),
                None => return Err(ClientError::Closed(None)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Box::new(error).into()),
            }
        }
    }
}

async fn connect(url: &str, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else {
        return TcpStream::connect(authority(url)).await;
    };
    let to = lookup_host(authority(url)).await?.find(SocketAddr::is_ipv4).ok_or_else(|| std::io::Error::other("no address"))?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(to).await
}

/// `host:port` of `http://host:port`.
fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}
