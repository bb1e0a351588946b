//! SIGUSR1.

use std::time::Instant;

use anyhow::Result;
use electrumx_testkit::{Regtest, ScriptKind, ServerProcess, Signal};

use crate::common::{HARDLY_EVER, PATIENCE, SERVER, Setup, Watcher};

#[test]
fn the_signal_makes_it_look_at_the_node() -> Result<()> {
    let mut setup = Setup::start(Regtest::builder(), &HARDLY_EVER)?;
    let script = setup.coins.script(ScriptKind::P2pkh);
    let mut watcher = Watcher::new(&setup.server)?;
    watcher.watch(&script)?;
    for n in 1..=3 {
        setup.coins.pay(&[(script.clone(), 10_000)])?;
        setup.server.signal(Signal::USR1)?;
        watcher.settle(&setup.node)?;
        let height = setup.node.block_count()?;
        setup.node.mine(n)?;
        setup.server.signal(Signal::USR1)?;
        watcher.wait_header(height + n, Instant::now())?;
        watcher.settle(&setup.node)?;
    }
    Ok(())
}

#[test]
fn it_is_harmless_before_there_is_anything_to_look_at() -> Result<()> {
    let node = Regtest::start()?;
    let db = tempfile::tempdir()?;
    let env = electrumx_testkit::node_env(&node, db.path())?;
    node.stop()?;
    let mut server = ServerProcess::start(SERVER.as_ref(), &env)?;
    electrumx_testkit::wait_until(PATIENCE, "the server to begin", || {
        anyhow::ensure!(server.log_text().contains("the index is empty"), "nothing in its log");
        Ok(())
    })?;
    server.signal(Signal::USR1)?;
    node.restart()?;
    server.signal(Signal::USR1)?;
    server.wait_ready(PATIENCE)
}
