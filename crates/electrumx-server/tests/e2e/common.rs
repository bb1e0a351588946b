//! What every test needs: a node, a server on it, and waiting until both say the same.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bitcoin::consensus::encode::serialize_hex;
use electrumx_core::HashXKey;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_storage::{Identity, LmdbStore, Options};
use electrumx_testkit::{
    ElectrumClient, Regtest, RegtestBuilder, RpcError, ServerProcess, Signal, Truth, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compare::{compare_chain, compare_scripts};

/// The server under test.
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_electrumx-server");

/// Its operator's tool.
pub(crate) const RPC_TOOL: &str = env!("CARGO_BIN_EXE_electrumx-rpc");

/// How long anything may take before it counts as never happening.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The node is asked often, so that tests need not wait.
pub(crate) const OFTEN: [(&str, &str); 2] =
    [("DAEMON_POLL_INTERVAL_BLOCKS", "50"), ("DAEMON_POLL_INTERVAL_MEMPOOL", "50")];

/// A node and a server that follows it.
pub(crate) struct Setup {
    // Ends before its node does.
    pub(crate) server: ServerProcess,
    pub(crate) node: Regtest,
    _db: TempDir,
}

impl Setup {
    /// A node of the usual kind with a server on it.
    pub(crate) fn start() -> Result<Self> {
        Self::with(Regtest::builder(), |_| Ok(()))
    }

    /// A node that `prepare` works on before the server starts.
    pub(crate) fn with(
        node: RegtestBuilder,
        prepare: impl FnOnce(&Regtest) -> Result<()>,
    ) -> Result<Self> {
        let node = node.start()?;
        prepare(&node)?;
        let db = tempfile::tempdir()?;
        let mut server = start_server(&node, db.path(), &[])?;
        server.wait_ready(PATIENCE)?;
        Ok(Self { server, node, _db: db })
    }

    /// A server of the test's own making, with its database.
    pub(crate) const fn of(server: ServerProcess, node: Regtest, db: TempDir) -> Self {
        Self { server, node, _db: db }
    }

    /// A client that has agreed on protocol 1.4.
    pub(crate) fn client(&self) -> Result<ElectrumClient> {
        ElectrumClient::connect_version(self.server.tcp_addr(), "1.4")
    }

    /// Brings `truth` up to date and waits until all that the server says of scripts equals it.
    pub(crate) fn settle(&self, truth: &mut Truth) -> Result<()> {
        settle(&self.server, &self.node, truth)
    }

    /// [`Self::settle`], and compares blocks, headers and transactions too.
    pub(crate) fn settle_all(&self, truth: &mut Truth) -> Result<()> {
        self.settle(truth)?;
        compare_chain(&mut self.client()?, truth)
    }

    /// Does something to the node while the server stands still: it sees all of it at one moment.
    pub(crate) fn frozen<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.server.signal(Signal::STOP)?;
        let done = act();
        self.server.signal(Signal::CONT)?;
        done
    }
}

/// Starts a server that asks the node often; `extra` settings win.
pub(crate) fn start_server(
    node: &Regtest,
    db: &Path,
    extra: &[(&str, &str)],
) -> Result<ServerProcess> {
    let mut settings = OFTEN.to_vec();
    settings.retain(|(name, _)| !extra.iter().any(|(other, _)| name == other));
    settings.extend_from_slice(extra);
    ServerProcess::for_node(Path::new(SERVER), node, db, &settings)
}

/// The chain of the tests' databases.
pub(crate) fn identity() -> Identity {
    Bitcoin::new(Network::Regtest).chain().into()
}

/// An empty database with a known secret, so that equal contents are equal bytes.
pub(crate) fn new_database() -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let options = Options { hashx_key: Some(HashXKey::from_bytes([7; 16])), ..Options::default() };
    let store = LmdbStore::open(dir.path(), &identity(), options)?;
    ensure!(store.close(PATIENCE), "views are left");
    Ok(dir)
}

/// What the database holds, as one number.
pub(crate) fn digest(dir: &Path) -> Result<[u8; 32]> {
    Ok(LmdbStore::open(dir, &identity(), Options::default())?.digest()?)
}

/// Stops a server, which must end well.
pub(crate) fn stop(mut server: ServerProcess) -> Result<()> {
    let status = server.terminate(PATIENCE)?;
    ensure!(status.success(), "{status}:\n{}", server.log_tail(30));
    Ok(())
}

/// Brings `truth` up to date and waits until all that the server says of scripts equals it.
pub(crate) fn settle(server: &ServerProcess, node: &Regtest, truth: &mut Truth) -> Result<()> {
    truth.scan_mempool(node)?;
    settle_on(server, truth)
}

/// Waits until all that the server says of scripts equals `truth`.
pub(crate) fn settle_on(server: &ServerProcess, truth: &Truth) -> Result<()> {
    let equal = wait_until(PATIENCE, "the server to agree with the node", || {
        let mut client = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
        let tip = client.call("blockchain.headers.subscribe", json!([]))?;
        ensure!(tip == tip_json(truth), "its tip is {tip}, the node's {}", tip_json(truth));
        compare_scripts(&mut client, truth)
    });
    equal.with_context(|| format!("end of the server's log:\n{}", server.log_tail(15)))
}

/// What `blockchain.headers.subscribe` is to answer.
pub(crate) fn tip_json(truth: &Truth) -> Value {
    let height = truth.tip();
    json!({"height": height, "hex": serialize_hex(&truth.blocks()[height as usize].header)})
}

/// Many calls, several under way at a time; the answers in the order of the calls.
pub(crate) fn ask(
    client: &mut ElectrumClient,
    calls: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<Vec<Result<Value, RpcError>>> {
    let mut answers = Vec::new();
    let mut calls = calls.into_iter().peekable();
    while calls.peek().is_some() {
        let mut ids = Vec::new();
        // Few enough for the sockets' buffers: nobody has to read for all of them to be sent.
        for (method, params) in calls.by_ref().take(50) {
            ids.push(client.send(method, params)?);
        }
        for id in ids {
            match client.receive(id) {
                Err(error @ RpcError::Transport(_)) => return Err(error.into()),
                answer => answers.push(answer),
            }
        }
    }
    Ok(answers)
}

/// Asserts that a call fails with this code, and returns the text.
pub(crate) fn expect_error(
    client: &mut ElectrumClient,
    method: &str,
    params: &Value,
    code: i64,
) -> Result<String> {
    match client.call(method, params.clone()) {
        Ok(answer) => anyhow::bail!("{method} {params}: error {code} expected, not {answer}"),
        Err(error) => {
            ensure!(error.code() == Some(code), "{method} {params}: {code} expected, not {error}");
            Ok(error.message().to_owned())
        }
    }
}
