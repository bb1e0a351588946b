//! `blockchain.scripthash.*`.

use std::sync::atomic::Ordering::Relaxed;

use electrumx_core::HashX;
use electrumx_core::history::ConfirmedTx;
use electrumx_core::mempool::UnconfirmedTx;

use super::read;
use crate::error::RpcError;
use crate::json;
use crate::node::Node;
use crate::params::Params;
use crate::script::{ScriptMempool, Utxo};
use crate::session::{Session, Subscription};

fn hashx<N: Node>(session: &Session<N>, params: Params<'_>) -> Result<HashX, RpcError> {
    let ([scripthash], []) = params.read(["scripthash"], [])?;
    let (scripthash, _) = scripthash.scripthash()?;
    Ok(session.service.reader.key().hashx(&scripthash))
}

/// `blockchain.scripthash.get_balance(scripthash)`.
pub(super) async fn balance<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = hashx(session, params)?;
    read(session, out, move |reader, out| {
        let balance = reader.balance(&hashx)?;
        out.extend_from_slice(b"{\"confirmed\":");
        json::integer(out, balance.confirmed);
        out.extend_from_slice(b",\"unconfirmed\":");
        json::integer(out, balance.unconfirmed);
        out.push(b'}');
        Ok(())
    })
    .await
}

/// `blockchain.scripthash.get_history(scripthash)`.
pub(super) async fn history<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = hashx(session, params)?;
    read(session, out, move |reader, out| {
        enum Entry {
            Confirmed(ConfirmedTx),
            Unconfirmed(UnconfirmedTx),
        }
        let history = reader.history(&hashx)?;
        let confirmed = history.confirmed.into_iter().map(Entry::Confirmed);
        let entries = confirmed.chain(history.unconfirmed.into_iter().map(Entry::Unconfirmed));
        json::array(out, entries, |out, entry| match entry {
            Entry::Confirmed(tx) => {
                out.extend_from_slice(b"{\"height\":");
                json::integer(out, tx.height);
                out.extend_from_slice(b",\"tx_hash\":");
                json::txid(out, &tx.txid);
                out.push(b'}');
            }
            Entry::Unconfirmed(tx) => unconfirmed(out, tx),
        });
        Ok(())
    })
    .await
}

/// `blockchain.scripthash.get_mempool(scripthash)`.
pub(super) async fn mempool<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = hashx(session, params)?;
    read(session, out, move |reader, out| {
        let snapshot =
            reader.snapshot(|mempool, view| ScriptMempool::collect(mempool, view, &hashx))?;
        json::array(out, snapshot.unconfirmed.txs, unconfirmed);
        Ok(())
    })
    .await
}

fn unconfirmed(out: &mut Vec<u8>, tx: UnconfirmedTx) {
    out.extend_from_slice(b"{\"fee\":");
    json::integer(out, tx.fee);
    out.extend_from_slice(b",\"height\":");
    json::integer(out, tx.height);
    out.extend_from_slice(b",\"tx_hash\":");
    json::txid(out, &tx.txid);
    out.push(b'}');
}

/// `blockchain.scripthash.listunspent(scripthash)`.
pub(super) async fn utxos<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = hashx(session, params)?;
    read(session, out, move |reader, out| {
        json::array(out, reader.utxos(&hashx)?, |out, utxo: Utxo| {
            out.extend_from_slice(b"{\"height\":");
            json::integer(out, utxo.height);
            out.extend_from_slice(b",\"tx_hash\":");
            json::txid(out, &utxo.outpoint.txid);
            out.extend_from_slice(b",\"tx_pos\":");
            json::integer(out, utxo.outpoint.vout);
            out.extend_from_slice(b",\"value\":");
            json::integer(out, utxo.value);
            out.push(b'}');
        });
        Ok(())
    })
    .await
}

/// `blockchain.scripthash.subscribe(scripthash)`. The order of steps matters: see [`Session`].
pub(super) async fn subscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([scripthash], []) = params.read(["scripthash"], [])?;
    let (scripthash, spelled) = scripthash.scripthash()?;
    let hashx = session.service.reader.key().hashx(&scripthash);
    let is_new = !session.scripts.contains_key(&hashx);
    let max = session.service.config.limits.max_subscriptions;
    if is_new && session.scripts.len() >= max {
        let text = format!("more than {} subscriptions", json::grouped(max as u64));
        return Err(RpcError::Excessive(text));
    }
    session.service.hub.subscribe(hashx, &session.member);
    let status = session
        .service
        .reader
        .run(move |reader| {
            let snapshot =
                reader.snapshot(|mempool, view| ScriptMempool::collect(mempool, view, &hashx))?;
            let status = reader.status(&*snapshot.view, &hashx, &snapshot.unconfirmed.txs)?;
            Ok((snapshot.stamp, status))
        })
        .await;
    let (stamp, status) = match status {
        Ok(status) => status,
        Err(error) => {
            if is_new {
                session.service.hub.unsubscribe(&hashx, session.member.id);
            }
            return Err(error);
        }
    };
    session.scripts.insert(hashx, Subscription { spelled: spelled.into(), status, stamp });
    session.member.stats.subscriptions.store(session.scripts.len(), Relaxed);
    json::status(out, status.as_ref());
    Ok(())
}

/// `blockchain.scripthash.unsubscribe(scripthash)`.
pub(super) fn unsubscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = hashx(session, params)?;
    let was_subscribed = session.scripts.remove(&hashx).is_some();
    session.service.hub.unsubscribe(&hashx, session.member.id);
    session.member.stats.subscriptions.store(session.scripts.len(), Relaxed);
    json::integer(out, was_subscribed);
    Ok(())
}
