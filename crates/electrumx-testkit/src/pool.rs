//! The mempool part of the truth, and the answers Electrum servers give from both parts.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail};
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Transaction, TxOut, Txid};
use serde_json::{Value, json};

use crate::truth::is_indexed;
use crate::{NodeClient, Truth};

/// A transaction of the mempool in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Its id.
    pub txid: Txid,
    /// -1 if it spends an unconfirmed output, else 0.
    pub height: i32,
    /// Its fee in satoshi.
    pub fee: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Pool {
    txs: HashMap<Txid, Transaction>,
    histories: HashMap<ScriptBuf, Vec<Unconfirmed>>,
    spent: HashMap<OutPoint, TxOut>,
}

/// The Electrum status of a history: ids with heights, in order. `None` when it is empty.
#[must_use]
pub fn electrum_status(history: impl IntoIterator<Item = (Txid, i64)>) -> Option<String> {
    let text: String =
        history.into_iter().map(|(txid, height)| format!("{txid}:{height}:")).collect();
    (!text.is_empty()).then(|| sha256::Hash::hash(text.as_bytes()).to_string())
}

impl Truth {
    /// Brings it to the node's tip and reads the mempool too, all at one moment.
    ///
    /// # Errors
    /// When a call fails, or the node does not hold still long enough.
    pub fn scan_mempool(&mut self, node: &NodeClient) -> Result<()> {
        for _ in 0..20 {
            self.update(node)?;
            // A transaction may leave between the two calls: then once more.
            let before = node.raw_mempool()?;
            let Ok(pool) = self.read_pool(node, &before) else { continue };
            let mut after = node.raw_mempool()?;
            let mut before = before;
            before.sort_unstable();
            after.sort_unstable();
            if before == after && self.hashes().last() == Some(&node.best_block_hash()?) {
                self.pool = pool;
                return Ok(());
            }
        }
        bail!("the node's chain or mempool kept changing")
    }

    fn read_pool(&self, node: &NodeClient, txids: &[Txid]) -> Result<Pool> {
        let mut pool = Pool::default();
        let params: Vec<_> = txids.iter().map(|txid| json!([txid.to_string()])).collect();
        for (some, ids) in params.chunks(500).zip(txids.chunks(500)) {
            for (hex, txid) in node.batch("getrawtransaction", some)?.iter().zip(ids) {
                let tx = deserialize_hex(hex.as_str().context("getrawtransaction: no text")?)?;
                pool.txs.insert(*txid, tx);
            }
        }
        for (txid, tx) in &pool.txs {
            let mut touched = HashSet::new();
            let (mut height, mut paid_in) = (0, Amount::ZERO);
            for input in &tx.input {
                let outpoint = input.previous_output;
                let out = if let Some(parent) = pool.txs.get(&outpoint.txid) {
                    height = -1;
                    parent.output.get(outpoint.vout as usize).cloned()
                } else {
                    self.all_utxos().get(&outpoint).map(|utxo| TxOut {
                        value: Amount::from_sat(utxo.value),
                        script_pubkey: utxo.script.clone(),
                    })
                };
                let out = out.with_context(|| format!("{txid} spends unknown {outpoint}"))?;
                paid_in += out.value;
                touched.insert(out.script_pubkey.clone());
                pool.spent.insert(outpoint, out);
            }
            touched.extend(tx.output.iter().map(|out| out.script_pubkey.clone()));
            let paid_out: Amount = tx.output.iter().map(|out| out.value).sum();
            let fee = (paid_in - paid_out).to_sat();
            for script in touched.into_iter().filter(|script| is_indexed(script)) {
                let entry = Unconfirmed { txid: *txid, height, fee };
                pool.histories.entry(script).or_default().push(entry);
            }
        }
        for list in pool.histories.values_mut() {
            list.sort_by_key(|entry| (-entry.height, entry.txid.to_string()));
        }
        Ok(pool)
    }

    /// Ids of all mempool transactions read.
    pub fn pool_txids(&self) -> impl Iterator<Item = &Txid> {
        self.pool.txs.keys()
    }

    /// Every script some mempool transaction touches, except those not indexed. In no order.
    pub fn pool_scripts(&self) -> impl Iterator<Item = &ScriptBuf> {
        self.pool.histories.keys()
    }

    /// The mempool transactions of a script in Electrum's order.
    #[must_use]
    pub fn unconfirmed(&self, script: &Script) -> &[Unconfirmed] {
        self.pool.histories.get(script).map_or(&[], Vec::as_slice)
    }

