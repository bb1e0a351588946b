//! The block files of a real node, beside it.

use std::path::Path;
use std::sync::Arc;

use bitcoin::Block;
use bitcoin::consensus::{deserialize, serialize};
use electrumx_core::coin::Bitcoin;
use electrumx_core::{BlockSource as _, Height};
use electrumx_daemon::{BlockFiles, Daemon, DaemonConfig, FilesWithNode, NodeUrl, PrefetchConfig};
use electrumx_testkit::{Coins, Regtest, Replacement};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::made_up::coin;

struct Beside {
    node: Regtest,
    runtime: Runtime,
    daemon: Daemon,
}

impl Beside {
    fn start() -> Self {
        let node = Regtest::start().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let urls = NodeUrl::parse_list(&node.daemon_url().unwrap(), 1).unwrap();
        let daemon = Daemon::new(DaemonConfig::new(urls), CancellationToken::new()).unwrap();
        Self { node, runtime, daemon }
    }

    fn source(&self, dir: &Path) -> FilesWithNode<Bitcoin> {
        let files = Arc::new(BlockFiles::open(coin(), dir).unwrap());
        let (daemon, runtime) = (self.daemon.clone(), self.runtime.handle().clone());
        FilesWithNode::new(files, daemon, runtime, PrefetchConfig::default())
    }

    fn truth(&self, from: Height) -> Vec<Block> {
        let tip = self.node.block_count().unwrap();
        (from..=tip).map(|height| self.node.block_at(height).unwrap()).collect()
    }

    /// A copy of the directory of its only block file, as it is now.
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for name in ["blk00000.dat", "xor.dat"] {
            let from = self.node.datadir().join("regtest/blocks").join(name);
            std::fs::copy(from, copy.path().join(name)).unwrap();
        }
        copy
    }
}

fn read(source: &mut FilesWithNode<Bitcoin>, from: Height) -> Vec<Vec<u8>> {
    let tip = source.tip().unwrap().id;
    source.start(from, tip.height);
    let mut blocks = Vec::new();
    while let Some(block) = source.next_block().unwrap() {
        assert_eq!(block.height as usize, from as usize + blocks.len());
        blocks.push(block.bytes);
    }
    blocks
}

fn parsed(blocks: &[Vec<u8>]) -> Vec<Block> {
    blocks.iter().map(|bytes| deserialize(bytes).unwrap()).collect()
}

#[test]
fn blocks_come_from_the_nodes_files_through_growth_and_reorganisations() {
    let beside = Beside::start();
    let node = &beside.node;
    let mut coins = Coins::new(node, 5);
    coins.mature(3).unwrap();
    node.mine(1200).unwrap();
    let dir = node.datadir().join("regtest/blocks");
    assert!(dir.join("xor.dat").is_file(), "this node scrambles its files");
    let mut source = beside.source(&dir);
    assert_eq!(parsed(&read(&mut source, 0)), beside.truth(0));

    coins.split(5, 10_000).unwrap();
    node.mine(1).unwrap();
    let tip = node.block_count().unwrap();
    assert_eq!(parsed(&read(&mut source, tip)), beside.truth(tip));

    // Stale blocks stay in the files.
    let stale = node.block_at(tip).unwrap();
    node.reorg(6, 8, Replacement::Empty).unwrap();
    let blocks = parsed(&read(&mut source, tip - 10));
    assert_eq!(blocks, beside.truth(tip - 10));
    assert!(!blocks.contains(&stale));
}

#[test]
fn what_the_files_lack_or_garble_comes_from_the_node() {
    let beside = Beside::start();
    beside.node.mine(400).unwrap();
    let truth = beside.truth(0);

    // A copy made before the node went on, and without its beginning and some of its middle.
    let copy = beside.copy();
    let file = copy.path().join("blk00000.dat");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = |height: usize| -> usize { truth[..height].iter().map(|b| 8 + b.total_size()).sum() };
    bytes[..at(3)].fill(0);
    bytes[at(150)..at(155)].fill(7);
    // And with a block whose transactions are not those of its header.
    let garbled = at(200) + 8 + 80 + 20;
    bytes[garbled] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    beside.node.mine(30).unwrap();
    let truth = beside.truth(0);

    let mut source = beside.source(copy.path());
    let blocks = read(&mut source, 0);
    assert_eq!(blocks.len(), truth.len());
    for (height, (block, expected)) in blocks.iter().zip(&truth).enumerate() {
        // That the garbled one comes as it is shows where the others come from.
        assert_eq!(*block == serialize(expected), height != 200, "block {height}");
    }
    // The block processor refuses it and asks again.
    source.start(200, 400);
    assert_eq!(source.next_block().unwrap().unwrap().bytes, serialize(&truth[200]));

    // Before the files have been looked at few blocks come from the node; that the directory vanished matters to nobody.
    let mut source = beside.source(copy.path());
    drop(copy);
    assert_eq!(parsed(&read(&mut source, 420)), truth[420..]);
    assert_eq!(parsed(&read(&mut source, 0)), truth);
}
