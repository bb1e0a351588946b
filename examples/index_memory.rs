//! How are blocks indexed, and how is the index asked?
//!
//! Makes a short chain of its own: a coin is mined, then spent.
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::sync::Arc;

use electrumx_core::bitcoin::absolute::LockTime;
use electrumx_core::bitcoin::consensus::serialize;
use electrumx_core::bitcoin::constants::genesis_block;
use electrumx_core::bitcoin::transaction::Version;
use electrumx_core::bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
};
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::history::{StatusHasher, balance, history_tx_nums, resolve};
use electrumx_core::memory::MemoryStore;
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_core::{HashXKey, Index as _, RawBlock, ScriptHash};

fn main() -> Result<(), Box<dyn Error>> {
    let key = HashXKey::from_bytes(*b"draw me randomly");
    let store = Arc::new(MemoryStore::new(key));
    let coin = Bitcoin::new(Network::Regtest);
    let mut processor = Processor::new(coin, Arc::clone(&store), FlushPolicy::default())?;

    let alice = ScriptBuf::from_bytes(vec![0x51]); // OP_1: anybody's, in truth
    let bob = ScriptBuf::from_bytes(vec![0x52]);
    let genesis = genesis_block(electrumx_core::bitcoin::Network::Regtest);
    let mined = coinbase(1, &alice);
    let first = block_after(&genesis, vec![mined.clone()]);
    let spends = payment(OutPoint::new(mined.compute_txid(), 0), &bob);
    let second = block_after(&first, vec![coinbase(2, &alice), spends]);
    for (height, block) in (0..).zip([genesis, first, second]) {
        processor.advance(&RawBlock { height, bytes: serialize(&block) })?;
    }
    processor.flush()?;

    let view = store.view()?;
    println!("tip {:?}, {} transactions", view.tip().map(|tip| tip.height), view.tx_count());
    for (name, script) in [("alice", alice), ("bob", bob)] {
        let hashx = key.hashx(&ScriptHash::of_script(script.as_bytes()));
        let outputs = view.script_outputs(&hashx, 1000)?;
        println!("{name} has {} sat; history:", balance(&outputs));
        let mut status = StatusHasher::default();
        for tx in resolve(&*view, &history_tx_nums(&outputs))? {
            println!("  {} at height {}", tx.txid, tx.height);
            status.push(&tx.txid, tx.height.into());
        }
        println!("  status {:?}", status.finish());
    }
    Ok(())
}

fn coinbase(height: u8, to: &ScriptBuf) -> Transaction {
    // The height makes it unlike all others.
    transaction(OutPoint::null(), ScriptBuf::from_bytes(vec![1, height]), 5_000_000_000, to)
}

fn payment(coin: OutPoint, to: &ScriptBuf) -> Transaction {
    transaction(coin, ScriptBuf::new(), 4_999_990_000, to)
}

fn transaction(coin: OutPoint, sig: ScriptBuf, sats: u64, to: &ScriptBuf) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: coin,
            script_sig: sig,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(sats), script_pubkey: to.clone() }],
    }
}

/// The index checks links and merkle roots. Proof of work is the node's business.
fn block_after(parent: &Block, txdata: Vec<Transaction>) -> Block {
    let mut block = Block { header: parent.header, txdata };
    block.header.prev_blockhash = parent.block_hash();
    block.header.merkle_root = block.compute_merkle_root().expect("it has transactions");
    block
}
