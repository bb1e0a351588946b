//! The examples run and print what they promise.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use electrumx_testkit::{Regtest, Replacement};

fn run(exe: &str, arguments: &[&str]) -> String {
    let output = Command::new(exe).args(arguments).output().expect("the example can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{exe} {arguments:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn scripthash_of_address_prints_the_example_of_the_protocol_page() {
    let said =
        run(env!("CARGO_BIN_EXE_scripthash_of_address"), &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]);
    let wanted = "scripthash 8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn index_memory_prints_who_has_what() {
    let said = run(env!("CARGO_BIN_EXE_index_memory"), &[]);
    // Alice mined two coins and spent one.
    for line in
        ["tip Some(2), 4 transactions", "alice has 5000000000 sat", "bob has 4999990000 sat"]
    {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(said.matches(" at height 2").count(), 3, "{said}");
}

#[test]
fn open_store_makes_an_index_and_reads_it() {
    let said = run(env!("CARGO_BIN_EXE_open_store"), &[]);
    let genesis = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
    assert_eq!(said.trim(), format!("1 transactions up to block 0 ({genesis})"));
}

#[test]
fn follow_tip_prints_new_tips_and_reorgs() {
    let node = Regtest::start().unwrap();
    node.mine(3).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_follow_tip"))
        .args([&node.daemon_url().unwrap(), "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let line = next();
    assert!(line.starts_with("tip 3 (") && line.ends_with(", 4 transactions so far"), "{line}");

    // Stopped meanwhile, so that the steps of the reorganisation are not seen one by one.
    node.reorg(2, 3, Replacement::Empty).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| lines.next()).map(Result::unwrap).collect();
    assert!(told[0].contains("blocks go, back to "), "{told:?}");
    assert!(told.last().unwrap().starts_with("tip "), "{told:?}");
    assert!(child.wait().unwrap().success());
}
