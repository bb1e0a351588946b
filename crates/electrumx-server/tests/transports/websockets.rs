//! WebSocket with a client of another language: Python's `websockets`, see `websocket_client.py`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{python_with_websockets, wait_until};

use crate::common::{PATIENCE, Setup};

#[test]
fn pythons_websockets_works_with_and_without_tls() -> Result<()> {
    let setup = Setup::start(&[])?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transports/websocket_client.py");
    let mut child = Command::new(python_with_websockets()?)
        .arg(script)
        .arg(format!("ws://{}", setup.ws()))
        .arg(format!("wss://{}", setup.wss()))
        .arg(setup.tls_dir().join("certificate.pem"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(child.stdout.take().context("no output")?).lines();
    // Should it wait for ever, its own deadlines end it.
    let talked = said.next().transpose()?;
    if talked.as_deref() == Some("subscribed") {
        setup.sessions_become("WX")?;
        setup.node.mine(1)?;
    }
    let done = said.next().transpose()?;
    let status =
        wait_until(PATIENCE, "the script to end", || child.try_wait()?.context("still running"))?;
    ensure!(status.success() && done.as_deref() == Some("done"), "{status}: {talked:?}, {done:?}");
    setup.sessions_become("")
}
