//! `sync-bench --kills` comes to its end, and has joined.

use std::process::Command;

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
