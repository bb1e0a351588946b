//! Payments by chance, the same for the same seed.

use anyhow::Result;
use bitcoin::{OutPoint, ScriptBuf, Transaction};

use crate::{Coins, Content, NodeClient, NodeError, ScriptKind};

/// Makes transactions of all script types: pays to new and to used scripts, spends what it paid before.
#[derive(Debug)]
pub struct Traffic {
    /// Its keys and coins; give them some with [`Coins::mature`] and [`Coins::split`].
    pub coins: Coins,
    node: NodeClient,
    state: u64,
    paid: Vec<(OutPoint, u64)>,
}

impl Traffic {
    /// Traffic from a seed, without money at first.
    #[must_use]
    pub fn new(node: &NodeClient, seed: u64) -> Self {
        let coins = Coins::new(node, seed);
        // xorshift must not start at 0
        let state = (seed ^ 0x9e37_79b9_7f4a_7c15) | 1;
        Self { coins, node: node.clone(), state, paid: Vec::new() }
    }

    /// A number below `limit`, by chance.
    pub fn random(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap_or_default() % limit.max(1)
    }

    /// One of the last scripts of its kind in one case of three, else a new one.
    fn script(&mut self, kinds: &[ScriptKind]) -> Result<ScriptBuf> {
        let kind = kinds[self.random(kinds.len())];
        if self.random(3) > 0 {
            return Ok(self.coins.script(kind));
        }
        let index = u32::try_from(self.random(3))?;
        Ok(self.coins.script_at(kind, index + 1))
    }

    /// One transaction: either spends some of what was paid, or pays from the purse.
    fn build(&mut self, kinds: &[ScriptKind]) -> Result<Transaction> {
        if self.paid.len() > 3 && self.random(2) == 0 {
            let (mut inputs, mut sum) = (Vec::new(), 0);
            for _ in 0..=self.random(3) {
                let at = self.random(self.paid.len());
                let (coin, value) = self.paid.swap_remove(at);
                inputs.push(coin);
                sum += value;
            }
            let script = self.script(kinds)?;
            return self.coins.build_spend(&inputs, &[(script, sum / 3)]);
        }
        let mut outputs = Vec::new();
        for _ in 0..=self.random(3) {
            let sats = 30_000 + self.random(50_000) as u64;
            outputs.push((self.script(kinds)?, sats));
        }
        if self.random(10) == 0 {
            outputs.push((self.coins.script(ScriptKind::OpReturn), 0));
        }
        self.coins.build(&outputs)
    }

    /// Remembers what can be spent later. The last output is change, or small.
    fn remember(&mut self, tx: &Transaction) {
        let txid = tx.compute_txid();
        let enough = tx.output.iter().zip(0..).take(tx.output.len() - 1);
        let enough = enough.filter(|(out, _)| out.value.to_sat() >= 10_000);
        self.paid.extend(enough.map(|(out, vout)| (OutPoint::new(txid, vout), out.value.to_sat())));
    }

    /// Sends up to `n` transactions into the mempool and returns those that the node took.
    ///
    /// # Errors
    /// When the money runs out or the node cannot be reached.
    pub fn send(&mut self, n: usize) -> Result<Vec<Transaction>> {
        let mut sent = Vec::new();
        for _ in 0..n {
            let tx = self.build(&ScriptKind::POOLED)?;
            match self.coins.send(&tx) {
                Ok(_) => {
                    self.remember(&tx);
                    sent.push(tx);
                }
                // A coin went with a reorganisation, or the mempool's limits are reached.
                Err(error) if error.is::<NodeError>() => self.coins.refresh()?,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Mines what is in the mempool and then a block with `n` payments to scripts that do not get into
    /// mempools; some spend others of the same block.
    ///
    /// # Errors
    /// When the money runs out or the node cannot be reached.
    pub fn mine_bare(&mut self, n: usize) -> Result<Vec<Transaction>> {
        self.node.mine(1)?;
        // What a reorganisation took away would make the block invalid.
        self.coins.refresh()?;
        self.paid.clear();
        let mut txs = Vec::new();
        for _ in 0..n {
            let tx = self.build(&ScriptKind::BARE)?;
            self.coins.learn(&tx);
            self.remember(&tx);
            txs.push(tx);
        }
        let content: Vec<_> = txs.iter().map(Content::Raw).collect();
        self.node.mine_block_with(&content)?;
        Ok(txs)
    }
}
