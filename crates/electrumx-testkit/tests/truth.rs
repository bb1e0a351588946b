//! The coins of every script type, and the naive index against the node's own accounts.
#![allow(clippy::unwrap_used, reason = "the helpers here are test code too")]

use std::time::Duration;

use bitcoin::consensus::encode::deserialize;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf};
use electrumx_testkit::{
    Chain, Coins, Content, Life, NodeClient, RealChain, Regtest, Replacement, ScriptKind, Traffic,
    Truth, is_indexed, life, scripthash_hex, single_blocks,
};
use serde_json::json;

/// The node's set of unspent outputs is the same: number, sum, and each one with its script.
fn check_against_node(truth: &Truth, node: &NodeClient) {
    let info = node.call("gettxoutsetinfo", &[json!("none")]).unwrap();
    assert_eq!(info["txouts"].as_u64().unwrap(), truth.all_utxos().len() as u64);
    let total: u64 = truth.all_utxos().values().map(|utxo| utxo.value).sum();
    assert_eq!(Amount::from_btc(info["total_amount"].as_f64().unwrap()).unwrap().to_sat(), total);

    // The empty script has no descriptor.
    let scripts: Vec<_> = truth
        .scripts()
        .filter(|script| !script.is_empty())
        .map(|script| json!(format!("raw({script:x})")))
        .collect();
    let empty = truth.utxos(&ScriptBuf::new());
    let scan = node.call("scantxoutset", &[json!("start"), json!(scripts)]).unwrap();
    let found = scan["unspents"].as_array().unwrap();
    assert_eq!(found.len() + empty.len(), truth.all_utxos().len());
    for item in found {
        let txid = item["txid"].as_str().unwrap().parse().unwrap();
        let vout = item["vout"].as_u64().unwrap().try_into().unwrap();
        let utxo = &truth.all_utxos()[&OutPoint { txid, vout }];
        assert_eq!(utxo.script.to_hex_string(), item["scriptPubKey"]);
        assert_eq!(json!(utxo.height), item["height"]);
        assert!(truth.utxos(&utxo.script).contains(&utxo));
    }
}

#[test]
fn every_kind_is_made_and_spent() {
    let node = Regtest::start().unwrap();
    let mut coins = Coins::new(&node, 7);
    coins.mature(2).unwrap();
    let scripts: Vec<ScriptBuf> =
        ScriptKind::SPENDABLE.iter().map(|kind| coins.script(*kind)).collect();
    let mut outputs: Vec<_> = scripts.iter().map(|s| (s.clone(), 50_000)).collect();
    let burnt = coins.script(ScriptKind::OpReturn);
    outputs.push((burnt.clone(), 1));
    let made = coins.build(&outputs).unwrap();
    node.mine_block_with(&[Content::Raw(&made)]).unwrap();
    coins.learn(&made);
    let mut truth = Truth::scan(&node).unwrap();
    for script in &scripts {
        assert_eq!(truth.history(script).len(), 1, "{script}");
        assert_eq!(truth.balance_json(script), json!({"confirmed": 50_000, "unconfirmed": 0}));
    }
    assert!(!is_indexed(&burnt) && truth.status(&burnt).is_none());

    // Each on its own, so that an error says which; through the mempool, so that policy is content too.
    for (vout, kind) in (0..).zip(ScriptKind::SPENDABLE) {
        let coin = OutPoint::new(made.compute_txid(), vout);
        coins.spend(&[coin], &[]).unwrap_or_else(|error| panic!("{kind:?}: {error:#}"));
    }
    truth.scan_mempool(&node).unwrap();
    for script in &scripts {
        assert_eq!(truth.listunspent_json(script), json!([]));
        assert_eq!(truth.unconfirmed(script)[0].height, 0);
        assert_eq!(
            truth.balance_json(script),
            json!({"confirmed": 50_000, "unconfirmed": -50_000})
        );
    }
    node.mine(1).unwrap();
    truth.update(&node).unwrap();
    for script in &scripts {
        let heights: Vec<_> = truth.history(script).iter().map(|(height, _)| *height).collect();
        assert_eq!(heights, [103, 104], "{script}");
        assert_eq!(truth.balance(script), 0);
    }
    check_against_node(&truth, &node);
}

