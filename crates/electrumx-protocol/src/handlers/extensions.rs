//! Methods beyond the protocol.

use electrumx_core::bitcoin::consensus::encode::deserialize;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, OutPoint, Transaction, Txid};
use electrumx_core::{ChainView, Height, ScriptHash, StoreError, TxNum, block};

use super::scripthash::{self, Naming};
use super::{passthrough, read, tx_height};
use crate::error::RpcError;
use crate::json;
use crate::methods::Extension;
use crate::node::{Node, NodeError};
use crate::params::Params;
use crate::service::tip_header;
use crate::session::Session;

/// Carries out an extension and appends its result to `out`.
pub(super) async fn call<N: Node>(
    session: &mut Session<N>,
    extension: Extension,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    use Extension as E;
    use Naming::Address;
    match extension {
        E::AddressGetBalance => scripthash::balance(session, Address, params, out).await,
        E::AddressGetFirstUse => first_use(session, Address, params, out).await,
        E::AddressGetHistory => scripthash::history(session, Address, params, out).await,
        E::AddressGetMempool => scripthash::mempool(session, Address, params, out).await,
        E::AddressGetScriptHash => {
            let (scripthash, _) = Address.read(session, params)?;
            json::string(out, &scripthash.to_string());
            Ok(())
        }
        E::AddressListUnspent => scripthash::utxos(session, Address, params, out).await,
        E::AddressSubscribe => scripthash::subscribe(session, Address, params, out).await,
        E::AddressUnsubscribe => scripthash::unsubscribe(session, Address, params, out),
        E::HeaderGet => header(session, params, out).await,
        E::HeadersGetTip => {
            params.none()?;
            let view = session.service.reader.view()?;
            let tip = view.tip().ok_or_else(RpcError::no_blocks)?;
            let header = tip_header(&*view, tip)?.ok_or(RpcError::Internal)?;
            out.extend_from_slice(&header.json);
            Ok(())
        }
        E::HeadersUnsubscribe => {
            params.none()?;
            json::boolean(out, session.headers.take().is_some());
            Ok(())
        }
        E::ScriptHashGetFirstUse => first_use(session, Naming::Hash, params, out).await,
        E::ScriptHashGetStatus => scripthash::status(session, params, out).await,
        E::TransactionGetConfirmedBlockHash => confirmed_block(session, params, out).await,
        E::TransactionGetHeight => tx_height::get(session, params, out).await,
        E::TransactionSubscribe => tx_height::subscribe(session, params, out).await,
        E::TransactionUnsubscribe => tx_height::unsubscribe(session, params, out),
        E::UtxoGetInfo => utxo(session, params, out).await,
        E::DaemonPassthrough => passthrough::call(session, params, out).await,
    }
}

/// `blockchain.header.get(block)`, a height or a hash.
async fn header<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([block], []) = params.read(["block"], [])?;
    let (height, hash) = match block.text().and_then(|text| text.parse::<BlockHash>().ok()) {
        Some(hash) => {
            let service = &session.service;
            let height = service.ask(service.node.block_height(&hash)).await?;
            (height.map(u64::from), Some(hash))
        }
        None => (Some(block.integer()?), None),
    };
    let unknown = block.wrong("is not a block of the chain");
    read(session, out, move |reader, _, out| {
        let view = reader.view()?;
        let height = height.and_then(|height| Height::try_from(height).ok());
        let mut raw = Vec::with_capacity(80);
        let found = match height {
            // The index may be at another block than the node.
            Some(height) if hash.is_none() || view.block_hash(height)? == hash => {
                view.headers(height, 1, &mut raw, &mut Vec::new())?
            }
            _ => 0,
        };
        let Some(height) = height.filter(|_| found == 1) else { return Err(unknown.clone()) };
        out.extend_from_slice(b"{\"height\":");
        json::integer(out, height);
        out.extend_from_slice(b",\"hex\":");
        json::hex(out, &raw);
        out.push(b'}');
        Ok(())
    })
    .await
}

