//! Accepts clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use electrumx_protocol::{PeerInfo, Service, Transport, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::node::ServerNode;

/// Wait after a failed accept, mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Longest wait for sessions to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves Electrum clients on a listener until cancelled, then waits for their sessions to end.
pub(crate) async fn serve_tcp(
    listener: TcpListener,
    service: Arc<Service<ServerNode>>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, addr)) => {
                    // Over the limit the connection is closed at once: a queue would only grow.
                    if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                        let (service, stop) = (Arc::clone(&service), stop.clone());
                        sessions.spawn(async move {
                            serve_one(service, stream, addr, stop).await;
                            drop(slot);
                        });
                    } else {
                        tracing::debug!("refused {addr}: MAX_SESSIONS are connected");
                    }
                }
                Err(err) => {
                    tracing::warn!("cannot accept a connection: {err}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some sessions did not end in {DRAIN:?} and are cut off");
    }
}

async fn serve_one(
    service: Arc<Service<ServerNode>>,
    stream: TcpStream,
    addr: SocketAddr,
    stop: CancellationToken,
) {
    // Answers are small and awaited; without this they wait for the client's acknowledgement.
    if let Err(err) = stream.set_nodelay(true) {
        tracing::debug!("{addr}: TCP_NODELAY: {err}");
    }
    let peer = PeerInfo { addr: Some(addr), transport: Transport::Tcp };
    let reason = serve(service, stream, peer, stop).await;
    tracing::debug!("session of {addr} ended: {reason}");
}
