//! Block and transaction bytes from the node.

use electrumx_core::HashXKey;
use electrumx_core::bitcoin::{Block, Transaction, consensus};
use electrumx_core::block::ParsedTxs;
use electrumx_core::coin::{Bitcoin, Network};

/// Our parser and the `bitcoin` crate's agree, and neither panics.
///
/// # Panics
/// When they do not.
pub fn parse_block(raw: &[u8]) {
    let coin = Bitcoin::new(Network::Regtest);
    let key = HashXKey::from_bytes([7; 16]);
    let theirs = consensus::deserialize::<Transaction>(raw);
    if let (Ok(ours), Ok(theirs)) = (ParsedTxs::of_tx(&coin, key, raw), theirs) {
        let tx = ours.iter().next().expect("one transaction was parsed");
        assert_eq!(tx.facts.txid, theirs.compute_txid());
        assert_eq!(tx.facts.weight, theirs.weight().to_wu());
    }
    let Ok((header, txs)) = ParsedTxs::of_block(&coin, key, raw) else { return };
    if let Ok(theirs) = consensus::deserialize::<Block>(raw) {
        assert_eq!(header.hash, theirs.block_hash());
        let ours = txs.iter().map(|tx| tx.facts.txid);
        assert!(ours.eq(theirs.txdata.iter().map(Transaction::compute_txid)));
    }
}
