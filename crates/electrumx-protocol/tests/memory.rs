//! What a client that hardly reads costs in memory. A test binary of its own, since it measures the process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failing test panics")]
#![expect(clippy::cast_possible_truncation, reason = "small made-up chains")]

use std::sync::Arc;

#[allow(dead_code, reason = "others need more of it")]
#[path = "protocol/chain.rs"]
mod chain;
#[allow(dead_code, reason = "others need more of it")]
#[path = "protocol/client.rs"]
mod client;
#[allow(dead_code, reason = "others need more of it")]
#[path = "protocol/node.rs"]
mod node;

use chain::{Chain, scripthash};
use client::{Server, config};
use electrumx_core::bitcoin::hashes::{Hash as _, sha256d};
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{BlockDelta, BlockId, OutputNum, OutputRow, Store as _, TxNum, TxPosition};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

const HOT: &[u8] = b"hot";
const ENTRIES: u64 = 200_000;
const BLOCKS: u32 = 100;

/// Memory of this process that is no file's, in bytes, now.
fn anonymous() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// A chain in which one script has 200,000 history entries.
fn chain() -> Chain {
    let chain = Chain::empty();
    let hashx = chain.hashx(HOT);
    let a_block = ENTRIES / u64::from(BLOCKS);
    let mut first = 0;
    for height in 0..BLOCKS {
        let numbers = first..first + a_block;
        let hash = BlockHash::from_raw_hash(sha256d::Hash::hash(&height.to_le_bytes()));
        let txid = |number: u64| Txid::from_raw_hash(sha256d::Hash::hash(&number.to_le_bytes()));
        let output = |number| {
            (OutputNum { tx_num: TxNum(number), vout: 0 }, OutputRow { hashx, value: number })
        };
        let delta = BlockDelta {
            id: BlockId { height, hash },
            header: vec![0; 80],
            first_tx_num: TxNum(first),
            txids: numbers.clone().map(txid).collect(),
            positions: vec![TxPosition { offset: 0, size: 0 }; usize::try_from(a_block).unwrap()],
            outputs: numbers.clone().map(output).collect(),
            spends: Vec::new(),
        };
        chain.store.append(&[delta]).unwrap();
        first = numbers.end;
    }
    chain.mempool.write().apply(chain.tip(), &[], Vec::new());
    chain
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hardly_read_hold_little_of_a_long_answer() {
    let mut config = config();
    config.limits.max_history = 2_000_000;
    config.limits.max_send_bytes = 200_000_000;
    let server = Arc::new(Server::with(chain(), config));
    let ask = |method: &str| {
        let script = scripthash(HOT);
        format!(r#"{{"id":1,"method":"blockchain.scripthash.{method}","params":["{script}"]}}"#)
    };
    // What is allocated once is not to count; nor is what the answer is made of at first, which is given back.
    let mut client = server.connect();
    client.send(ask("subscribe")).await;
    client.line().await.unwrap();
    let before = anonymous();
    let mut clients = Vec::new();
    for method in ["get_history", "get_history", "listunspent", "listunspent"] {
        let mut client = server.connect_with_buffer(4096);
        client.send(ask(method)).await;
        let mut beginning = [0; 1_000];
        client.stream.read_exact(&mut beginning).await.unwrap();
        clients.push(client);
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let held = anonymous().saturating_sub(before) / clients.len();
    // Of 18 and 23 million bytes each. A session holds a megabyte for its client, and some bytes for each entry.
    assert!(held < 8_000_000, "{held} bytes for each");
    // Whole answers would be 20 million bytes each. To the last byte nevertheless.
    let (mut length, mut chunk) = (1_000, 0);
    while !clients[0].stream.buffer().ends_with(b"\n") {
        clients[0].stream.consume(chunk);
        chunk = clients[0].stream.fill_buf().await.unwrap().len();
        length += chunk;
    }
    // {"height":H,"tx_hash":"…"}, of heights below 10 and others.
    let expected = ENTRIES * (25 + 64) + ENTRIES / 100 * (10 + 90 * 2);
    let envelope = r#"{"jsonrpc":"2.0","result":[],"id":1}"#.len() as u64;
    assert_eq!(length as u64, expected + envelope);
    let end = anonymous().saturating_sub(before);
    assert!(end < 50_000_000, "{end} bytes in the end");
}
