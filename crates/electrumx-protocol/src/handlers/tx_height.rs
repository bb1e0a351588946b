//! Beyond the protocol: where a transaction is, and subscriptions to that.

use super::{read, subscription};
use crate::error::RpcError;
use crate::node::Node;
use crate::params::Params;
use crate::session::{Session, TxSubscription};
use crate::tx_height;

/// `blockchain.transaction.get_height(tx_hash)`: 0 in the mempool, also where histories have −1.
pub(super) async fn get<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash], []) = params.read(["tx_hash"], [])?;
    let txid = tx_hash.txid()?;
    read(session, out, move |reader, effort, out| {
        tx_height::write(out, reader.tx_height(effort, &txid)?.state);
        Ok(())
    })
    .await
}

/// `blockchain.transaction.subscribe(tx_hash)`.
pub(super) async fn subscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash], []) = params.read(["tx_hash"], [])?;
    let txid = tx_hash.txid()?;
    let spelled = tx_hash.text().unwrap_or_default().into();
    let is_new = !session.txs.contains_key(&txid);
    let service = &session.service;
    let begun = subscription::begin(session, &service.hub.txs, txid, is_new)?;
    let height = service.reader.read(move |reader, effort| reader.tx_height(effort, &txid));
    let told = begun.with(height.await)?;
    session.txs.insert(txid, TxSubscription { spelled, told });
    session.count_subscriptions();
    tx_height::write(out, told.state);
    Ok(())
}

/// `blockchain.transaction.unsubscribe(tx_hash)`.
pub(super) fn unsubscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash], []) = params.read(["tx_hash"], [])?;
    let txid = tx_hash.txid()?;
    let was_subscribed = session.txs.remove(&txid).is_some();
    subscription::end(session, &session.service.hub.txs, txid, was_subscribed, out);
    Ok(())
}
