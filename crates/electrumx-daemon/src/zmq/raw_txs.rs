//! What the node publishes as `rawtx`.

use std::io;

use tokio::time::sleep;

use super::endpoint::Endpoint;
use super::event::Topic;
use super::feed::{LONGEST_PAUSE, subscribe};
use super::recent::RecentTxs;
use crate::backoff::Backoff;

/// Keeps what is published there. It never ends: the events do without it, and tell when the node is gone.
///
/// The connection is another one than that of the events, even to the same place: when a block is connected all its
/// transactions are published again, and the node drops what waits behind too many messages of one connection.
pub(super) async fn keep(endpoint: &Endpoint, recent: &RecentTxs) -> (Endpoint, io::Result<()>) {
    let mut backoff = Backoff::up_to(LONGEST_PAUSE);
    loop {
        let error = match subscribe(endpoint, &[Topic::RawTx]).await {
            Ok(mut subscriber) => loop {
                match subscriber.message().await {
                    Ok([name, raw, _]) if name == Topic::RawTx.name().as_bytes() => recent.put(raw),
                    Ok(_) => {} // A subscription is to all names that begin so.
                    Err(error) => break error,
                }
                backoff.reset();
            },
            Err(error) => error,
        };
        tracing::debug!("the node's rawtx at {endpoint}: {error}");
        sleep(backoff.pause()).await;
    }
}
