//! Making blocks.

use anyhow::{Context, Result};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{BlockHash, Script, ScriptBuf, Transaction, Txid};
use serde_json::{Value, json};

use crate::rpc::{NodeClient, parse};

/// What goes into a block made with [`NodeClient::mine_block_with`].
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A transaction in the mempool.
    Pooled(Txid),
    /// Any valid transaction; it need not be standard nor known to the node.
    Raw(&'a Transaction),
}

/// The script to which `mine` mines: a witness script that anyone can spend.
#[must_use]
pub fn kit_script() -> ScriptBuf {
    kit_witness_script().to_p2wsh()
}

pub(crate) fn kit_witness_script() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51]) // OP_TRUE
}

/// Mining takes descriptors, so any script will do.
fn descriptor(script: &Script) -> Value {
    json!(format!("raw({})", script.to_hex_string()))
}

impl NodeClient {
    /// Mines `n` blocks with what is in the mempool, to [`kit_script`].
    ///
    /// # Errors
    /// When the call fails.
    pub fn mine(&self, n: u32) -> Result<Vec<BlockHash>> {
        self.mine_to_script(&kit_script(), n)
    }

    /// Mines `n` blocks with what is in the mempool to an address.
    ///
    /// # Errors
    /// When the call fails.
    pub fn mine_to(&self, address: &str, n: u32) -> Result<Vec<BlockHash>> {
        let answer = self.call("generatetoaddress", &[json!(n), json!(address)])?;
        answer.as_array().context("generatetoaddress: no list")?.iter().map(parse).collect()
    }

    /// Mines `n` blocks with what is in the mempool to an output script.
    ///
    /// # Errors
    /// When the call fails.
    pub fn mine_to_script(&self, script: &Script, n: u32) -> Result<Vec<BlockHash>> {
        let answer = self.call("generatetodescriptor", &[json!(n), descriptor(script)])?;
        answer.as_array().context("generatetodescriptor: no list")?.iter().map(parse).collect()
    }

    /// Mines one block with exactly these transactions in this order, to a script of the caller; the
    /// mempool is left out of it.
    ///
    /// # Errors
    /// When the node finds the block invalid.
    pub fn mine_block_to(&self, script: &Script, txs: &[Content<'_>]) -> Result<BlockHash> {
        let txs: Vec<String> = txs
            .iter()
            .map(|tx| match tx {
                Content::Pooled(txid) => txid.to_string(),
                Content::Raw(tx) => serialize_hex(*tx),
            })
            .collect();
        parse(&self.call("generateblock", &[descriptor(script), json!(txs)])?["hash"])
    }

    /// Mines one block with exactly these transactions in this order (none: an empty block), to a script
    /// that no other block pays to.
    ///
    /// # Errors
    /// When the node finds the block invalid.
    pub fn mine_block_with(&self, txs: &[Content<'_>]) -> Result<BlockHash> {
        self.mine_block_to(&fresh_script(), txs)
    }
}

/// A script never seen before which anyone could spend (`OP_RETURN` would not be indexed). A block made to it
/// differs from its sibling of the same second.
#[must_use]
pub fn fresh_script() -> ScriptBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut unique = nanos.to_le_bytes().to_vec();
    unique.extend_from_slice(&count.to_le_bytes());
    unique.extend_from_slice(&std::process::id().to_le_bytes());
    // <28 bytes> OP_DROP OP_TRUE, hashed into a witness script
    let mut script = vec![28];
    script.extend_from_slice(&unique);
    script.extend_from_slice(&[0x75, 0x51]);
    ScriptBuf::from_bytes(script).to_p2wsh()
}
