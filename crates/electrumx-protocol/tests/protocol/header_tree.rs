//! The tree over all headers on disk: found again, followed across reorgs, and never believed when damaged.

use std::path::Path;
use std::time::Duration;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::merkle::{self, Node};
use electrumx_core::{Index as _, Touched};
use serde_json::{Value, json};

use crate::chain::Chain;
use crate::client::{Server, config};

const BLOCKS: u32 = 300;

fn server(chain: Chain, file: &Path) -> Server {
    let mut config = config();
    config.header_tree = Some(file.to_owned());
    Server::with(chain, config)
}

/// A server of a chain of some length, which has no tree yet.
fn first_server(file: &Path) -> Server {
    let mut chain = Chain::new();
    chain.mine_to(BLOCKS);
    server(chain, file)
}

/// How many headers the tree has.
fn entries(server: &Server) -> usize {
    let stats = server.service.cache_stats();
    stats.iter().find(|cache| cache.name == "header tree").unwrap().entries
}

/// Asks for proofs of all kinds of places and compares with the plain computation.
async fn check(server: &Server) {
    let view = server.chain.store.view().unwrap();
    let tip = view.tip().unwrap().height;
    let leaf = |height| view.block_hash(height).unwrap().unwrap().to_byte_array();
    let leaves: Vec<Node> = (0..=tip).map(leaf).collect();
    let shown = |node: Node| electrumx_core::bitcoin::Txid::from_byte_array(node).to_string();
    let mut client = server.connect();
    for cp_height in (1..20).chain(tip - 20..=tip).chain([100, 128].map(|cp| cp.min(tip))) {
        for height in [0, 1, cp_height / 2, cp_height - 1, cp_height] {
            let answer =
                client.call("blockchain.block.header", &format!("[{height},{cp_height}]")).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let leaves = leaves[..=cp_height as usize].to_vec();
            let (branch, root) = merkle::branch(leaves, height as usize).unwrap();
            let branch: Vec<_> = branch.into_iter().map(shown).collect();
            assert_eq!(answer["root"], shown(root), "{height} of {cp_height}");
            assert_eq!(answer["branch"], json!(branch), "{height} of {cp_height}");
        }
    }
}

/// Lets the tree be filled and saved, as at a start.
async fn fill(server: &Server, file: &Path) {
    let before = std::fs::metadata(file).and_then(|file| file.modified()).ok();
    server.service.notify(&server.chain.changes(Touched::default())).await.unwrap();
    for _ in 0..1_000 {
        if std::fs::metadata(file).and_then(|file| file.modified()).ok() != before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the tree is not saved");
}

#[tokio::test]
async fn a_saved_tree_is_found_again_and_follows_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("header-tree");
    let server1 = first_server(&file);
    fill(&server1, &file).await;
    check(&server1).await;
    let next = server1.chain.sharing();
    drop(server1);

    // Nothing is hashed at a start.
    let server2 = server(next, &file);
    assert_eq!(entries(&server2), 300);
    check(&server2).await;

    // A reorg while the server was down: from where the chains part on the tree is made anew.
    let mut chain = server2.chain.sharing();
    drop(server2);
    chain.unwind(50, &[]);
    for height in 0..60 {
        chain.mine_exactly(None, vec![crate::chain::tx(height)]);
    }
    let server3 = server(chain, &file);
    assert_eq!(entries(&server3), 300);
    check(&server3).await;
}

#[tokio::test]
async fn a_damaged_tree_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("header-tree");
    let server1 = first_server(&file);
    let mut next = server1.chain.sharing();
    fill(&server1, &file).await;
    drop(server1);
    let whole = std::fs::read(&file).unwrap();
    for damage in [0, 100, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damage] ^= 0x10;
        std::fs::write(&file, bytes).unwrap();
        let server = server(next, &file);
        assert_eq!(entries(&server), 0);
        check(&server).await;
        next = server.chain.sharing();
    }
}

#[tokio::test]
async fn a_tree_of_another_chain_is_of_no_use_and_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("header-tree");
    let server1 = first_server(&file);
    fill(&server1, &file).await;
    let mut other = Chain::empty();
    for height in 0..30 {
        other.mine_exactly(None, vec![crate::chain::tx(100 + height)]);
    }
    let server2 = server(other, &file);
    check(&server2).await;
}
