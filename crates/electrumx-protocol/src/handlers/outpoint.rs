//! `blockchain.outpoint.*` (protocol 1.7).

use electrumx_core::ScriptHash;
use electrumx_core::bitcoin::OutPoint;
use electrumx_core::block;

use super::subscription;
use crate::error::RpcError;
use crate::hub::Posted;
use crate::node::Node;
use crate::outpoint::OutputFacts;
use crate::params::{Arg, Params};
use crate::session::{OutpointSubscription, Session};

/// An outpoint as a client names it.
struct Named {
    outpoint: OutPoint,
    spelled: Box<str>,
    index: u64,
    cannot_be_spent: bool,
    /// The script the client says the output has.
    hint: ScriptHash,
}

fn outpoint(tx_hash: Arg<'_>, txout_idx: Arg<'_>) -> Result<(OutPoint, u64), RpcError> {
    let txid = tx_hash.txid()?;
    let index = txout_idx.integer()?;
    // No transaction has so many outputs: it is unknown, and stays so.
    let vout = u32::try_from(index).unwrap_or(u32::MAX);
    Ok((OutPoint { txid, vout }, index))
}

fn named(params: Params<'_>) -> Result<Named, RpcError> {
    let ([tx_hash, txout_idx, spk_hint], []) =
        params.read(["tx_hash", "txout_idx", "spk_hint"], [])?;
    let (outpoint, index) = outpoint(tx_hash, txout_idx)?;
    let script = spk_hint.bytes()?;
    let cannot_be_spent = !block::is_indexed(&script);
    let spelled = tx_hash.text().unwrap_or_default().into();
    let hint = ScriptHash::of_script(&script);
    Ok(Named { outpoint, spelled, index, cannot_be_spent, hint })
}

async fn facts<N: Node>(
    session: &Session<N>,
    outpoint: OutPoint,
    hint: ScriptHash,
) -> Result<Posted<OutputFacts>, RpcError> {
    let hint = session.service.reader.key().hashx(&hint);
    let read = session.service.reader.read(move |reader, effort| {
        let snapshot = reader.snapshot(effort, |mempool, view| {
            OutputFacts::read(mempool, view, &outpoint, Some(&hint))
        })?;
        Ok(Posted { stamp: snapshot.stamp, state: snapshot.unconfirmed })
    });
    read.await
}

/// `blockchain.outpoint.get_status(tx_hash, txout_idx, spk_hint)`.
pub(super) async fn status<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let Named { outpoint, cannot_be_spent, hint, .. } = named(params)?;
    let facts = facts(session, outpoint, hint).await?;
    facts.state.status(cannot_be_spent).write(out);
    Ok(())
}

/// `blockchain.outpoint.subscribe(tx_hash, txout_idx, spk_hint)`.
pub(super) async fn subscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let Named { outpoint, spelled, index, cannot_be_spent, hint } = named(params)?;
    let is_new = !session.outpoints.contains_key(&outpoint);
    let begun = subscription::begin(session, &session.service.hub.outpoints, outpoint, is_new)?;
    let facts = begun.with(facts(session, outpoint, hint).await)?;
    let told = Posted { stamp: facts.stamp, state: facts.state.status(cannot_be_spent) };
    let subscription = OutpointSubscription { spelled, index, cannot_be_spent, told };
    session.outpoints.insert(outpoint, subscription);
    session.count_subscriptions();
    told.state.write(out);
    Ok(())
}

/// `blockchain.outpoint.unsubscribe(tx_hash, txout_idx)`.
pub(super) fn unsubscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash, txout_idx], []) = params.read(["tx_hash", "txout_idx"], [])?;
    let (outpoint, _) = outpoint(tx_hash, txout_idx)?;
    let was_subscribed = session.outpoints.remove(&outpoint).is_some();
    subscription::end(session, &session.service.hub.outpoints, outpoint, was_subscribed, out);
    Ok(())
}
