//! `blockchain.transaction.*`.

use std::collections::BTreeMap;
use std::sync::Arc;

use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{Height, TxNum};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::read;
use crate::block_tree::BlockTree;
use crate::error::RpcError;
use crate::json;
use crate::node::{Node, NodeError};
use crate::params::{Arg, Params};
use crate::reader::{Effort, Reader};
use crate::session::Session;

/// Code of the node's RPC for what does not exist (`RPC_INVALID_ADDRESS_OR_KEY`).
const NOT_FOUND: i32 = -5;
/// Code of the node's RPC for a method it does not know.
const UNKNOWN_METHOD: i32 = -32601;

/// `blockchain.transaction.broadcast(raw_tx)`.
pub(super) async fn broadcast<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([raw_tx], []) = params.read(["raw_tx"], [])?;
    let raw_tx = raw_tx.hex()?;
    let service = &session.service;
    match service.ask(service.node.broadcast(&raw_tx)).await {
        Ok(txid) => json::txid(out, &txid),
        // Electrum and Nunchuk look for this sentence, and for phrases in the node's words.
        Err(NodeError::Rpc { message, .. }) => {
            return Err(RpcError::BadRequest(format!(
                "the transaction was rejected by network rules.\n\n{message}\n[{raw_tx}]"
            )));
        }
        Err(error) => return Err(error.into()),
    }
    session.member.stats.txs_sent.add(1);
    Ok(())
}

/// The part of `submitpackage`'s answer (Core ≥ 28) that is summarised.
#[derive(Deserialize)]
struct PackageResult {
    package_msg: String,
    #[serde(rename = "tx-results", default)]
    tx_results: BTreeMap<String, TxResult>,
}

#[derive(Deserialize)]
struct TxResult {
    txid: String,
    error: Option<String>,
}

