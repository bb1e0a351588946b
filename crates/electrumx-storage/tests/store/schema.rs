//! The byte layout, as `docs/schema.md` shows it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{
    BlockDelta, BlockId, HashX, OutputNum, OutputRow, Spend, Store as _, TxNum, TxPosition,
};

use electrumx_storage::{Compaction, TableDump};

use crate::common::temp;

/// Two blocks; the second has a transaction that spends the coinbase of the first.
fn example() -> [BlockDelta; 2] {
    let output = |tx_num, vout, script, value| {
        let hashx = HashX::from_bytes([script; HashX::LEN]);
        (OutputNum { tx_num: TxNum(tx_num), vout }, OutputRow { hashx, value })
    };
    let id = |height, byte| BlockId { height, hash: BlockHash::from_byte_array([byte; 32]) };
    let txid = |byte| Txid::from_byte_array([byte; 32]);
    [
        BlockDelta {
            id: id(0, 0xb0),
            header: vec![0xa0; 4],
            first_tx_num: TxNum(0),
            txids: vec![txid(0x70)],
            positions: vec![TxPosition { offset: 81, size: 204 }],
            outputs: vec![output(0, 0, 0xc1, 5_000_000_000)],
            spends: vec![],
        },
        BlockDelta {
            id: id(1, 0xb1),
            header: vec![0xa1; 4],
            first_tx_num: TxNum(1),
            txids: vec![txid(0x71), txid(0x72)],
            positions: vec![
                TxPosition { offset: 81, size: 100 },
                TxPosition { offset: 181, size: 250 },
            ],
            outputs: vec![output(1, 0, 0xc1, 5_000_010_000), output(2, 300, 0xc2, 100)],
            spends: vec![Spend { output: OutputNum { tx_num: TxNum(0), vout: 0 }, by: TxNum(2) }],
        },
    ]
}

/// The rows as the document shows them.
fn text_of(dump: Vec<TableDump>) -> String {
    let mut text = String::new();
    for (table, rows) in dump {
        for (key, value) in rows {
            let key = if table == "meta" { String::from_utf8(key).unwrap() } else { hex(&key) };
            let value = if value.is_empty() { "(empty)".into() } else { hex(&value) };
            writeln!(text, "{table:<12} {key} -> {value}").unwrap();
        }
    }
    text
}

#[test]
fn the_document_shows_the_bytes_of_the_example() {
    let store = temp();
    store.append(&example()).unwrap();
    let tip = text_of(store.dump().unwrap());
    assert!(matches!(store.compact(0, &mut ()).unwrap(), Compaction::Done(_)));
    let base = text_of(store.dump().unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema.md");
    // The published crate comes without the repository's documents.
    if let Ok(document) = fs::read_to_string(path) {
        for text in [tip, base] {
            assert!(document.contains(&text), "docs/schema.md does not contain:\n{text}");
        }
        for table in store.stats().unwrap() {
            assert!(document.contains(&format!("### `{}`", table.name)), "{}", table.name);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