#[test]
fn chains_and_replacements() {
    let node = Regtest::start().unwrap();
    let mut coins = Coins::new(&node, 8);
    coins.mature(3).unwrap();
    let chain = coins.chain(20, ScriptKind::P2tr, 1_000_000).unwrap();
    let mut truth = Truth::default();
    truth.scan_mempool(&node).unwrap();
    let heights: Vec<_> = chain
        .iter()
        .map(|tx| truth.unconfirmed(&tx.output[0].script_pubkey))
        .map(|list| list.iter().map(|entry| entry.height).collect::<Vec<_>>())
        .collect();
    assert_eq!(heights[0], [0, -1]);
    assert_eq!(heights[1], [-1, -1]);
    assert_eq!(heights[19], [-1]);

    let script = coins.script(ScriptKind::P2wpkh);
    let first = coins.pay(&[(script.clone(), 70_000)]).unwrap();
    let second = coins.replace(&first, 5_000).unwrap();
    truth.scan_mempool(&node).unwrap();
    assert_eq!(truth.unconfirmed(&script).len(), 1);
    assert_eq!(truth.unconfirmed(&script)[0].txid, second.compute_txid());
    let entry = node.call("getmempoolentry", &[json!(second.compute_txid().to_string())]).unwrap();
    let fee = Amount::from_btc(entry["fees"]["base"].as_f64().unwrap()).unwrap();
    assert_eq!(truth.unconfirmed(&script)[0].fee, fee.to_sat());

    // In an order of one's own, one of them never sent before.
    let raw = coins.build(&[(script.clone(), 1_000)]).unwrap();
    let pooled = Content::Pooled(second.compute_txid());
    node.mine_block_with(&[Content::Raw(&raw), pooled]).unwrap();
    truth.update(&node).unwrap();
    let height = truth.tip();
    let order = [(height, raw.compute_txid()), (height, second.compute_txid())];
    assert_eq!(truth.history(&script), order);
    let (place, branch) = truth.tx_merkle(&raw.compute_txid()).unwrap();
    assert_eq!((place.height, place.pos, branch.len()), (height, 1, 2));
}

#[test]
fn follows_reorganisations() {
    let node = Regtest::start().unwrap();
    let mut traffic = Traffic::new(&node, 9);
    traffic.coins.mature(10).unwrap();
    traffic.coins.split(60, 1_000_000).unwrap();
    node.mine(1).unwrap();
    let mut truth = Truth::default();
    for round in 0..6 {
        let sent = traffic.send(15).unwrap();
        assert!(sent.len() > 10, "the node took only {}", sent.len());
        if round % 2 == 0 {
            traffic.mine_bare(8).unwrap();
        } else {
            node.mine(1).unwrap();
        }
        if round % 2 == 1 {
            truth.update(&node).unwrap();
            let how = if round == 1 { Replacement::Empty } else { Replacement::Mempool };
            node.reorg(2, 2, how).unwrap();
            traffic.coins.refresh().unwrap();
        }
        truth.scan_mempool(&node).unwrap();
        check_against_node(&truth, &node);
    }
    let fresh = Truth::scan(&node).unwrap();
    truth.update(&node).unwrap();
    assert_eq!(truth.hashes(), fresh.hashes());
    for script in fresh.scripts() {
        assert_eq!(truth.status(script), fresh.status(script));
    }
    let (_, root) = fresh.header_proof(5, fresh.tip());
    assert_eq!(root, fresh.header_proof(fresh.tip(), fresh.tip()).1);
}

/// Needs the data folder; a fresh clone has none, and the rest of the suite does not depend on it.
#[test]
fn real_chain_agrees() {
    for (name, chain) in [("btc-mainnet", Chain::Mainnet), ("btc-testnet3", Chain::Testnet3)] {
        let Some(real) = RealChain::open(name).unwrap() else { return };
        let node = real.start_node(chain).unwrap();
        let truth = Truth::scan(&node).unwrap();
        let lines = real.truth().unwrap();
        assert!(lines.len() > 400);
        for line in lines {
            let script = ScriptBuf::from_hex(&line.script).unwrap();
            assert_eq!(scripthash_hex(&script), line.scripthash);
            assert_eq!(truth.status(&script).unwrap(), line.status);
            assert_eq!(truth.balance(&script), line.balance);
            let unspent: Vec<_> = truth
                .utxos(&script)
                .iter()
                .map(|u| (u.outpoint.txid.to_string(), u.outpoint.vout, u.height, u.value))
                .collect();
            assert_eq!(unspent, line.unspent);
        }
    }
    for single in single_blocks().unwrap() {
        let block: Block = deserialize(&single.raw().unwrap()).unwrap();
        assert_eq!(block.block_hash().to_string(), single.hash);
        assert_eq!(block.txdata.len(), single.txs);
    }
}

#[test]
fn life_goes_on() {
    let node = Regtest::start().unwrap();
    let settings = Life {
        interval: Duration::from_millis(50),
        payments: 4,
        reorg_every: 3,
        ..Life::default()
    };
    let watch = node.client();
    let mut first = None;
    life(&node, &settings, || {
        let height = watch.block_count().unwrap();
        height >= 112 && height > *first.get_or_insert(height) + 12
    })
    .unwrap();
    let mut truth = Truth::default();
    truth.scan_mempool(&node).unwrap();
    check_against_node(&truth, &node);
    let spends: usize = truth.blocks().iter().map(|block| block.txdata.len() - 1).sum();
    assert!(spends > 20, "only {spends}");
}
