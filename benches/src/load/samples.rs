//! Things of a chain to ask about.

use std::collections::HashSet;

use anyhow::Context as _;
use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize_hex;
use electrumx_core::ScriptHash;

use crate::{Connection, GeneratedChain};

/// Blocks that transactions are taken from.
const BLOCKS: u32 = 200;
/// Transactions taken of each.
const TXS_A_BLOCK: u32 = 12;
/// Most history entries of a script that counts as a wallet's.
const WALLET_HISTORY: usize = 20;
/// Blocks whose merkle proofs fit into the server's cache all together.
const FEW_BLOCKS: usize = 20;

/// Transactions and scripts spread over a chain.
#[derive(Debug)]
pub struct Samples {
    /// Height of the tip.
    pub(super) tip: u32,
    /// Transactions and their heights.
    pub(super) txids: Vec<(String, u32)>,
    /// Transactions of few blocks, full ones.
    pub(super) few_blocks: Vec<(String, u32)>,
    /// Different scripts as wallets have them: no exchanges.
    pub(super) scripts: Vec<ScriptHash>,
    /// History entries of all of `scripts`.
    pub(super) entries: usize,
    /// A script with a very long history, and its entries.
    pub(super) busy: Option<(ScriptHash, usize)>,
}

impl Samples {
    /// Asks a server for them.
    ///
    /// # Errors
    /// When the connection breaks, or the chain has no transactions.
    pub fn collect(server: &mut Connection) -> anyhow::Result<Self> {
        let tip = height(server)?;
        let mut txids = Vec::new();
        let mut blocks = Vec::new();
        let mut scripts = HashSet::new();
        let step = (tip / BLOCKS).max(1);
        for height in (1..=tip).rev().step_by(step as usize) {
            for position in 0..TXS_A_BLOCK {
                // The coinbase, and others throughout a block of common size.
                let position = position * 250;
                let question = format!(
                    r#""blockchain.transaction.id_from_pos","params":[{height},{position}]"#
                );
                let reply = server.ask(&question)?;
                let Some(txid) = text_result(&reply) else { break };
                let question = format!(r#""blockchain.transaction.get","params":["{txid}"]"#);
                let raw = server.ask(&question)?;
                let raw =
                    text_result(&raw).with_context(|| format!("transaction {txid}: {raw}"))?;
                let tx: Transaction = deserialize_hex(raw)?;
                let outputs = tx.output.iter().map(|output| &output.script_pubkey);
                let outputs = outputs.filter(|script| !script.is_op_return());
                scripts.extend(outputs.map(|script| ScriptHash::of_script(script.as_bytes())));
                txids.push((txid.to_owned(), height));
                if position == (TXS_A_BLOCK - 1) * 250 {
                    blocks.push(height);
                }
            }
        }
        anyhow::ensure!(!scripts.is_empty(), "the chain has no transactions to ask about");
        blocks.truncate(FEW_BLOCKS);
        let few_blocks = txids.iter().filter(|(_, height)| blocks.contains(height));
        let few_blocks = few_blocks.cloned().collect();
        let busy = GeneratedChain::busy_script();
        let busy = Some((busy, history_len(server, &busy)?)).filter(|(_, entries)| *entries > 0);
        // In an order of its own, so that neighbours in the chain are not asked for one after another.
        let mut scripts: Vec<_> = scripts.into_iter().collect();
        scripts.sort_unstable_by_key(|script| *script.as_bytes());
        let mut samples = Self { tip, txids, few_blocks, scripts: Vec::new(), entries: 0, busy };
        for script in scripts {
            let entries = history_len(server, &script)?;
            if entries <= WALLET_HISTORY {
                samples.scripts.push(script);
                samples.entries += entries;
            }
        }
        Ok(samples)
    }
}

fn height(server: &mut Connection) -> anyhow::Result<u32> {
    let reply = server.ask(r#""blockchain.headers.subscribe","params":[]"#)?;
    let digits = reply.split(r#""height":"#).nth(1).context("no height in the reply")?;
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

fn history_len(server: &mut Connection, script: &ScriptHash) -> anyhow::Result<usize> {
    let reply =
        server.ask(&format!(r#""blockchain.scripthash.get_history","params":["{script}"]"#))?;
    Ok(reply.matches("tx_hash").count())
}

/// The result of a reply, when it is text.
fn text_result(reply: &str) -> Option<&str> {
    reply.split(r#""result":""#).nth(1)?.split('"').next()
}
