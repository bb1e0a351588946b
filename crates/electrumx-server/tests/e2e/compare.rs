//! Holds what the server answers against the truth.

use anyhow::{Context, Result, bail, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{Script, ScriptBuf};
use electrumx_testkit::{ElectrumClient, Truth, merkle_branch, scripthash_hex};
use serde_json::{Value, json};

use crate::common::ask;

/// Compares history, mempool, balance, unspent outputs and status of every script of chain and mempool.
pub(crate) fn compare_scripts(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    // The mempool first: if anything is late, it is that.
    let mut scripts: Vec<&ScriptBuf> = truth.pool_scripts().collect();
    scripts.extend(truth.scripts().filter(|script| truth.unconfirmed(script).is_empty()));
    for some in scripts.chunks(200) {
        let calls = some.iter().flat_map(|script| questions(script));
        let answers = ask(client, calls)?;
        let expected = some.iter().flat_map(|script| answers_of(truth, script));
        let asked = some.iter().flat_map(|script| questions(script));
        for ((answer, expected), (method, params)) in answers.into_iter().zip(expected).zip(asked) {
            let answer = answer.with_context(|| format!("{method} {params}"))?;
            let answer = if method.ends_with("listunspent") { pool_sorted(answer) } else { answer };
            ensure!(answer == expected, "{method} {params}: {answer} instead of {expected}");
        }
    }
    Ok(())
}

const METHODS: [&str; 5] = [
    "blockchain.scripthash.get_history",
    "blockchain.scripthash.get_mempool",
    "blockchain.scripthash.get_balance",
    "blockchain.scripthash.listunspent",
    "blockchain.scripthash.subscribe",
];

fn questions(script: &Script) -> impl Iterator<Item = (&'static str, Value)> + use<> {
    let params = json!([scripthash_hex(script)]);
    METHODS.into_iter().map(move |method| (method, params.clone()))
}

fn answers_of(truth: &Truth, script: &Script) -> [Value; 5] {
    [
        truth.history_json(script),
        truth.mempool_json(script),
        truth.balance_json(script),
        truth.listunspent_json(script),
        json!(truth.status(script)),
    ]
}

/// The order of outputs that the mempool made is left to the server; they come last.
pub(crate) fn pool_sorted(mut list: Value) -> Value {
    if let Some(list) = list.as_array_mut() {
        let first = list.iter().position(|item| item["height"] == 0).unwrap_or(list.len());
        list[first..].sort_by_key(|item| {
            (item["tx_hash"].as_str().map(str::to_owned), item["tx_pos"].as_u64())
        });
    }
    list
}

/// Compares all headers, and of every transaction the bytes, the place and the merkle proof.
pub(crate) fn compare_chain(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    compare_headers(client, truth)?;
    for height in 0..=truth.tip() {
        compare_block(client, truth, height).with_context(|| format!("block {height}"))?;
    }
    Ok(())
}

fn compare_headers(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    let calls = (0..=truth.tip()).map(|height| ("blockchain.block.header", json!([height])));
    for (height, answer) in ask(client, calls)?.into_iter().enumerate() {
        let expected = json!(serialize_hex(&truth.blocks()[height].header));
        ensure!(answer.as_ref() == Ok(&expected), "header {height}: {answer:?} not {expected}");
    }
    Ok(())
}

fn compare_block(client: &mut ElectrumClient, truth: &Truth, height: u32) -> Result<()> {
    let block = &truth.blocks()[height as usize];
    let txids: Vec<_> = block.txdata.iter().map(|tx| tx.compute_txid().to_raw_hash()).collect();
    let mut calls = Vec::new();
    for (pos, txid) in txids.iter().enumerate() {
        let txid = txid.to_string();
        // The node itself does not give out the genesis block's transaction.
        let get = if height == 0 { "server.ping" } else { "blockchain.transaction.get" };
        let params = if height == 0 { json!([]) } else { json!([txid]) };
        calls.push((get, params));
        calls.push(("blockchain.transaction.get_merkle", json!([txid, height])));
        calls.push(("blockchain.transaction.id_from_pos", json!([height, pos])));
        calls.push(("blockchain.transaction.id_from_pos", json!([height, pos, true])));
    }
    let answers = ask(client, calls.iter().cloned())?;
    for (pos, answers) in answers.chunks(4).enumerate() {
        let (branch, _) = merkle_branch(&txids, pos);
        let branch: Vec<_> = branch.iter().map(ToString::to_string).collect();
        let txid = txids[pos].to_string();
        let raw = serialize_hex(&block.txdata[pos]);
        let expected = [
            if height == 0 { Value::Null } else { json!(raw) },
            json!({"block_height": height, "pos": pos, "merkle": branch}),
            json!(txid),
            json!({"tx_hash": txid, "merkle": branch}),
        ];
        for (answer, expected) in answers.iter().zip(&expected) {
            ensure!(answer.as_ref() == Ok(expected), "{txid}: {answer:?} not {expected}");
        }
        let proof = answers[1].as_ref().map(|answer| &answer["merkle"]).ok();
        let root = fold(proof.context("no proof")?, txids[pos], pos)?;
        ensure!(
            root == block.header.merkle_root.to_raw_hash(),
            "the proof of {txid} leads to {root}, not to the header's root"
        );
    }
    Ok(())
}

/// Follows a merkle proof as a wallet does, and returns the root it leads to.
pub(crate) fn fold(branch: &Value, leaf: sha256d::Hash, mut pos: usize) -> Result<sha256d::Hash> {
    let Some(branch) = branch.as_array() else { bail!("the branch is no list: {branch}") };
    let mut hash = leaf;
    for sibling in branch {
        let sibling: sha256d::Hash = sibling.as_str().context("no text in the branch")?.parse()?;
        let pair = if pos & 1 == 1 { [sibling, hash] } else { [hash, sibling] };
        hash = sha256d::Hash::hash(&pair.map(sha256d::Hash::to_byte_array).concat());
        pos >>= 1;
    }
    ensure!(pos == 0, "the branch is too short");
    Ok(hash)
}