    /// The Electrum status of a script, of the mempool's transactions too if they were read; `None` if it
    /// has no history.
    #[must_use]
    pub fn status(&self, script: &Script) -> Option<String> {
        let confirmed = self.history(script).iter().map(|&(height, txid)| (txid, height.into()));
        let pooled = self.unconfirmed(script).iter().map(|u| (u.txid, u.height.into()));
        electrum_status(confirmed.chain(pooled))
    }

    /// What `blockchain.scripthash.get_history` is to answer.
    #[must_use]
    pub fn history_json(&self, script: &Script) -> Value {
        let confirmed = self.history(script).iter();
        let confirmed =
            confirmed.map(|(height, id)| json!({"tx_hash": id.to_string(), "height": height}));
        confirmed.chain(self.mempool_list(script)).collect()
    }

    /// What `blockchain.scripthash.get_mempool` is to answer.
    #[must_use]
    pub fn mempool_json(&self, script: &Script) -> Value {
        self.mempool_list(script).collect()
    }

    fn mempool_list(&self, script: &Script) -> impl Iterator<Item = Value> {
        self.unconfirmed(script)
            .iter()
            .map(|u| json!({"tx_hash": u.txid.to_string(), "height": u.height, "fee": u.fee}))
    }

    /// What `blockchain.scripthash.get_balance` is to answer.
    #[must_use]
    pub fn balance_json(&self, script: &Script) -> Value {
        let mut unconfirmed = 0;
        for entry in self.unconfirmed(script) {
            let tx = &self.pool.txs[&entry.txid];
            let made = tx.output.iter().filter(|out| &*out.script_pubkey == script);
            unconfirmed += made.map(|out| signed(out.value)).sum::<i64>();
            let inputs = tx.input.iter().filter_map(|i| self.pool.spent.get(&i.previous_output));
            let spent = inputs.filter(|out| &*out.script_pubkey == script);
            unconfirmed -= spent.map(|out| signed(out.value)).sum::<i64>();
        }
        json!({"confirmed": self.balance(script), "unconfirmed": unconfirmed})
    }

    /// What `blockchain.scripthash.listunspent` is to answer: confirmed in chain order, then unconfirmed
    /// by transaction id and output; without what the mempool spends.
    #[must_use]
    pub fn listunspent_json(&self, script: &Script) -> Value {
        let item = |outpoint: &OutPoint, height: u32, value: u64| {
            let OutPoint { txid, vout } = outpoint;
            json!({"tx_hash": txid.to_string(), "tx_pos": vout, "height": height, "value": value})
        };
        let unspent = |outpoint: &OutPoint| !self.pool.spent.contains_key(outpoint);
        let mut list: Vec<Value> = self
            .utxos(script)
            .iter()
            .filter(|utxo| unspent(&utxo.outpoint))
            .map(|utxo| item(&utxo.outpoint, utxo.height, utxo.value))
            .collect();
        let mut pooled = Vec::new();
        for entry in self.unconfirmed(script) {
            for (vout, out) in (0..).zip(&self.pool.txs[&entry.txid].output) {
                let outpoint = OutPoint::new(entry.txid, vout);
                if &*out.script_pubkey == script && unspent(&outpoint) {
                    pooled.push((entry.txid.to_string(), vout, out.value.to_sat()));
                }
            }
        }
        pooled.sort();
        list.extend(pooled.into_iter().map(|(txid, vout, value)| {
            json!({"tx_hash": txid, "tx_pos": vout, "height": 0, "value": value})
        }));
        list.into()
    }
}

fn signed(amount: Amount) -> i64 {
    i64::try_from(amount.to_sat()).expect("all coins fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(history: &[(&str, i64)]) -> Option<String> {
        electrum_status(history.iter().map(|(pair, h)| (pair.repeat(32).parse().unwrap(), *h)))
    }

    #[test]
    fn known_statuses() {
        assert_eq!(status(&[]), None);
        assert_eq!(
            status(&[("11", 100)]).unwrap(),
            "b464a7e7093a870ab2162fe8b91e608dfc846fe815a3d16100c986435794654e"
        );
        assert_eq!(
            status(&[("11", -1)]).unwrap(),
            "ddd5db77b95f863cdbb41d9a60277ef4098c0e75c5a76080b6cd0b55d2b054db"
        );
        let long = [("11", 100), ("22", 100), ("aa", 105), ("0f", 0), ("f0", 0), ("01", -1)];
        assert_eq!(
            status(&long).unwrap(),
            "9b1987f6952909cc5cd7f81ab5f689142b769fb00e07d9615fd47fcae5cb3ac5"
        );
    }
}
