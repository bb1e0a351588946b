//! Every script, transaction and header of a chain with everything in it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{OutPoint, ScriptBuf};
use electrumx_testkit::{
    Coins, Content, ElectrumClient, Regtest, ScriptKind, Traffic, Truth, is_indexed, scripthash_hex,
};
use serde_json::{Value, json};

use crate::common::{Setup, ask, expect_error};
use crate::compare::fold;

/// Payments in the fullest block.
const MANY: usize = 300;

#[test]
fn every_script_transaction_and_header_answers_as_a_naive_scan_does() {
    let setup = Setup::with(Regtest::builder(), make_chain).unwrap();
    let mut truth = Truth::default();
    setup.settle_all(&mut truth).unwrap();
    assert!(truth.blocks().iter().any(|block| block.txdata.len() > MANY));

    let client = &mut setup.client().unwrap();
    op_return_and_unknown_scripts_have_no_history(client, &truth).unwrap();
    verbose_transactions_are_the_nodes(client, &setup.node, &truth).unwrap();
    header_ranges(client, &truth).unwrap();
    let newest = &mut ElectrumClient::connect_version(setup.server.tcp_addr(), "1.6").unwrap();
    header_ranges_since_1_6(newest, &truth).unwrap();
    header_proofs(client, &truth).unwrap();
    unknown_places_are_errors(client, &truth).unwrap();

    // The same again by the path of single blocks at the tip, with all of it taken off by and by.
    let mut coins = Coins::new(&setup.node, 2);
    coins.mature(3).unwrap();
    every_kind(&setup.node, &mut coins).unwrap();
    setup.settle_all(&mut truth).unwrap();
}

/// A chain with all types of scripts, reuse, full and empty blocks, and spends within a block.
fn make_chain(node: &Regtest) -> Result<()> {
    let mut traffic = Traffic::new(node, 1);
    traffic.coins.mature(12)?;
    traffic.coins.split(MANY + 60, 200_000)?;
    node.mine(1)?;

    // Many transactions in one block, of all types that pass through mempools.
    for kind in ScriptKind::POOLED.into_iter().cycle().take(MANY) {
        let outputs = [(traffic.coins.script(kind), 60_000), (traffic.coins.script(kind), 40_000)];
        traffic.coins.pay(&outputs)?;
    }
    ensure!(node.raw_mempool()?.len() == MANY, "too few payments");
    node.mine(1)?;
    traffic.send(100)?;
    node.mine(1)?;
    node.mine_block_with(&[])?;
    // Those that do not, some spent in the block that made them.
    traffic.mine_bare(40)?;
    for _ in 0..6 {
        traffic.send(12)?;
        node.mine(1)?;
    }
    node.mine_block_with(&[])?;

    let coins = &mut traffic.coins;
    coins.refresh()?;
    every_kind(node, coins)?;
    reuse(node, coins)?;

    // A chain of spends within one block, of a length that mempools allow.
    coins.chain(20, ScriptKind::P2tr, 3_000_000)?;
    coins.chain(20, ScriptKind::P2wsh, 3_000_000)?;
    node.mine(1)?;
    node.mine(3)?;
    Ok(())
}

/// Pays to scripts of every kind and spends them: in a later block, and in the same one.
fn every_kind(node: &Regtest, coins: &mut Coins) -> Result<()> {
    let outputs = |coins: &mut Coins| -> Vec<(ScriptBuf, u64)> {
        ScriptKind::SPENDABLE.iter().map(|&kind| (coins.script(kind), 50_000)).collect()
    };
    let paid = outputs(coins);
    let mut with_data = paid.clone();
    with_data.push((coins.script(ScriptKind::OpReturn), 0));
    with_data.push((coins.script(ScriptKind::OpReturn), 700));
    let first = coins.build(&with_data)?;
    coins.learn(&first);
    node.mine_block_with(&[Content::Raw(&first)])?;

    // All of them spent one block later, and what this makes in the same block.
    let inputs: Vec<_> = outpoints(&first, paid.len());
    let again = outputs(coins);
    let second = coins.build_spend(&inputs, &halved(&again))?;
    coins.learn(&second);
    let inputs = outpoints(&second, again.len());
    let target = coins.script(ScriptKind::Multisig);
    let third = coins.build_spend(&inputs, &[(target, 10_000)])?;
    coins.learn(&third);
    node.mine_block_with(&[Content::Raw(&second), Content::Raw(&third)])?;

    // Each kind in a transaction of its own too, and it stays.
    let stay = outputs(coins);
    let mut txs = Vec::new();
    for output in stay {
        let tx = coins.build(&[output])?;
        coins.learn(&tx);
        txs.push(tx);
    }
    let content: Vec<_> = txs.iter().map(Content::Raw).collect();
    node.mine_block_with(&content)?;
    Ok(())
}

