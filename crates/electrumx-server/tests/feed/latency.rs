//! How soon clients are told. A measurement, to be asked for:
//! `cargo test --release -p electrumx-server --test feed -- --ignored --nocapture`

use std::time::{Duration, Instant};

use anyhow::Result;
use electrumx_testkit::{Regtest, ScriptKind};

use crate::common::{HARDLY_EVER, Setup, Watcher};

#[test]
#[ignore = "a measurement"]
fn from_the_node_to_the_client() -> Result<()> {
    let often = ["1000", "100"].map(|millis| {
        [
            ("ZMQ", "off"),
            ("DAEMON_POLL_INTERVAL_BLOCKS", millis),
            ("DAEMON_POLL_INTERVAL_MEMPOOL", millis),
        ]
    });
    measure("ZMQ", &HARDLY_EVER, 200, 40)?;
    measure("polling every second", &often[0], 20, 10)?;
    measure("polling every 100 ms", &often[1], 100, 40)
}

fn measure(name: &str, settings: &[(&str, &str)], payments: usize, blocks: usize) -> Result<()> {
    let mut setup = Setup::start(Regtest::builder().zmq(true), settings)?;
    if !settings.contains(&("ZMQ", "off")) {
        setup.wait_log("following the node's sequence", 1)?;
    }
    setup.coins.split(payments, 100_000)?;
    let height = setup.node.block_count()? + 1;
    let script = setup.coins.script(ScriptKind::P2wpkh);
    let mut watcher = Watcher::new(&setup.server)?;
    watcher.watch(&script)?;
    setup.node.mine(1)?;
    watcher.wait_header(height, Instant::now())?;

    let mut of_payments = Vec::new();
    for _ in 0..payments {
        let tx = setup.coins.build(&[(script.clone(), 5_000)])?;
        let from = Instant::now();
        setup.coins.send(&tx)?;
        of_payments.push(watcher.wait_script(&script, from)?);
    }
    let mut of_blocks = Vec::new();
    for n in 1..=blocks {
        let from = Instant::now();
        setup.node.mine(1)?;
        of_blocks.push(watcher.wait_header(height + u32::try_from(n)?, from)?);
    }
    eprintln!("{name}: payment {}; block {}", shown(&mut of_payments), shown(&mut of_blocks));
    Ok(())
}

/// Both times include the node's own work: checking the transaction, making and connecting the block.
fn shown(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let of = times.len();
    format!("p50 {:.1?}, p99 {:.1?}, longest {:.1?} of {of}", at(50), at(99), times[of - 1])
}