/// `blockchain.scripthash.get_first_use(scripthash)`, `blockchain.address.get_first_use(address)`: the first transaction
/// that pays to the script. In the mempool none is known to be the first: it is any that pays to it.
async fn first_use<N: Node>(
    session: &Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = naming.hashx(session, params)?;
    read(session, out, move |reader, effort, out| {
        let snapshot = reader.snapshot(effort, |mempool, _| {
            let pays = |txid: &Txid| {
                let outputs = mempool.tx(txid).map(|tx| tx.outputs.iter());
                outputs.into_iter().flatten().any(|output| output.hashx == hashx)
            };
            Ok(mempool.script_txs(&hashx).into_iter().map(|tx| tx.txid).find(pays))
        })?;
        let view = &*snapshot.view;
        let mut first = None;
        // Outputs ascend, and what spends one is above it.
        match view.each_script_output(&hashx, 1, &mut |row| first = Some(row.output.tx_num)) {
            Ok(()) | Err(StoreError::TooMany { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let confirmed = match first {
            Some(number) => Place::of(view, number)?.zip(view.txid(number)?),
            None => None,
        };
        let unconfirmed = |txid| (Place { height: 0, block: BlockHash::all_zeros() }, txid);
        let Some((place, txid)) = confirmed.or(snapshot.unconfirmed.map(unconfirmed)) else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        out.extend_from_slice(b"{\"block_hash\":");
        json::string(out, &place.block.to_string());
        out.extend_from_slice(b",\"height\":");
        json::integer(out, place.height);
        out.extend_from_slice(b",\"tx_hash\":");
        json::txid(out, &txid);
        out.push(b'}');
        Ok(())
    })
    .await
}

/// The block a transaction is in.
struct Place {
    height: Height,
    block: BlockHash,
}

impl Place {
    fn of(view: &dyn ChainView, tx_num: TxNum) -> Result<Option<Self>, StoreError> {
        let Some(height) = view.height_of(tx_num) else { return Ok(None) };
        Ok(view.block_hash(height)?.map(|block| Self { height, block }))
    }

    fn of_tx(view: &dyn ChainView, txid: &Txid) -> Result<Option<Self>, StoreError> {
        view.tx_num(txid)?.map_or(Ok(None), |number| Self::of(view, number))
    }
}

/// `blockchain.transaction.get_confirmed_blockhash(tx_hash, include_header=false)`.
async fn confirmed_block<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash], [header]) = params.read(["tx_hash"], ["include_header"])?;
    let txid = tx_hash.txid()?;
    let with_header = header.map_or(Ok(false), |arg| arg.boolean("include_header"))?;
    read(session, out, move |reader, _, out| {
        let view = reader.view()?;
        let Some(place) = Place::of_tx(&*view, &txid)? else {
            let text = format!("transaction {txid} is not confirmed, or unknown");
            return Err(RpcError::BadRequest(text));
        };
        out.extend_from_slice(b"{\"block_hash\":");
        json::string(out, &place.block.to_string());
        if with_header {
            let mut raw = Vec::with_capacity(80);
            view.headers(place.height, 1, &mut raw, &mut Vec::new())?;
            out.extend_from_slice(b",\"block_header\":");
            json::hex(out, &raw);
        }
        out.extend_from_slice(b",\"block_height\":");
        json::integer(out, place.height);
        out.push(b'}');
        Ok(())
    })
    .await
}

/// `blockchain.utxo.get_info(tx_hash, out_n)`.
async fn utxo<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([tx_hash, out_n], []) = params.read(["tx_hash", "out_n"], [])?;
    let txid = tx_hash.txid()?;
    let Ok(vout) = u32::try_from(out_n.integer()?) else {
        return Err(out_n.wrong("should be an output's index"));
    };
    let outpoint = OutPoint { txid, vout };
    // The index knows scripts by a part of a keyed hash only, so the output itself has to be read.
    let (place, raw) = match super::transaction::locate(session, txid).await {
        Ok(place) => {
            let service = &session.service;
            (place, service.ask(service.node.raw_transaction(&txid, place)).await)
        }
        Err(RpcError::Node(_)) => {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let tx: Option<Transaction> = match raw {
        Ok(raw) => deserialize(&raw).ok(),
        Err(NodeError::Rpc { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let output = tx.and_then(|mut tx| {
        let index = usize::try_from(vout).ok().filter(|index| *index < tx.output.len())?;
        Some(tx.output.swap_remove(index))
    });
    // What nobody can spend is left out of mempool and blocks.
    let output = output.filter(|output| block::is_indexed(output.script_pubkey.as_bytes()));
    let Some(output) = output else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let scripthash = ScriptHash::of_script(output.script_pubkey.as_bytes());
    let hashx = session.service.reader.key().hashx(&scripthash);
    let value = output.value.to_sat();
    read(session, out, move |reader, effort, out| {
        let utxo = reader.unspent(effort, &hashx, &outpoint)?;
        let Some(height) = utxo.filter(|height| (*height == 0) == place.is_none()) else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        out.push(b'{');
        if height > 0 {
            out.extend_from_slice(b"\"confirmed_height\":");
            json::integer(out, height);
            out.push(b',');
        }
        out.extend_from_slice(b"\"scripthash\":");
        json::string(out, &scripthash.to_string());
        out.extend_from_slice(b",\"value\":");
        json::integer(out, value);
        out.push(b'}');
        Ok(())
    })
    .await
}
