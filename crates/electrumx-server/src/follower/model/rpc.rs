//! The node's RPC, and its blocks.

use std::sync::Arc;

use electrumx_core::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use electrumx_core::bitcoin::consensus::serialize;
use electrumx_core::bitcoin::{Amount, BlockHash, Transaction, Txid};
use electrumx_core::{BlockId, BlockSource, Height, RawBlock, SourceError, SourceTip};
use electrumx_testkit::serve_rpc;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::node::{Node, Tx};

pub(super) type Shared = Arc<Mutex<Node>>;

/// Serves the node's RPC on loopback; returns its URL.
pub(super) fn serve(node: Shared) -> String {
    let addr = serve_rpc(move |method, params| {
        let mut node = node.lock();
        node.called();
        result(&mut node, method, params).map(|result| result.to_string())
    });
    format!("http://user:secret@{}/", addr.unwrap())
}

fn result(node: &mut Node, method: &str, params: &Value) -> Result<Value, (i32, &'static str)> {
    let parse = |hex: &Value| -> Tx {
        let tx: Transaction = deserialize_hex(hex.as_str().unwrap()).unwrap();
        Tx { txid: tx.compute_txid(), tx }
    };
    Ok(match method {
        "getbestblockhash" => json!(node.tip().to_string()),
        "getmempoolinfo" => {
            let bytes: usize = node.pool.iter().map(|tx| tx.tx.vsize()).sum();
            let fees = Amount::from_sat(node.fees().into_iter().map(|(_, fee)| fee).sum());
            json!({
                "size": node.pool.len(), "bytes": bytes, "total_fee": fees.to_btc(),
                "loaded": node.unloaded.is_none(), "mempoolminfee": 0,
            })
        }
        "getrawmempool" => {
            let txids: Vec<_> = node.pool.iter().rev().map(|tx| tx.txid.to_string()).collect();
            json!({"txids": txids, "mempool_sequence": node.sequence})
        }
        "getrawtransaction" => {
            let txid = params[0].as_str().unwrap().parse::<Txid>().unwrap();
            json!(serialize_hex(node.find(&txid).ok_or((-5, "No such mempool transaction"))?))
        }
        "sendrawtransaction" => {
            let tx = parse(&params[0]);
            node.receive(tx.clone());
            json!(tx.txid.to_string())
        }
        "submitpackage" => {
            let txs: Vec<Tx> = params[0].as_array().unwrap().iter().map(parse).collect();
            let result =
                |tx: &Tx| (tx.tx.compute_wtxid().to_string(), json!({"txid": tx.txid.to_string()}));
            let results: serde_json::Map<_, _> = txs.iter().map(result).collect();
            txs.into_iter().for_each(|tx| node.receive(tx));
            json!({"package_msg": "success", "tx-results": results})
        }
        _ => return Err((-32601, "Method not found")),
    })
}

/// The node's blocks, without a detour over RPC.
pub(super) struct Blocks {
    pub(super) node: Shared,
    pub(super) next: Option<(Height, Height)>,
}

impl BlockSource for Blocks {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        let mut node = self.node.lock();
        node.called();
        let height = Height::try_from(node.chain.len() - 1).unwrap();
        Ok(SourceTip { id: BlockId { height, hash: node.tip() }, syncing: false })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        let node = self.node.lock();
        Ok(node.chain.get(height as usize).map(|mined| mined.block.block_hash()))
    }

    fn start(&mut self, from: Height, to: Height) {
        self.next = Some((from, to));
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        let Some((height, to)) = self.next.filter(|(from, to)| from <= to) else { return Ok(None) };
        self.next = Some((height + 1, to));
        let mut node = self.node.lock();
        node.called();
        let block = node.chain.get(height as usize).map(|mined| &mined.block);
        Ok(block.map(|block| RawBlock { height, bytes: serialize(block) }))
    }
}