/// `blockchain.transaction.broadcast_package(raw_txs, verbose=false)`.
pub(super) async fn broadcast_package<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([raw_txs], [verbose]) = params.read(["raw_txs"], ["verbose"])?;
    let raw_txs = raw_txs.hex_list()?;
    let verbose = verbose.map_or(Ok(false), |arg| arg.boolean("verbose"))?;
    let service = &session.service;
    let answer = match service.ask(service.node.broadcast_package(&raw_txs)).await {
        Ok(answer) => answer,
        Err(NodeError::Rpc { code: UNKNOWN_METHOD, .. }) => {
            return Err(RpcError::Node("the node does not accept packages".into()));
        }
        Err(NodeError::Rpc { message, .. }) => {
            return Err(RpcError::BadRequest(format!(
                "the tx package was rejected by network rules.\n\n{message}."
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let result: PackageResult = serde_json::from_str(answer.get()).map_err(|error| {
        tracing::warn!(%error, "the node's answer to submitpackage makes no sense");
        RpcError::Internal
    })?;
    let success = result.package_msg == "success";
    if success {
        session.member.stats.txs_sent.add(raw_txs.len() as u64);
    }
    if verbose {
        json::raw(out, answer.get());
        return Ok(());
    }
    let errors = result.tx_results.into_values();
    let errors: Vec<_> = errors.filter_map(|tx| Some((tx.txid, tx.error?))).collect();
    out.extend_from_slice(b"{\"success\":");
    json::boolean(out, success);
    if !errors.is_empty() {
        out.extend_from_slice(b",\"errors\":");
        json::array(out, errors, |out, (txid, error)| {
            out.extend_from_slice(b"{\"txid\":");
            json::string(out, &txid);
            out.extend_from_slice(b",\"error\":");
            json::string(out, &error);
            out.push(b'}');
        });
    }
    out.push(b'}');
    Ok(())
}

/// The part of `testmempoolaccept`'s answer that is passed on.
#[derive(Deserialize)]
struct Accept {
    txid: String,
    wtxid: String,
    allowed: Option<bool>,
    #[serde(rename = "package-error")]
    package_error: Option<String>,
    #[serde(rename = "reject-details")]
    reject_details: Option<String>,
    #[serde(rename = "reject-reason")]
    reject_reason: Option<String>,
}

/// `blockchain.transaction.testmempoolaccept(raw_txs)`.
pub(super) async fn test_mempool_accept<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([raw_txs], []) = params.read(["raw_txs"], [])?;
    let raw_txs = raw_txs.hex_list()?;
    let service = &session.service;
    let answer = service.ask(service.node.test_mempool_accept(&raw_txs)).await?;
    let accepts: Vec<Accept> = serde_json::from_str(answer.get()).map_err(|error| {
        tracing::warn!(%error, "the node's answer to testmempoolaccept makes no sense");
        RpcError::Internal
    })?;
    json::array(out, accepts, |out, accept| {
        out.extend_from_slice(b"{\"txid\":");
        json::string(out, &accept.txid);
        out.extend_from_slice(b",\"wtxid\":");
        json::string(out, &accept.wtxid);
        if let Some(allowed) = accept.allowed {
            out.extend_from_slice(b",\"allowed\":");
            json::boolean(out, allowed);
        }
        let reason = accept.package_error.or(accept.reject_details).or(accept.reject_reason);
        if let Some(reason) = reason {
            out.extend_from_slice(b",\"reason\":");
            json::string(out, &reason);
        }
        out.push(b'}');
    });
    Ok(())
}

/// `blockchain.transaction.get(tx_hash, verbose=false)`.
///
/// The node is asked only for what the index or the mempool view holds, so an answer never runs
/// ahead of histories.
pub(super) async fn get<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash], [verbose]) = params.read(["tx_hash"], ["verbose"])?;
    let txid = tx_hash.txid()?;
    let verbose = verbose.map_or(Ok(false), |arg| arg.boolean("verbose"))?;
    if !verbose && let Some(raw) = at_once(session, &txid) {
        json::hex(out, &raw);
        return Ok(());
    }
    let mut block = locate(session, txid).await?;
    for attempt in 0.. {
        let fetched = match fetch(session, &txid, block, verbose).await {
            Err(NodeError::Rpc { code: NOT_FOUND, .. }) if attempt == 0 => None,
            fetched => Some(fetched),
        };
        match fetched {
            Some(Ok(Fetched::Raw(bytes))) => json::hex(out, &bytes),
            Some(Ok(Fetched::Verbose(json))) => json::raw(out, json.get()),
            Some(Err(NodeError::Rpc { code: NOT_FOUND, .. })) => return Err(no_such_tx()),
            Some(Err(error)) => return Err(error.into()),
            None => {
                // It was confirmed, or its block was reorganised away, while the node was asked. If
                // the index does not know yet, the node may have it back in its mempool.
                let now = locate(session, txid).await?;
                block = if now == block { None } else { now };
                continue;
            }
        }
        break;
    }
    Ok(())
}

/// Reads a confirmed transaction where the index says it is, if that is quick.
fn at_once<N: Node>(session: &Session<N>, txid: &Txid) -> Option<Vec<u8>> {
    let service = &session.service;
    let raw = service.reader.at_once(|reader| {
        let view = reader.view()?;
        let Some(number) = view.tx_num(txid)? else { return Ok(None) };
        let block = view.height_of(number).map_or(Ok(None), |height| view.block_hash(height))?;
        let place = block.zip(view.tx_position(number)?);
        drop(view);
        Ok(place.and_then(|(block, place)| service.node.raw_transaction_at(txid, &block, place)))
    });
    raw?.ok()?
}

enum Fetched {
    Raw(Vec<u8>),
    Verbose(Box<RawValue>),
}

async fn fetch<N: Node>(
    session: &Session<N>,
    txid: &Txid,
    block: Option<BlockHash>,
    verbose: bool,
) -> Result<Fetched, NodeError> {
    let service = &session.service;
    if verbose {
        let answer = service.node.raw_transaction_verbose(txid, block);
        service.ask(answer).await.map(Fetched::Verbose)
    } else {
        service.ask(service.node.raw_transaction(txid, block)).await.map(Fetched::Raw)
    }
}