/// One script many times: in one transaction, in one block, in several, spent to itself.
fn reuse(node: &Regtest, coins: &mut Coins) -> Result<()> {
    let script = coins.script(ScriptKind::P2wpkh);
    let thrice = vec![(script.clone(), 60_000); 3];
    let tx = coins.pay(&thrice)?;
    coins.pay(&[(script.clone(), 70_000)])?;
    node.mine_to_script(&script, 2)?;
    coins.pay(&thrice)?;
    coins.spend(&outpoints(&tx, 3)[..2], &[(script.clone(), 100_000)])?;
    node.mine_to_script(&script, 1)?;
    Ok(())
}

fn outpoints(tx: &bitcoin::Transaction, n: usize) -> Vec<OutPoint> {
    let txid = tx.compute_txid();
    (0..).take(n).map(|vout| OutPoint::new(txid, vout)).collect()
}

fn halved(outputs: &[(ScriptBuf, u64)]) -> Vec<(ScriptBuf, u64)> {
    outputs.iter().map(|(script, sats)| (script.clone(), sats / 2)).collect()
}

fn op_return_and_unknown_scripts_have_no_history(
    client: &mut ElectrumClient,
    truth: &Truth,
) -> Result<()> {
    let all = truth.blocks().iter().flat_map(|block| &block.txdata).flat_map(|tx| &tx.output);
    let mut scripts: BTreeSet<_> =
        all.map(|out| &out.script_pubkey).filter(|script| !is_indexed(script)).collect();
    ensure!(scripts.len() > 5, "too few OP_RETURN outputs: {}", scripts.len());
    let genesis = &truth.blocks()[0].txdata[0].output[0].script_pubkey;
    let unknown = ScriptBuf::from_bytes(vec![0x52, 0x75, 0x51]);
    scripts.extend([genesis, &unknown]);
    for script in scripts {
        let hash = json!([scripthash_hex(script)]);
        let answers = ask(
            client,
            [
                ("blockchain.scripthash.get_history", hash.clone()),
                ("blockchain.scripthash.get_mempool", hash.clone()),
                ("blockchain.scripthash.listunspent", hash.clone()),
                ("blockchain.scripthash.get_balance", hash.clone()),
                ("blockchain.scripthash.subscribe", hash.clone()),
                ("blockchain.scripthash.unsubscribe", hash.clone()),
                ("blockchain.scripthash.unsubscribe", hash),
            ],
        )?;
        let expected = [
            json!([]),
            json!([]),
            json!([]),
            json!({"confirmed": 0, "unconfirmed": 0}),
            Value::Null,
            json!(true),
            json!(false),
        ]
        .map(Ok);
        ensure!(answers == expected, "{script}: {answers:?}");
    }
    Ok(())
}

fn verbose_transactions_are_the_nodes(
    client: &mut ElectrumClient,
    node: &Regtest,
    truth: &Truth,
) -> Result<()> {
    for (block, hash) in truth.blocks().iter().zip(truth.hashes()).skip(1) {
        let txids: Vec<_> = block.txdata.iter().map(|tx| tx.compute_txid().to_string()).collect();
        let asked = txids.iter().map(|txid| json!([txid, true, hash.to_string()]));
        let expected = node.batch("getrawtransaction", &asked.collect::<Vec<_>>())?;
        let calls = txids.iter().map(|txid| ("blockchain.transaction.get", json!([txid, true])));
        for (answer, expected) in ask(client, calls)?.into_iter().zip(expected) {
            ensure!(answer.as_ref() == Ok(&expected), "{answer:?} instead of {expected}");
        }
    }
    Ok(())
}

/// Ranges that begin, end and lie everywhere: the first one asked for, and how many.
fn ranges(truth: &Truth) -> impl Iterator<Item = (u32, u32)> + use<> {
    let tip = truth.tip();
    [0, 1, 50, tip - 1, tip, tip + 1, tip + 1000]
        .into_iter()
        .flat_map(|start| [0, 1, 2, 49, 2016, 2017, 1_000_000].map(|count| (start, count)))
}

fn headers_in(truth: &Truth, start: u32, count: u32) -> Vec<String> {
    let headers = truth.blocks().iter().map(|block| serialize_hex(&block.header));
    headers.skip(start as usize).take(count.min(2016) as usize).collect()
}

