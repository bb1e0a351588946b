//! One socket and its accept loop.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use electrumx_protocol::{Node, Service as Electrum, Transport};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::entrance::Entrance;
use super::unix::UnixSocket;
use super::visit::{Arrival, Visit};
use crate::bind::bind;
use crate::env::{Protocol, Service};

/// Wait after a failed accept, mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Longest wait for sessions to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// An open socket.
#[derive(Debug)]
pub(crate) struct Door {
    transport: Transport,
    socket: Socket,
    /// As in `SERVICES`.
    name: String,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

impl Door {
    /// Opens the sockets of a service: several if its name has several addresses.
    pub(super) async fn tcp(service: &Service) -> anyhow::Result<Vec<Self>> {
        let transport = match service.protocol {
            Protocol::Tcp | Protocol::Rpc => Transport::Tcp,
            Protocol::Ssl => Transport::Tls,
            Protocol::Ws => Transport::Ws,
            Protocol::Wss => Transport::Wss,
        };
        let mut doors = Vec::new();
        for listener in bind(service).await? {
            let name = format!("{}://{}", service.protocol.name(), listener.local_addr()?);
            doors.push(Self { transport, socket: Socket::Tcp(listener), name });
        }
        Ok(doors)
    }

    /// Opens a Unix socket.
    pub(super) fn unix(path: &Path) -> anyhow::Result<Self> {
        let socket = Socket::Unix(UnixSocket::bind(path)?);
        Ok(Self { transport: Transport::Unix, socket, name: format!("unix://{}", path.display()) })
    }

    /// Serves clients until cancelled, then waits for their sessions to end.
    pub(super) async fn serve<N: Node>(
        self,
        entrance: Arc<Entrance>,
        electrum: Arc<Electrum<N>>,
        stop: CancellationToken,
    ) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
                arrival = self.accept() => match arrival {
                    Ok(arrival) => {
                        let visit = Visit {
                            entrance: Arc::clone(&entrance),
                            electrum: Arc::clone(&electrum),
                            transport: self.transport,
                            stop: stop.clone(),
                        };
                        sessions.spawn(visit.begin(arrival));
                    }
                    Err(err) => {
                        tracing::warn!("{self}: cannot accept a connection: {err}");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                },
            }
        }
        let name = self.to_string();
        drop(self);
        let drained = async { while sessions.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some sessions of {name} did not end in {DRAIN:?} and are cut off");
        }
    }

    async fn accept(&self) -> std::io::Result<Arrival> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, addr) = listener.accept().await?;
                Ok(Arrival::Tcp(stream, addr))
            }
            Socket::Unix(socket) => Ok(Arrival::Unix(socket.accept().await?)),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
