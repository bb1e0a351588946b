//! Keys and coins of a test, without the node's wallet.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context, Result, ensure};
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use serde_json::json;

use crate::mine::fresh_script;
use crate::scripts::{KeySet, ScriptKind};
use crate::sign::unlock;
use crate::{NodeClient, Truth};

/// Less is not worth an output.
const DUST: u64 = 1000;

/// Deterministic keys, and the coins paid to them.
///
/// Payments take their inputs from the *purse*: mined coins and change, oldest first. Outputs paid to scripts
/// got from [`Self::script`] stay where they are until a test spends them by name.
#[derive(Debug)]
pub struct Coins {
    node: NodeClient,
    seed: u64,
    /// Fee rate in satoshi per virtual byte; 5 at first.
    pub fee_rate: u64,
    next_index: HashMap<ScriptKind, u32>,
    keys: HashMap<ScriptBuf, KeySet>,
    known: HashMap<OutPoint, TxOut>,
    purse: VecDeque<OutPoint>,
    change: std::collections::HashSet<ScriptBuf>,
}

impl Coins {
    /// The keys of a seed, without coins at first; see [`Self::mature`].
    #[must_use]
    pub fn new(node: &NodeClient, seed: u64) -> Self {
        Self {
            node: node.clone(),
            seed,
            fee_rate: 5,
            next_index: HashMap::new(),
            keys: HashMap::new(),
            known: HashMap::new(),
            purse: VecDeque::new(),
            change: std::collections::HashSet::new(),
        }
    }

    /// A new script of a kind (of some kinds there is only one).
    pub fn script(&mut self, kind: ScriptKind) -> ScriptBuf {
        let index = self.next_index.entry(kind).or_default();
        *index += 1;
        let index = *index;
        self.script_at(kind, index)
    }

    /// The script of a kind with this number; the same for the same seed.
    pub fn script_at(&mut self, kind: ScriptKind, index: u32) -> ScriptBuf {
        let keys = KeySet::new(self.seed, kind, index);
        let script = keys.script();
        self.keys.insert(script.clone(), keys);
        script
    }

    fn change_script(&mut self) -> ScriptBuf {
        let script = self.script(ScriptKind::P2wpkh);
        self.change.insert(script.clone());
        script
    }

    /// Mines `n` blocks to the purse and 100 more, after which their rewards can be spent.
    ///
    /// # Errors
    /// When a call fails.
    pub fn mature(&mut self, n: u32) -> Result<()> {
        let script = self.change_script();
        for hash in self.node.mine_to_script(&script, n)? {
            let coinbase = self.node.block(&hash)?.txdata.swap_remove(0);
            self.learn(&coinbase);
        }
        self.node.mine_to_script(&fresh_script(), 100)?;
        Ok(())
    }

    /// Breaks coins up, so that many payments can be made side by side. To be mined before they are used in
    /// great numbers: the node limits chains in its mempool.
    ///
    /// # Errors
    /// When there are not enough coins, or the node refuses.
    pub fn split(&mut self, n: usize, sats: u64) -> Result<Transaction> {
        let outputs: Vec<_> = (0..n).map(|_| (self.change_script(), sats)).collect();
        self.pay(&outputs)
    }

    /// Makes and signs a payment from the purse (change goes back to it), without sending it.
    ///
    /// # Errors
    /// When there are not enough coins.
    pub fn build(&mut self, outputs: &[(ScriptBuf, u64)]) -> Result<Transaction> {
        let wanted: u64 = outputs.iter().map(|(_, sats)| sats).sum();
        let (mut inputs, mut sum) = (Vec::new(), 0);
        // Enough for change too; the fee is known only once it is signed.
        while sum
            < wanted
                + DUST
                + self.fee_rate * (200 + 110 * inputs.len() as u64 + 45 * outputs.len() as u64)
        {
            let Some(&coin) = self.purse.get(inputs.len()) else {
                anyhow::bail!("{wanted} sat wanted, {sum} in the purse: mine some (`mature`)")
            };
            sum += self.known[&coin].value.to_sat();
            inputs.push(coin);
        }
        self.build_spend(&inputs, outputs)
    }

