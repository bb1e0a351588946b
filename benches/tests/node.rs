//! Generated chains against a real node, which checks every rule.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use electrumx_benches::{BlockDir, Indexed, Shape};
use electrumx_core::Index as _;
use electrumx_testkit::{Regtest, wait_until};
use serde_json::json;

/// Blocks with hundreds of transactions, over a halving of the subsidy.
const SHAPE: Shape =
    Shape { blocks: 180, txs_per_block: 500, seed: 7, quiet_blocks: 110, busy_permille: 40 };

/// Compares the node's chain and UTXO set with what the generator says.
fn agrees(node: &Regtest, blocks: &BlockDir) -> Result<()> {
    let totals = blocks.totals();
    let tip = blocks.tip();
    wait_until(Duration::from_secs(120), "the node to reach the tip", || {
        let best = node.call("getbestblockhash", &[])?;
        anyhow::ensure!(best == json!(tip), "it is at {best}:\n{}", node.log_tail(5));
        Ok(())
    })?;
    let set = node.call("gettxoutsetinfo", &[json!("none")])?;
    assert_eq!(set["height"], json!(SHAPE.blocks));
    assert_eq!(set["txouts"], json!(totals.utxos));
    let amount = bitcoin::Amount::from_sat(totals.utxo_sat);
    assert_eq!(set["total_amount"].as_f64(), Some(amount.to_btc()));
    let stats = node.call("getchaintxstats", &[])?;
    assert_eq!(stats["txcount"], json!(totals.txs));
    Ok(())
}

fn regtest() -> electrumx_testkit::RegtestBuilder {
    // Nothing is taken on trust: all scripts are run.
    Regtest::builder().arg("-assumevalid=0").timeout(Duration::from_secs(120))
}

fn sizes(dir: &Path) -> Result<u64> {
    let files = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.metadata()?.len()));
    files.sum::<Result<u64>>()
}

#[test]
fn a_node_reindexes_obfuscated_files_to_the_same_tip_and_utxo_set() -> Result<()> {
    let datadir = tempfile::tempdir()?;
    let dir = datadir.path().join("regtest").join("blocks");
    let blocks = BlockDir::open_or_generate(&dir, SHAPE, true)?;
    let node = regtest().datadir(datadir.path()).arg("-reindex").start()?;
    agrees(&node, &blocks)?;
    assert_eq!(node.call("verifychain", &[json!(4), json!(0)])?, json!(true));
    Ok(())
}

#[test]
fn a_node_loads_plain_files_to_the_same_tip_and_utxo_set() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let blocks = BlockDir::open_or_generate(dir.path(), SHAPE, false)?;
    let file = dir.path().join("blk00000.dat");
    let node = regtest().arg(format!("-loadblock={}", file.display())).start()?;
    agrees(&node, &blocks)
}

#[test]
fn the_reader_returns_the_blocks_of_the_generator_and_a_folder_is_used_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let blocks = BlockDir::open_or_generate(dir.path(), SHAPE, true)?;
    let mut reader = blocks.blocks()?;
    for expected in electrumx_benches::GeneratedChain::new(SHAPE) {
        assert_eq!(reader.next_block()?, Some(expected.bytes.as_slice()));
    }
    assert_eq!(reader.next_block()?, None);

    let before = sizes(dir.path())?;
    let again = BlockDir::open_or_generate(dir.path(), SHAPE, true)?;
    assert_eq!((again.tip(), again.totals()), (blocks.tip(), blocks.totals()));
    assert_eq!(sizes(dir.path())?, before);
    let other = Shape { seed: 8, ..SHAPE };
    assert!(BlockDir::open_or_generate(dir.path(), other, true).is_err());
    Ok(())
}

#[test]
fn a_folder_is_indexed_to_its_tip_and_transactions() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let blocks = BlockDir::open_or_generate(dir.path(), SHAPE, true)?;
    let mut indexed = Indexed::new(&[])?;
    indexed.processor.sync(&mut blocks.source()?, &mut ())?;
    let view = indexed.store.view()?;
    let tip = view.tip().map(|tip| (tip.height, tip.hash.to_string()));
    assert_eq!(tip, Some((SHAPE.blocks, blocks.tip().to_owned())));
    assert_eq!(view.tx_count(), blocks.totals().txs);
    Ok(())
}