/// Returns the block a transaction is in, `None` for one in the mempool.
pub(super) async fn locate<N: Node>(
    session: &Session<N>,
    txid: Txid,
) -> Result<Option<BlockHash>, RpcError> {
    let read = session.service.reader.read(move |reader, effort| {
        let snapshot = reader.snapshot(effort, |mempool, _| Ok(mempool.tx(&txid).is_some()))?;
        let view = &*snapshot.view;
        let Some(height) = view.tx_num(&txid)?.and_then(|number| view.height_of(number)) else {
            return if snapshot.unconfirmed { Ok(None) } else { Err(no_such_tx()) };
        };
        Ok(view.block_hash(height)?)
    });
    read.await
}

/// Sparrow recognises this text at the start of the message, others anywhere.
fn no_such_tx() -> RpcError {
    RpcError::Node(
        "No such mempool or blockchain transaction. Use gettransaction for wallet transactions."
            .into(),
    )
}

/// `blockchain.transaction.get_merkle(tx_hash, height)`.
pub(super) async fn merkle<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash, height], []) = params.read(["tx_hash", "height"], [])?;
    let txid = tx_hash.txid()?;
    let height = height.integer()?;
    read(session, out, move |reader, effort, out| {
        let tree = block_tree(reader, effort, height)?;
        let Some(pos) = tree.position(&txid) else {
            return Err(RpcError::BadRequest(format!(
                "tx {txid} not in block at height {}",
                json::grouped(height)
            )));
        };
        out.extend_from_slice(b"{\"block_height\":");
        json::integer(out, height);
        out.extend_from_slice(b",\"merkle\":");
        json::array(out, tree.branch(pos), json::hash);
        out.extend_from_slice(b",\"pos\":");
        json::integer(out, pos);
        out.push(b'}');
        Ok(())
    })
    .await
}

/// `blockchain.transaction.id_from_pos(height, tx_pos, merkle=false)`.
pub(super) async fn id_from_pos<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([height, tx_pos], [with_merkle]) = params.read(["height", "tx_pos"], ["merkle"])?;
    let height = height.integer()?;
    let tx_pos = tx_pos.integer()?;
    let with_merkle = with_merkle.map_or(Ok(false), |arg: Arg<'_>| arg.boolean("merkle"))?;
    read(session, out, move |reader, effort, out| {
        let none = || {
            RpcError::BadRequest(format!(
                "no tx at position {} in block at height {}",
                json::grouped(tx_pos),
                json::grouped(height)
            ))
        };
        if !with_merkle {
            let view = reader.view()?;
            let numbers = Height::try_from(height).map_or(0..0, |height| view.block_txs(height));
            if numbers.is_empty() {
                return Err(out_of_range(height));
            }
            let number =
                numbers.start.checked_add(tx_pos).filter(|number| numbers.contains(number));
            let txid = number.map_or(Ok(None), |number| view.txid(TxNum(number)))?;
            json::txid(out, &txid.ok_or_else(none)?);
            return Ok(());
        }
        let tree = block_tree(reader, effort, height)?;
        let found = usize::try_from(tx_pos).ok().and_then(|pos| Some((pos, tree.txid(pos)?)));
        let (pos, txid) = found.ok_or_else(none)?;
        out.extend_from_slice(b"{\"tx_hash\":");
        json::txid(out, &txid);
        out.extend_from_slice(b",\"merkle\":");
        json::array(out, tree.branch(pos), json::hash);
        out.push(b'}');
        Ok(())
    })
    .await
}

fn block_tree(reader: &Reader, effort: Effort, height: u64) -> Result<Arc<BlockTree>, RpcError> {
    let view = reader.view()?;
    let tree = Height::try_from(height)
        .map_or(Ok(None), |height| reader.block_trees().at(effort, &*view, height))?;
    tree.ok_or_else(|| out_of_range(height))
}

fn out_of_range(height: u64) -> RpcError {
    RpcError::BadRequest(format!("height {} out of range", json::grouped(height)))
}