    /// [`Self::build`] and send.
    ///
    /// # Errors
    /// When there are not enough coins, or the node refuses.
    pub fn pay(&mut self, outputs: &[(ScriptBuf, u64)]) -> Result<Transaction> {
        let tx = self.build(outputs)?;
        self.send(&tx)?;
        Ok(tx)
    }

    /// Makes and signs a transaction spending exactly these outputs, without sending it. What is left over
    /// goes back to the purse.
    ///
    /// # Errors
    /// When an output is not known or cannot be spent, or they are not enough for outputs and fee.
    pub fn build_spend(
        &mut self,
        inputs: &[OutPoint],
        outputs: &[(ScriptBuf, u64)],
    ) -> Result<Transaction> {
        let mut outs: Vec<TxOut> = outputs
            .iter()
            .map(|(script, sats)| TxOut {
                value: Amount::from_sat(*sats),
                script_pubkey: script.clone(),
            })
            .collect();
        let rest = TxOut { value: Amount::ZERO, script_pubkey: self.change_script() };
        outs.push(rest);
        let mut tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: inputs
                .iter()
                .map(|outpoint| TxIn {
                    previous_output: *outpoint,
                    script_sig: ScriptBuf::new(),
                    sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                    witness: Witness::new(),
                })
                .collect(),
            output: outs,
        };
        self.sign(&mut tx)?;
        let fee = self.fee_rate * u64::try_from(tx.vsize())?;
        let given = self.input_value(&tx)?;
        let wanted: u64 = outputs.iter().map(|(_, sats)| sats).sum();
        ensure!(given >= wanted + fee, "{given} sat are not enough for {wanted} and {fee} fee");
        let change = given - wanted - fee;
        match tx.output.last_mut() {
            Some(last) if change >= DUST || outputs.is_empty() => {
                last.value = Amount::from_sat(change);
            }
            _ => drop(tx.output.pop()),
        }
        self.sign(&mut tx)?;
        Ok(tx)
    }

    /// [`Self::build_spend`] and send.
    ///
    /// # Errors
    /// As for `build_spend`, or when the node refuses.
    pub fn spend(
        &mut self,
        inputs: &[OutPoint],
        outputs: &[(ScriptBuf, u64)],
    ) -> Result<Transaction> {
        let tx = self.build_spend(inputs, outputs)?;
        self.send(&tx)?;
        Ok(tx)
    }

    /// Broadcasts a transaction made here; its outputs to own scripts become known.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn send(&mut self, tx: &Transaction) -> Result<Txid> {
        let txid = self.node.send_raw(tx)?;
        self.learn(tx);
        Ok(txid)
    }

    /// Takes note of a transaction: its inputs are no longer in the purse, its outputs to own scripts are
    /// known. Needed only for those which were not sent from here but e.g. mined as raw.
    pub fn learn(&mut self, tx: &Transaction) {
        let txid = tx.compute_txid();
        self.purse.retain(|coin| tx.input.iter().all(|input| input.previous_output != *coin));
        for (vout, out) in (0..).zip(&tx.output) {
            let outpoint = OutPoint::new(txid, vout);
            if self.keys.contains_key(&out.script_pubkey)
                && self.known.insert(outpoint, out.clone()).is_none()
                && self.change.contains(&out.script_pubkey)
            {
                self.purse.push_back(outpoint);
            }
        }
    }

    /// Sends a replacement: the same inputs and outputs, but a fee higher by `extra`, taken from the last
    /// output (the change).
    ///
    /// # Errors
    /// When the last output is too small, or the node refuses.
    pub fn replace(&mut self, tx: &Transaction, extra: u64) -> Result<Transaction> {
        let mut new = tx.clone();
        let last = new.output.last_mut().context("the transaction has no output")?;
        let less = last.value.to_sat().checked_sub(extra).filter(|left| *left >= DUST);
        last.value = Amount::from_sat(less.context("the last output cannot pay the higher fee")?);
        self.sign(&mut new)?;
        self.send(&new)?;
        let gone = tx.compute_txid();
        self.purse.retain(|coin| coin.txid != gone);
        Ok(new)
    }

    /// A chain of `n` transactions in the mempool, each spending the one before; the node's usual limit
    /// is 25. Each has one output, to a script of `kind`.
    ///
    /// # Errors
    /// When there are not enough coins, or the node refuses.
    pub fn chain(&mut self, n: usize, kind: ScriptKind, sats: u64) -> Result<Vec<Transaction>> {
        let mut script = self.script(kind);
        let mut chain = vec![self.pay(&[(script, sats)])?];
        while chain.len() < n {
            let last = &chain[chain.len() - 1];
            let (coin, value) = (OutPoint::new(last.compute_txid(), 0), last.output[0].value);
            script = self.script(kind);
            let trial = self.build_spend(&[coin], &[(script.clone(), DUST)])?;
            let fee = self.fee_rate * u64::try_from(trial.vsize())?;
            let left = value.to_sat().checked_sub(fee).context("the chain's money ran out")?;
            chain.push(self.spend(&[coin], &[(script, left)])?);
        }
        Ok(chain)
    }

    /// Asks the node which known outputs there are, and makes up the purse anew: to be called after a
    /// reorganisation.
    ///
    /// # Errors
    /// When a call fails.
    pub fn refresh(&mut self) -> Result<()> {
        let mut mine: Vec<_> = self
            .known
            .iter()
            .filter(|(_, out)| self.change.contains(&out.script_pubkey))
            .map(|(o, _)| *o)
            .collect();
        mine.sort_unstable();
        let params: Vec<_> =
            mine.iter().map(|o| json!([o.txid.to_string(), o.vout, true])).collect();
        self.purse.clear();
        let tip = self.node.block_count()?;
        for (some, outs) in params.chunks(500).zip(mine.chunks(500)) {
            for (answer, outpoint) in self.node.batch("gettxout", some)?.iter().zip(outs) {
                let depth = answer["confirmations"].as_u64().unwrap_or_default();
                let mature = answer["coinbase"] != json!(true) || depth >= 100;
                if !answer.is_null() && mature && depth <= u64::from(tip) {
                    self.purse.push_back(*outpoint);
                }
            }
        }
        Ok(())
    }

    /// How much the purse holds.
    #[must_use]
    pub fn purse_value(&self) -> u64 {
        self.purse.iter().map(|coin| self.known[coin].value.to_sat()).sum()
    }

    /// The outputs of own scripts (purse or not) that `truth` has as unspent, sorted.
    #[must_use]
    pub fn unspent(&self, truth: &Truth) -> Vec<OutPoint> {
        let mut list: Vec<_> =
            self.known.keys().filter(|o| truth.all_utxos().contains_key(o)).copied().collect();
        list.sort_unstable();
        list
    }

    fn input_value(&self, tx: &Transaction) -> Result<u64> {
        Ok(self.spent_outputs(tx)?.iter().map(|out| out.value.to_sat()).sum())
    }

    fn spent_outputs(&self, tx: &Transaction) -> Result<Vec<TxOut>> {
        let known = |input: &TxIn| {
            let outpoint = &input.previous_output;
            self.known.get(outpoint).cloned().with_context(|| format!("{outpoint} is not known"))
        };
        tx.input.iter().map(known).collect()
    }

    /// Signs all inputs (anew).
    ///
    /// # Errors
    /// When an input spends an output that is not known or that nobody can spend.
    pub fn sign(&self, tx: &mut Transaction) -> Result<()> {
        let spent = self.spent_outputs(tx)?;
        let mut unlocked = Vec::new();
        for (index, out) in spent.iter().enumerate() {
            let keys = self.keys.get(&out.script_pubkey).context("no key for the script")?;
            unlocked.push(unlock(tx, index, &spent, keys)?);
        }
        for (input, (script_sig, witness)) in tx.input.iter_mut().zip(unlocked) {
            input.script_sig = script_sig;
            input.witness = witness;
        }
        Ok(())
    }
}
