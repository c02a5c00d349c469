//! Who is at the other end of a connection.

use std::{io, net::SocketAddr};

use crate::wire::{Wire, WireStream};
use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};

/// The other end.
#[derive(Debug, Clone)]
pub struct Peer {
    pub addr: SocketAddr,
    pub wire: Wire,
}

impl<L: Listener<Addr = SocketAddr>> Connected<IncomingStream<'_, Wired<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Wired<L>>) -> Self {
        Self { addr: *stream.remote_addr(), wire: stream.io().0.clone() }
    }
}

/// A listener whose connections can be written to from elsewhere.
#[derive(Debug)]
pub struct Wired<L>(pub L);

impl<L: Listener> Listener for Wired<L> {
    type Io = WireStream;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = self.0.accept().await;
        (WireStream(Wire::new(stream)), addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
