//! The parser against the `bitcoin` crate.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "small made-up chains")]

use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{Block, OutPoint};

use super::*;
use crate::block::ParsedTxs;
use crate::hash::{HashXKey, ScriptHash};

const KEY: HashXKey = HashXKey::from_bytes([7; 16]);

/// Checks every fact of a raw block against the `bitcoin` crate's parser.
fn assert_parsed(raw: &[u8]) {
    let block: Block = bitcoin::consensus::deserialize(raw).unwrap();
    let (header, txs) = ParsedTxs::of_block(&Bitcoin::new(Network::Mainnet), KEY, raw).unwrap();
    assert_eq!(header.hash, block.block_hash());
    assert_eq!(header.prev_hash, block.header.prev_blockhash);
    assert_eq!(header.merkle_root, block.header.merkle_root.to_byte_array());
    assert_eq!(header.raw, serialize(&block.header));
    assert_eq!(txs.iter().len(), block.txdata.len());
    for (tx, wanted) in txs.iter().zip(&block.txdata) {
        assert_eq!(tx.facts.txid, wanted.compute_txid());
        assert_eq!(tx.facts.weight, wanted.weight().to_wu());
        let bytes = &raw[tx.facts.offset as usize..(tx.facts.offset + tx.facts.size) as usize];
        assert_eq!(bytes, serialize(wanted));
        let prevouts: Vec<OutPoint> = wanted
            .input
            .iter()
            .map(|input| input.previous_output)
            .filter(|p| !p.is_null())
            .collect();
        assert_eq!(tx.inputs, prevouts);
        let outputs = wanted.output.iter().enumerate();
        let outputs: Vec<_> = outputs
            .filter(|(_, output)| !output.script_pubkey.is_op_return())
            .map(|(vout, output)| {
                let scripthash = ScriptHash::of_script(output.script_pubkey.as_bytes());
                (vout as u32, KEY.hashx(&scripthash), output.value.to_sat())
            })
            .collect();
        let got: Vec<_> = tx.outputs.iter().map(|o| (o.vout, o.hashx, o.value)).collect();
        assert_eq!(got, outputs);
        let sum: u64 = wanted.output.iter().map(|output| output.value.to_sat()).sum();
        assert_eq!(tx.output_value, sum);
    }
}

#[test]
fn genesis_blocks_are_those_of_the_networks() {
    for (chain, network) in Bitcoin::CHAINS.iter().zip([
        bitcoin::Network::Bitcoin,
        bitcoin::Network::Testnet,
        bitcoin::Network::Testnet4,
        bitcoin::Network::Signet,
        bitcoin::Network::Regtest,
    ]) {
        let genesis = bitcoin::constants::genesis_block(network);
        assert_eq!(chain.genesis_hash(), genesis.block_hash(), "{chain}");
        assert_eq!(
            Bitcoin::new(chain.network).header_hash(&serialize(&genesis.header)),
            genesis.block_hash()
        );
        assert_parsed(&serialize(&genesis));
        assert_eq!(chain.magic, network.magic().to_bytes());

        let coin = Bitcoin::new(chain.network);
        let link = coin.chain_link(&serialize(&genesis)).unwrap();
        assert_eq!((link.hash, link.prev_hash), (genesis.block_hash(), BlockHash::all_zeros()));
        let work = genesis.header.work().to_string().parse().unwrap();
        assert_eq!(ChainLink::work(link.target), work);
        let mut header = serialize(&genesis.header);
        assert_eq!(coin.chain_link(&header[..79]), None);
        header[72..76].fill(0);
        assert_eq!(coin.chain_link(&header), None, "a target of nothing cannot be met");
        for bits in [0x2100_ffff_u32, 0x2080_0000, 0x2200_7fff, 0xff00_0001, 0xdab5_bffa] {
            header[72..76].copy_from_slice(&bits.to_le_bytes());
            assert_eq!(coin.chain_link(&header), None, "{bits:x} is no target of a block");
        }
    }
}

#[test]
fn networks_are_found_by_name_in_any_case() {
    for (name, network) in [
        ("mainnet", Network::Mainnet),
        ("TESTNET", Network::Testnet3),
        ("testnet3", Network::Testnet3),
        ("testnet4", Network::Testnet4),
        ("Signet", Network::Signet),
        ("regtest", Network::Regtest),
    ] {
        assert_eq!(Bitcoin::on(name).unwrap().chain().network, network);
    }
    assert!(Bitcoin::on("florinet").is_none());
}

#[test]
fn every_cut_and_every_surplus_byte_is_refused() {
    let raw = serialize(&bitcoin::constants::genesis_block(bitcoin::Network::Regtest));
    let coin = Bitcoin::new(Network::Regtest);
    for len in 0..raw.len() {
        assert!(ParsedTxs::of_block(&coin, KEY, &raw[..len]).is_err(), "{len}");
    }
    let long = [&raw[..], &[0]].concat();
    let err = ParsedTxs::of_block(&coin, KEY, &long).unwrap_err();
    assert_eq!(err.to_string(), "not a valid block: 1 of 286 bytes are left over");
}

#[test]
fn a_changed_bit_in_the_transactions_is_noticed() {
    let raw = serialize(&bitcoin::constants::genesis_block(bitcoin::Network::Regtest));
    let coin = Bitcoin::new(Network::Regtest);
    for at in 81..raw.len() {
        let mut raw = raw.clone();
        raw[at] ^= 1;
        assert!(ParsedTxs::of_block(&coin, KEY, &raw).is_err(), "byte {at}");
    }
}
