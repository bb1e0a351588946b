//! Everything a client can ask, found anew by looking through the whole node.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use electrumx_core::bitcoin::hashes::{Hash as _, sha256};
use electrumx_core::bitcoin::{OutPoint, Txid};
use serde_json::{Value, json};

use super::node::{Node, SCRIPTS, script};

/// What is so.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Truth {
    /// As `blockchain.headers.subscribe` tells it.
    pub(super) tip: Value,
    pub(super) scripts: Vec<ScriptTruth>,
    /// The states of outputs that can be spent.
    pub(super) outpoints: BTreeMap<OutPoint, Value>,
    /// Where transactions are: 0 in the mempool.
    pub(super) txs: BTreeMap<Txid, usize>,
    /// Size of the mempool in vbytes.
    pub(super) vbytes: u64,
    /// The newest transactions do not come in a known order, but these they are.
    pub(super) pool: BTreeSet<Txid>,
}

/// What the owner of a script sees.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct ScriptTruth {
    pub(super) history: Value,
    pub(super) mempool: Value,
    pub(super) balance: Value,
    pub(super) unspent: Value,
    pub(super) status: Value,
}

impl Truth {
    pub(super) fn of(node: &Node) -> Self {
        let tip = &node.chain.last().unwrap().block;
        let header = electrumx_core::bitcoin::consensus::encode::serialize_hex(&tip.header);
        let mut outpoints = BTreeMap::new();
        let heights = heights(node);
        for (_, txid, tx) in node.txs() {
            for input in &tx.input {
                if let Some(state) = outpoints.get_mut(&input.previous_output) {
                    let state: &mut Value = state;
                    state["spender_txhash"] = json!(txid.to_string());
                    state["spender_height"] = json!(heights[&txid]);
                }
            }
            for (vout, output) in (0..).zip(&tx.output) {
                if !output.script_pubkey.is_op_return() {
                    let state = json!({"funder_height": heights[&txid]});
                    outpoints.insert(OutPoint { txid, vout }, state);
                }
            }
        }
        Self {
            tip: json!({"hex": header, "height": node.chain.len() - 1}),
            // Nobody can have the last one.
            scripts: (0..SCRIPTS - 1)
                .map(|number| ScriptTruth::of(node, &heights, number))
                .collect(),
            outpoints,
            txs: node.txs().map(|(height, txid, _)| (txid, height.unwrap_or(0))).collect(),
            vbytes: node.pool.iter().map(|tx| tx.tx.vsize() as u64).sum(),
            pool: node.pool.iter().map(|tx| tx.txid).collect(),
        }
    }

    /// Returns the state of an output, whether there is such an output or not.
    pub(super) fn outpoint(&self, at: &OutPoint) -> Value {
        self.outpoints.get(at).cloned().unwrap_or_else(|| json!({}))
    }

    /// Returns where a transaction is, as its subscribers are told.
    pub(super) fn height(&self, txid: &Txid) -> Value {
        self.txs.get(txid).copied().into()
    }
}

/// Heights as in histories: 0 for unconfirmed transactions, -1 for their unconfirmed children.
fn heights(node: &Node) -> HashMap<Txid, i64> {
    let pooled: BTreeSet<Txid> = node.pool.iter().map(|tx| tx.txid).collect();
    let of = |(height, txid, tx): (Option<usize>, Txid, &electrumx_core::bitcoin::Transaction)| {
        let spends_unconfirmed =
            || tx.input.iter().any(|input| pooled.contains(&input.previous_output.txid));
        let height = height.map(|height| i64::try_from(height).unwrap());
        (txid, height.unwrap_or_else(|| if spends_unconfirmed() { -1 } else { 0 }))
    };
    node.txs().map(of).collect()
}

impl ScriptTruth {
    fn of(node: &Node, heights: &HashMap<Txid, i64>, number: usize) -> Self {
        let script = script(number);
        let fees: HashMap<Txid, u64> = node.fees().into_iter().collect();
        // Unspent outputs of the script, in chain order, and what the mempool spends and makes.
        let mut own: Vec<(OutPoint, u64, i64)> = Vec::new();
        let (mut confirmed, mut unconfirmed) = (Vec::new(), Vec::new());
        let (mut balance, mut change) = (0_i64, 0_i64);
        for (height, txid, tx) in node.txs() {
            let mut is_touched = false;
            let total = if height.is_some() { &mut balance } else { &mut change };
            for input in &tx.input {
                if let Some(at) = own.iter().position(|(at, ..)| *at == input.previous_output) {
                    *total -= i64::try_from(own.remove(at).1).unwrap();
                    is_touched = true;
                }
            }
            for (vout, output) in (0..).zip(&tx.output) {
                if output.script_pubkey == script {
                    let value = output.value.to_sat();
                    let at = height.map_or(0, |height| i64::try_from(height).unwrap());
                    own.push((OutPoint { txid, vout }, value, at));
                    *total += i64::try_from(value).unwrap();
                    is_touched = true;
                }
            }
            if is_touched {
                let list = if height.is_some() { &mut confirmed } else { &mut unconfirmed };
                list.push((txid, heights[&txid]));
            }
        }
        unconfirmed.sort_by_key(|(txid, height)| (-height, txid.to_string()));
        let rank: HashMap<Txid, usize> =
            unconfirmed.iter().enumerate().map(|(rank, (txid, _))| (*txid, rank)).collect();
        own.sort_by_key(|(at, _, height)| {
            // The confirmed ones are in their order already, and the sort is stable.
            (*height == 0, rank.get(&at.txid).copied(), if *height == 0 { at.vout } else { 0 })
        });
        let all = confirmed.iter().chain(&unconfirmed);
        let text: String = all.map(|(txid, height)| format!("{txid}:{height}:")).collect();
        let mempool: Vec<Value> = unconfirmed
            .iter()
            .map(|(txid, height)| json!({"tx_hash": txid.to_string(), "height": height, "fee": fees[txid]}))
            .collect();
        let confirmed = confirmed.iter();
        let history =
            confirmed.map(|(txid, height)| json!({"tx_hash": txid.to_string(), "height": height}));
        let utxo = |(at, value, height): &(OutPoint, u64, i64)| json!({"tx_hash": at.txid.to_string(), "tx_pos": at.vout, "height": height, "value": value});
        Self {
            history: history.chain(mempool.iter().cloned()).collect(),
            mempool: mempool.into(),
            balance: json!({"confirmed": balance, "unconfirmed": change}),
            unspent: own.iter().map(utxo).collect(),
            status: if text.is_empty() {
                Value::Null
            } else {
                json!(sha256::Hash::hash(text.as_bytes()).to_string())
            },
        }
    }
}
