//! Coins for `fund`, out of what `mine` mined.

use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
};
use serde_json::json;

use crate::mine::{kit_script, kit_witness_script};
use crate::rpc::NodeClient;

/// What may be left to spend; the node is asked again before use, as a reorganisation can take it away.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    next_height: u32,
    known: Vec<OutPoint>,
}

const FEE: u64 = 10_000;

impl NodeClient {
    /// Pays `sats` to a script out of blocks mined by [`Self::mine`] (a block's reward can be spent after
    /// 100 more), leaving the transaction in the mempool. Returns the new output.
    ///
    /// # Errors
    /// When there are not enough mature rewards: mine more blocks.
    pub fn fund(&self, script: &Script, sats: u64) -> Result<OutPoint> {
        let purse = std::sync::Arc::clone(&self.purse);
        let mut purse = purse.lock().map_err(|_| anyhow::anyhow!("a thread panicked in fund"))?;
        let mut inputs = Vec::new();
        let mut sum = 0;
        let mut later = Vec::new();
        let mature = (self.block_count()? + 1).saturating_sub(100);
        while sum < sats + FEE {
            let outpoint = if let Some(outpoint) = purse.known.pop() {
                outpoint
            } else {
                ensure!(
                    purse.next_height <= mature,
                    "fund: {sats} sat wanted but only {sum} are mature; mine more blocks first"
                );
                let block = self.block_at(purse.next_height)?;
                purse.next_height += 1;
                OutPoint::new(block.txdata[0].compute_txid(), 0)
            };
            let params = [json!(outpoint.txid.to_string()), json!(outpoint.vout), json!(true)];
            let out = self.call("gettxout", &params)?;
            if out["scriptPubKey"]["hex"].as_str() != Some(&kit_script().to_hex_string()) {
                continue; // spent, gone, or somebody else's
            }
            if out["confirmations"].as_u64() == Some(0) {
                later.push(outpoint); // chains in the mempool have a length limit
                continue;
            }
            let value = out["value"].as_f64().context("gettxout: no value")?;
            sum += Amount::from_btc(value)?.to_sat();
            inputs.push(TxIn {
                previous_output: outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                witness: Witness::from_slice(&[kit_witness_script().as_bytes()]),
            });
        }
        let change =
            TxOut { value: Amount::from_sat(sum - sats - FEE), script_pubkey: kit_script() };
        let paid = TxOut { value: Amount::from_sat(sats), script_pubkey: script.to_owned() };
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: inputs,
            output: vec![paid, change],
        };
        let txid = self.send_raw(&tx)?;
        purse.known.extend(later);
        purse.known.push(OutPoint::new(txid, 1));
        Ok(OutPoint::new(txid, 0))
    }

    /// [`Self::fund`] for an address.
    ///
    /// # Errors
    /// When the address is of no known form, or as for `fund`.
    pub fn fund_address(&self, address: &str, sats: u64) -> Result<OutPoint> {
        let address = Address::from_str(address)?.assume_checked();
        self.fund(&address.script_pubkey(), sats)
    }
}