fn header_ranges(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    for (start, count) in ranges(truth) {
        let answer = client.call("blockchain.block.headers", json!([start, count]))?;
        let headers = headers_in(truth, start, count);
        let expected = json!({"hex": headers.concat(), "count": headers.len(), "max": 2016});
        ensure!(answer == expected, "{start} {count}: {answer} instead of {expected}");
    }
    Ok(())
}

fn header_ranges_since_1_6(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    let tip = truth.tip();
    for (start, count) in ranges(truth) {
        let answer = client.call("blockchain.block.headers", json!([start, count]))?;
        let headers = headers_in(truth, start, count);
        let expected = json!({"headers": headers, "count": headers.len(), "max": 2016});
        ensure!(answer == expected, "{start} {count}: {answer} instead of {expected}");

        let answer = client.call("blockchain.block.headers", json!([start, count, tip]))?;
        let mut expected = expected;
        if !headers.is_empty() {
            let last = start + u32::try_from(headers.len())? - 1;
            let (branch, root) = truth.header_proof(last, tip);
            expected["branch"] = json!(branch);
            expected["root"] = json!(root);
        }
        ensure!(answer == expected, "{start} {count} {tip}: {answer} instead of {expected}");
    }
    Ok(())
}

fn header_proofs(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    let tip = truth.tip();
    let mut pairs: Vec<_> = (0..=tip).map(|height| (height, tip)).collect();
    // Trees of every size, with the last leaf and one in the middle.
    pairs.extend((1..=tip).flat_map(|cp| [(cp, cp), (cp / 2, cp), (0, cp)]));
    let calls = pairs.iter().map(|pair| ("blockchain.block.header", json!([pair.0, pair.1])));
    for (answer, &(height, cp)) in ask(client, calls)?.into_iter().zip(&pairs) {
        let answer = answer.with_context(|| format!("proof of {height} in {cp}"))?;
        let (branch, root) = truth.header_proof(height, cp);
        let header = serialize_hex(&truth.blocks()[height as usize].header);
        let expected = json!({"header": header, "branch": branch, "root": root});
        ensure!(answer == expected, "{height} {cp}: {answer} instead of {expected}");
        let leaf = truth.hashes()[height as usize].to_raw_hash();
        let found = fold(&answer["branch"], leaf, height as usize)?.to_string();
        ensure!(found == root, "the proof of {height} in {cp} leads to {found}, not {root}");
    }
    Ok(())
}

fn unknown_places_are_errors(client: &mut ElectrumClient, truth: &Truth) -> Result<()> {
    let tip = truth.tip();
    let last = truth.blocks()[tip as usize].txdata[0].compute_txid().to_string();
    let before = truth.blocks()[tip as usize - 1].txdata[0].compute_txid().to_string();
    let unknown = "11".repeat(32);
    let header = "blockchain.block.header";
    let headers = "blockchain.block.headers";
    let position = "blockchain.transaction.id_from_pos";
    let merkle = "blockchain.transaction.get_merkle";
    for (method, params) in [
        (header, json!([tip + 1])),
        (header, json!([u32::MAX])),
        (header, json!([u64::MAX])),
        (header, json!([-1])),
        (header, json!([0, tip + 1])),
        (header, json!([5, 4])),
        (headers, json!([0, 5, tip + 1])),
        (headers, json!([0, 5, 3])),
        (headers, json!([-1, 5])),
        (headers, json!([0, -1])),
        (position, json!([tip + 1, 0])),
        (position, json!([tip, 1])),
        (position, json!([tip, 1, true])),
        (position, json!([tip, u32::MAX])),
        (position, json!([-1, 0])),
        (position, json!([0, -1])),
        (merkle, json!([before, tip])),
        (merkle, json!([last, tip - 1])),
        (merkle, json!([last, tip + 1])),
        (merkle, json!([unknown, tip])),
    ] {
        expect_error(client, method, &params, 1)?;
    }
    let get = "blockchain.transaction.get";
    let text = "No such mempool or blockchain transaction";
    // The node does not give out the genesis block's transaction, whatever it is asked with.
    let genesis = truth.blocks()[0].txdata[0].compute_txid().to_string();
    for params in
        [json!([unknown]), json!([unknown, false]), json!([unknown, true]), json!([genesis])]
    {
        let message = expect_error(client, get, &params, 2)?;
        ensure!(message.starts_with(text), "{message}");
    }
    Ok(())
}
