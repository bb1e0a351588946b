//! `sync-bench --kills` comes to its end, has joined, and sees when an index differs.

use std::path::Path;
use std::process::Command;

use electrumx_benches::{BlockDir, Killer, Shape};
use electrumx_core::HashXKey;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_storage::{LmdbStore, Options};

#[test]
fn a_small_chain_survives_a_few_kills() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sync-bench"))
        .args(["--blocks", "150", "--txs", "100", "--table-mb", "0", "--kills", "5"])
        .arg("--blocks-dir")
        .arg(dir.path().join("blocks"))
        .arg("--db")
        .arg(dir.path().join("indexes"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("5 kills; ") && text.contains("the last is sound"), "{text}");
    let join = text.lines().find(|line| line.starts_with("join ")).unwrap();
    assert!(!join.contains("none"), "nothing was joined: {text}");
}

#[test]
fn an_index_that_differs_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let blocks_dir = dir.path().join("blocks");
    let shape = Shape { blocks: 150, txs_per_block: 20, ..Shape::default() };
    let blocks = BlockDir::open_or_generate(&blocks_dir, shape, false).unwrap();
    let command = |db: &Path| {
        if !db.ends_with("clean") {
            // The same chain under another secret: all is sound, only the rows are others.
            let hashx_key = Some(HashXKey::from_bytes([7; 16]));
            let options = Options { hashx_key, ..Options::default() };
            LmdbStore::open(db, &Bitcoin::new(Network::Regtest).chain().into(), options).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_sync-bench"));
        command.args(["--blocks", "150", "--txs", "20", "--blocks-dir"]).arg(&blocks_dir);
        command.arg("--make").arg(db);
        command
    };
    let error = Killer::new(&blocks, dir.path(), &command, 1).run(0, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("differs from an index"), "{error}");
}
