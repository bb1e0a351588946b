//! Blocks of real chains, parsed as the `bitcoin` crate parses them.

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash as _;
use bitcoin::hex::FromHex as _;
use bitcoin::{Block, OutPoint};
use electrumx_core::block::{ParsedOutput, ParsedTxs};
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::{HashXKey, ScriptHash};
use electrumx_testkit::{RealChain, coin_blocks, real_data_or_note, single_blocks};

const KEY: HashXKey = HashXKey::from_bytes(*b"sixteen bytes...");

/// Parses a block with both and compares all there is; returns how many transactions it has.
fn check(raw: &[u8], which: &str) -> usize {
    // The networks of Bitcoin parse alike.
    let coin = Bitcoin::new(Network::Mainnet);
    let (header, txs) =
        ParsedTxs::of_block(&coin, KEY, raw).unwrap_or_else(|error| panic!("{which}: {error}"));
    let truth: Block = deserialize(raw).unwrap_or_else(|error| panic!("{which}: {error}"));

    assert_eq!(header.raw, serialize(&truth.header), "{which}");
    assert_eq!(header.hash, truth.block_hash(), "{which}");
    assert_eq!(header.prev_hash, truth.header.prev_blockhash, "{which}");
    assert_eq!(header.merkle_root, truth.header.merkle_root.to_byte_array(), "{which}");
    assert_eq!(truth.compute_merkle_root(), Some(truth.header.merkle_root), "{which}");
    assert_eq!(txs.iter().len(), truth.txdata.len(), "{which}");

    let (mut inputs, mut outputs) = (0, 0);
    for (index, (tx, truth)) in txs.iter().zip(&truth.txdata).enumerate() {
        let which = format!("{which}, transaction {index}");
        assert_eq!(tx.facts.txid, truth.compute_txid(), "{which}");
        assert_eq!(tx.facts.weight, truth.weight().to_wu(), "{which}");
        let (offset, size) = (tx.facts.offset as usize, tx.facts.size as usize);
        assert_eq!(raw[offset..offset + size], serialize(truth), "{which}");
        let prevouts = truth.input.iter().map(|input| input.previous_output);
        let spent: Vec<OutPoint> = prevouts.filter(|_| !truth.is_coinbase()).collect();
        assert_eq!(tx.inputs, spent, "{which}");
        let paid: Vec<ParsedOutput> = (0..)
            .zip(&truth.output)
            .filter(|(_, out)| !out.script_pubkey.is_op_return())
            .map(|(vout, out)| ParsedOutput {
                vout,
                hashx: KEY.hashx(&ScriptHash::of_script(out.script_pubkey.as_bytes())),
                value: out.value.to_sat(),
            })
            .collect();
        assert_eq!(tx.outputs, paid, "{which}");
        let value: u64 = truth.output.iter().map(|out| out.value.to_sat()).sum();
        assert_eq!(tx.output_value, value, "{which}");
        (inputs, outputs) = (inputs + spent.len(), outputs + paid.len());
    }
    assert_eq!(txs.counts(), (inputs, outputs), "{which}");
    truth.txdata.len()
}

#[test]
fn the_first_blocks_of_real_chains_parse_as_the_bitcoin_crate_parses_them() {
    if !real_data_or_note("the first blocks of real chains").unwrap() {
        return;
    }
    // Litecoin, Dogecoin and Monacoin had Bitcoin's formats in those days; the hash in their header chain
    // is the same too, only proof of work is not.
    for (name, blocks, txs) in [
        ("btc-mainnet", 4_522, 4_583),
        ("btc-testnet3", 4_001, 4_942),
        ("ltc-mainnet", 4_679, 4_696),
        ("doge-testnet", 4_001, 4_118),
        ("mona-mainnet", 256, 256),
    ] {
        let chain = RealChain::open(name).unwrap().unwrap();
        let (mut n, mut sum) = (0, 0);
        for (height, raw) in chain.blocks().unwrap().enumerate() {
            sum += check(&raw, &format!("{name}, block {height} of the file"));
            n += 1;
        }
        assert_eq!((n, sum), (blocks, txs), "{name}");
    }
}

#[test]
fn blocks_of_later_times_parse_as_the_bitcoin_crate_parses_them() {
    if !real_data_or_note("blocks of later times").unwrap() {
        return;
    }
    let blocks = single_blocks().unwrap();
    assert_eq!(blocks.len(), 21);
    for block in blocks {
        let which = format!("{} {}", block.net, block.height);
        assert_eq!(check(&block.raw().unwrap(), &which), block.txs, "{which}");
    }
}

#[test]
fn blocks_of_coins_with_bitcoins_formats_have_the_ids_their_nodes_gave() {
    if !real_data_or_note("blocks of other coins").unwrap() {
        return;
    }
    let mut checked = 0;
    for block in coin_blocks().unwrap() {
        // Other formats, and signatures of blocks, need parsers of their own.
        if block.layout != "standard" || block.trailing_bytes != Some(0) {
            continue;
        }
        let which = format!("{} {}", block.coin, block.height);
        let raw = Vec::from_hex(&block.raw).unwrap();
        check(&raw, &which);
        let coin = Bitcoin::new(Network::Mainnet);
        let (header, txs) = ParsedTxs::of_block(&coin, KEY, &raw).unwrap();
        let ids: Vec<_> = txs.iter().map(|tx| tx.facts.txid.to_string()).collect();
        assert_eq!(ids, block.txids, "{which}");
        if block.hash_is_sha256d_of_80 {
            assert_eq!(header.hash.to_string(), block.hash, "{which}");
        }
        checked += 1;
    }
    assert_eq!(checked, 63);
}
