//! One connection, from the socket to the end of its session.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use electrumx_protocol::{Node, PeerInfo, Service as Electrum, Transport, serve};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::entrance::Entrance;
use super::{proxy, tcp, ws};

/// What carries a session's lines.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An accepted connection.
pub(super) enum Arrival {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// What a connection needs to become a session.
pub(super) struct Visit<N> {
    pub(super) entrance: Arc<Entrance>,
    pub(super) electrum: Arc<Electrum<N>>,
    pub(super) transport: Transport,
    pub(super) stop: CancellationToken,
}

impl<N: Node> Visit<N> {
    /// Takes the steps to a session and serves it to its end.
    pub(super) async fn begin(self, arrival: Arrival) {
        let addr = match &arrival {
            Arrival::Tcp(_, addr) => Some(*addr),
            Arrival::Unix(_) => None,
        };
        if self.entrance.gate.is_full() {
            tracing::debug!("{}: refused, MAX_SESSIONS are connected", self.shown(addr));
            return;
        }
        let (stream, addr) = match arrival {
            Arrival::Unix(stream) => (Box::new(stream) as Box<dyn Stream>, None),
            Arrival::Tcp(stream, addr) => {
                if let Err(err) = tcp::tune(&stream) {
                    tracing::debug!("{}: {err}", self.shown(Some(addr)));
                }
                match self.come_in(stream, addr).await {
                    Ok((stream, addr)) => (stream, Some(addr)),
                    Err(err) => {
                        let transport = self.transport;
                        tracing::debug!("{}: no {transport:?}: {err:#}", self.shown(Some(addr)));
                        return;
                    }
                }
            }
        };
        self.converse(stream, addr).await;
    }

    async fn come_in(
        &self,
        mut stream: TcpStream,
        mut addr: SocketAddr,
    ) -> anyhow::Result<(Box<dyn Stream>, SocketAddr)> {
        let from = addr.ip().to_canonical();
        let proxied = self.entrance.proxies.iter().any(|net| net.contains(&from));
        if !proxied && self.transport == Transport::Tcp {
            return Ok((Box::new(stream), addr));
        }
        let handshake = self.entrance.gate.handshake();
        let steps = async {
            if proxied {
                addr = proxy::read_header(&mut stream).await?.unwrap_or(addr);
            }
            let stream: Box<dyn Stream> = match self.transport {
                Transport::Tls => Box::new(self.encrypt(stream).await?),
                Transport::Ws => Box::new(self.upgrade(stream).await?),
                Transport::Wss => Box::new(self.upgrade(self.encrypt(stream).await?).await?),
                Transport::Tcp | Transport::Unix | Transport::Memory => Box::new(stream),
            };
            Ok((stream, addr))
        };
        // The steps need far more memory than the session after them.
        handshake.take(Box::pin(steps)).await
    }

    async fn encrypt(
        &self,
        stream: TcpStream,
    ) -> anyhow::Result<tokio_rustls::server::TlsStream<TcpStream>> {
        let tls = self.entrance.tls.as_ref().context("there is no certificate; this is a bug")?;
        Ok(tls.accept(stream).await?)
    }

    async fn upgrade<S: Stream>(&self, stream: S) -> anyhow::Result<ws::Messages<S>> {
        ws::Messages::accept(stream, self.entrance.max_message, self.stop.clone()).await
    }

    async fn converse(self, stream: Box<dyn Stream>, addr: Option<SocketAddr>) {
        let shown = self.shown(addr);
        let Some(place) = self.entrance.gate.place() else {
            tracing::debug!("{shown}: refused, MAX_SESSIONS are connected");
            return;
        };
        let peer = PeerInfo { addr, transport: self.transport };
        let reason = serve(self.electrum, stream, peer, self.stop).await;
        drop(place);
        tracing::debug!("session of {shown} ended: {reason}");
    }

    /// How a client is named in the log.
    fn shown(&self, addr: Option<SocketAddr>) -> String {
        match addr {
            Some(addr) if !self.entrance.anonymous => addr.to_string(),
            Some(_) => "a client".into(),
            None => "a client on the Unix socket".into(),
        }
    }
}
