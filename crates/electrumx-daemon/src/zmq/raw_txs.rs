//! What the node publishes as `rawtx`.

use std::io;

use bitcoin::{OutPoint, Txid};
use electrumx_core::coin::{BlockVisitor, Coin, HeaderFacts, TxFacts};
use tokio::time::{sleep, timeout};

use super::endpoint::Endpoint;
use super::event::Topic;
use super::feed::{CONNECT, RETRY, subscribe};
use super::recent::RecentTxs;

/// Keeps what is published there. It never ends: the events do without it, and tell when the node is gone.
///
/// The connection is another one than that of the events, even to the same place: when a block is connected all its
/// transactions are published again, and the node drops what waits behind too many messages of one connection.
pub(super) async fn keep<C: Coin>(
    coin: &C,
    endpoint: &Endpoint,
    recent: &RecentTxs,
) -> (Endpoint, io::Result<()>) {
    let mut pause = RETRY.0;
    loop {
        let error = match timeout(CONNECT, subscribe(endpoint, &[Topic::RawTx])).await {
            Ok(Ok(mut subscriber)) => loop {
                match subscriber.message().await {
                    Ok(message) => keep_one(coin, message, recent),
                    Err(error) => break error,
                }
                pause = RETRY.0;
            },
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        tracing::debug!("the node's rawtx at {endpoint}: {error}");
        sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// Keeps a transaction; what is none is passed over.
fn keep_one<C: Coin>(coin: &C, message: Vec<Vec<u8>>, recent: &RecentTxs) {
    // Topic, body, and a counter of the topic.
    let Ok([name, raw, _]) = <[Vec<u8>; 3]>::try_from(message) else { return };
    let mut txid = TxidOf(None);
    if name == Topic::RawTx.name().as_bytes()
        && coin.visit_tx(&raw, &mut txid).is_ok()
        && let TxidOf(Some(txid)) = txid
    {
        recent.put(txid, raw);
    }
}

/// Takes a transaction's id and nothing else.
struct TxidOf(Option<Txid>);

impl BlockVisitor for TxidOf {
    fn header(&mut self, _: HeaderFacts<'_>) {}
    fn input(&mut self, _: OutPoint) {}
    fn output(&mut self, _: u32, _: u64, _: &[u8]) {}
    fn tx(&mut self, tx: TxFacts) {
        self.0 = Some(tx.txid);
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use bitcoin::consensus::encode::serialize;
    use bitcoin::constants::genesis_block;
    use electrumx_core::coin::Bitcoin;

    use super::*;

    #[tokio::test]
    async fn transactions_are_kept_and_nothing_else() {
        let coin = Bitcoin::new(electrumx_core::coin::Network::Regtest);
        let tx = &genesis_block(Network::Regtest).txdata[0];
        let (txid, raw) = (tx.compute_txid(), serialize(tx));
        let recent = RecentTxs::default();
        let message = |name: &str, raw: &[u8]| vec![name.into(), raw.to_vec(), vec![0; 4]];
        for other in [
            message("hashtx", &raw),
            message("rawtx2", &raw),
            message("rawtx", &raw[1..]),
            message("rawtx", &[]),
            vec![b"rawtx".to_vec(), raw.clone()],
        ] {
            keep_one(&coin, other, &recent);
            assert_eq!(recent.take(&[txid]).await, [None]);
        }
        keep_one(&coin, message("rawtx", &raw), &recent);
        assert_eq!(recent.take(&[txid]).await, [Some(raw)]);
    }
}
