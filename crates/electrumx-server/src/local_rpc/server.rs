//! Sockets and lines.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::json_rpc::{RpcError, respond};
use super::methods;
use super::state::State;

/// Longest request, in bytes. The longest sensible one is a list of sessions to disconnect.
const MAX_LINE: u64 = 1 << 20;

/// Most connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 64;

/// Longest time that a client may take to accept an answer.
const WRITE: Duration = Duration::from_secs(20);

/// Longest wait for connections at shutdown.
const CLOSE: Duration = Duration::from_secs(1);

/// Wait after a failed accept: it fails when there are too many open files, for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on these sockets until `stop` is cancelled; then the requests at hand are finished.
pub async fn serve(listeners: Vec<TcpListener>, state: Arc<dyn State>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    for listener in listeners {
        tasks.spawn(accept(
            listener,
            Arc::clone(&state),
            tasks.clone(),
            Arc::clone(&slots),
            stop.clone(),
        ));
    }
    stop.cancelled().await;
    tasks.close();
    let _ = tokio::time::timeout(CLOSE, tasks.wait()).await;
}

async fn accept(
    listener: TcpListener,
    state: Arc<dyn State>,
    tasks: TaskTracker,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
) {
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = next => next,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (state, stop) = (Arc::clone(&state), stop.clone());
                tasks.spawn(async move {
                    if let Err(error) = converse(socket, state, stop).await {
                        tracing::debug!("LocalRPC with {peer}: {error}");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!("LocalRPC cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one client, request by request.
async fn converse(
    mut socket: TcpStream,
    state: Arc<dyn State>,
    stop: CancellationToken,
) -> io::Result<()> {
    let (reader, mut writer) = socket.split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(MAX_LINE);
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            read = limited.read_until(b'\n', &mut line) => read?,
        };
        if line.is_empty() {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) && line.ends_with(b"\n") {
            continue;
        }
        let (answer, go_on) = if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            let error = RpcError::invalid_request(format!("the request exceeds {MAX_LINE} bytes"));
            (Some(error.answer(&Value::Null)), false)
        } else {
            answer(&*state, &line)
        };
        if let Some(answer) = answer {
            let mut text = answer.to_string();
            text.push('\n');
            tokio::time::timeout(WRITE, writer.write_all(text.as_bytes())).await??;
        }
        if !go_on {
            return writer.shutdown().await;
        }
    }
}

/// Returns the answer to a line, and whether to read on.
///
/// After what is no JSON the connection is closed: a web page can make a browser send HTTP here, and orders
/// in its body would otherwise follow the headers as lines of their own.
fn answer(state: &dyn State, line: &[u8]) -> (Option<Value>, bool) {
    match serde_json::from_slice(line) {
        Ok(message) => {
            (respond(&message, &|method, params| methods::call(state, method, params)), true)
        }
        Err(error) => {
            (Some(RpcError::parse(format!("not JSON: {error}")).answer(&Value::Null)), false)
        }
    }
}
