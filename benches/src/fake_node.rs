//! A node in memory: a chain, and a mempool of any size, served over RPC on loopback.
//!
//! A real node takes minutes to be given a mempool of 300,000 transactions, and answers no faster.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bitcoin::consensus::encode::{deserialize, serialize_hex};
use bitcoin::{Block, BlockHash, Txid};
use electrumx_core::RawBlock;
use electrumx_testkit::serve_rpc;
use serde_json::{Value, json};

/// A node that never changes but by [`fill`](Self::fill).
#[derive(Debug)]
pub struct FakeNode {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Hashes and blocks as hex, by height.
    blocks: Vec<(BlockHash, String)>,
    heights: HashMap<BlockHash, usize>,
    mempool: Mutex<Mempool>,
}

#[derive(Default, Debug)]
struct Mempool {
    txids: Arc<Vec<Txid>>,
    txs: Arc<HashMap<Txid, String>>,
    vbytes: usize,
    /// When it was first listed since it was filled.
    listed: Option<Instant>,
}

impl FakeNode {
    /// Starts to serve a chain, on a free port.
    ///
    /// # Errors
    /// When a block is malformed, or there is no port.
    pub fn start(blocks: impl IntoIterator<Item = RawBlock>) -> anyhow::Result<Self> {
        let blocks = blocks.into_iter().map(|raw| {
            let block: Block = deserialize(&raw.bytes)?;
            Ok((block.block_hash(), serialize_hex(&block)))
        });
        let blocks: Vec<_> = blocks.collect::<anyhow::Result<_>>()?;
        let heights = blocks.iter().enumerate().map(|(height, (hash, _))| (*hash, height));
        let heights = heights.collect();
        let state = Arc::new(State { blocks, heights, mempool: Mutex::default() });
        let served = Arc::clone(&state);
        let unknown = (-32601, "Method not found");
        let addr = serve_rpc(move |method, params| served.result(method, params).ok_or(unknown))?;
        Ok(Self { addr, state })
    }

    /// Returns where it is, with the login.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://user:password@{}/", self.addr)
    }

    /// Puts the transactions of blocks into the mempool, their coinbases left out. Returns how many.
    ///
    /// # Errors
    /// When a block is malformed.
    pub fn fill(&self, blocks: impl IntoIterator<Item = RawBlock>) -> anyhow::Result<usize> {
        let (mut txids, mut txs, mut vbytes) = (Vec::new(), HashMap::new(), 0);
        for raw in blocks {
            let block: Block = deserialize(&raw.bytes)?;
            for tx in block.txdata.iter().skip(1) {
                let txid = tx.compute_txid();
                vbytes += tx.vsize();
                txids.push(txid);
                txs.insert(txid, serialize_hex(tx));
            }
        }
        let count = txids.len();
        let filled = Mempool { txids: txids.into(), txs: txs.into(), vbytes, listed: None };
        *self.state.mempool() = filled;
        Ok(count)
    }

    /// Returns when the mempool was first listed since it was filled.
    #[must_use]
    pub fn listed(&self) -> Option<Instant> {
        self.state.mempool().listed
    }
}

impl State {
    fn mempool(&self) -> std::sync::MutexGuard<'_, Mempool> {
        self.mempool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers as JSON text; `None` for what it does not have.
    fn result(&self, method: &str, params: &Value) -> Option<String> {
        let tip = self.blocks.len().checked_sub(1)?;
        let best = self.blocks[tip].0.to_string();
        Some(match method {
            "getblockchaininfo" => json!({
                "chain": "regtest", "blocks": tip, "headers": tip, "bestblockhash": best,
                "initialblockdownload": false, "pruned": false, "verificationprogress": 1,
                "warnings": [],
            })
            .to_string(),
            "getnetworkinfo" => json!({
                "version": 300_000, "subversion": "/made-up/", "relayfee": 0.000_001,
                "incrementalfee": 0.000_001, "warnings": [],
            })
            .to_string(),
            "getzmqnotifications" => "[]".to_owned(),
            "getbestblockhash" => json!(best).to_string(),
            "getblockcount" => json!(tip).to_string(),
            "getblockhash" => {
                let height = usize::try_from(params[0].as_u64()?).ok()?;
                json!(self.blocks.get(height)?.0.to_string()).to_string()
            }
            "getblock" => {
                let height = self.heights.get(&params[0].as_str()?.parse::<BlockHash>().ok()?)?;
                format!("\"{}\"", self.blocks[*height].1)
            }
            "getmempoolinfo" => {
                let pool = self.mempool();
                json!({
                    "loaded": true, "size": pool.txids.len(), "bytes": pool.vbytes,
                    "mempoolminfee": 0.000_001, "minrelaytxfee": 0.000_001,
                })
                .to_string()
            }
            "getrawmempool" => {
                let txids = {
                    let mut pool = self.mempool();
                    pool.listed.get_or_insert_with(Instant::now);
                    Arc::clone(&pool.txids)
                };
                let list: Vec<String> = txids.iter().map(|txid| format!("\"{txid}\"")).collect();
                let sequence = txids.len() + 1;
                format!(r#"{{"txids":[{}],"mempool_sequence":{sequence}}}"#, list.join(","))
            }
            "getrawtransaction" => {
                let txs = Arc::clone(&self.mempool().txs);
                format!("\"{}\"", txs.get(&params[0].as_str()?.parse::<Txid>().ok()?)?)
            }
            _ => return None,
        })
    }
}
