//! Things of a chain to ask about.

use std::collections::HashMap;

use anyhow::Context as _;
use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize_hex;
use electrumx_core::ScriptHash;

use crate::{Connection, GeneratedChain};

/// Blocks that transactions are taken from.
const BLOCKS: u32 = 200;
/// Transactions taken of each, and how far apart they are: blocks of common size have 3,100.
const TXS_A_BLOCK: u32 = 60;
const APART: u32 = 50;
/// Most history entries of a script that counts as a wallet's.
const WALLET_HISTORY: usize = 100;
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
    /// Different scripts as wallets have them: each of the chain is as likely as any other, exchanges left out.
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
        let mut scripts = HashMap::new();
        let step = (tip / BLOCKS).max(1);
        for height in (1..=tip).rev().step_by(step as usize) {
            for position in 0..TXS_A_BLOCK {
                // Not the coinbases: the first ones fund all that follows, and their scripts are busy.
                let position = position * APART + 1;
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
                for script in outputs {
                    let script = ScriptHash::of_script(script.as_bytes());
                    scripts.entry(script).or_insert_with(Vec::new).push(txid.to_owned());
                }
                txids.push((txid.to_owned(), height));
                if position > (TXS_A_BLOCK - 1) * APART {
                    blocks.push(height);
                }
            }
        }
        anyhow::ensure!(!scripts.is_empty(), "the chain has no transactions to ask about");
        blocks.truncate(FEW_BLOCKS);
        let few_blocks = txids.iter().filter(|(_, height)| blocks.contains(height));
        let few_blocks = few_blocks.cloned().collect();
        let busy = GeneratedChain::busy_script();
        let entries = history(server, &busy)?.matches("tx_hash").count();
        let busy = Some((busy, entries)).filter(|(_, entries)| *entries > 0);
        // In an order of its own, so that neighbours in the chain are not asked for one after another.
        let mut scripts: Vec<_> = scripts.into_iter().collect();
        scripts.sort_unstable_by_key(|(script, _)| *script.as_bytes());
        let mut samples = Self { tip, txids, few_blocks, scripts: Vec::new(), entries: 0, busy };
        for (script, txids) in scripts {
            let history = history(server, &script)?;
            let entries = history.matches("tx_hash").count();
            // A script is found by any of its outputs, but the first of its transactions is only one.
            let is_found_by_first = text_of(&history, r#""tx_hash":""#)
                .is_some_and(|first| txids.iter().any(|txid| txid == first));
            if is_found_by_first && entries <= WALLET_HISTORY {
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

fn history(server: &mut Connection, script: &ScriptHash) -> anyhow::Result<String> {
    server.ask(&format!(r#""blockchain.scripthash.get_history","params":["{script}"]"#))
}

/// The result of a reply, when it is text.
fn text_result(reply: &str) -> Option<&str> {
    text_of(reply, r#""result":""#)
}

/// The text that follows some other up to the next quotation mark.
fn text_of<'a>(reply: &'a str, before: &str) -> Option<&'a str> {
    reply.split(before).nth(1)?.split('"').next()
}
