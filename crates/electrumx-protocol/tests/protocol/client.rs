//! The server side around a chain, and clients of it.

use std::sync::Arc;
use std::time::Duration;

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::{Index, Touched};
use electrumx_protocol::{
    CancellationToken, CloseReason, PeerInfo, Service, ServiceConfig, Transport, serve,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::chain::Chain;
use crate::node::FakeNode;

pub(crate) const REGTEST_GENESIS: &str =
    "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";

/// Longest wait for a line that is to come.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn config() -> ServiceConfig {
    let mut config = ServiceConfig::new(REGTEST_GENESIS.parse::<BlockHash>().unwrap());
    config.server_version = "ElectrumX-test 1.2.3".into();
    config
}

/// A chain, a node and a service over them.
pub(crate) struct Server {
    pub(crate) chain: Chain,
    pub(crate) node: Arc<FakeNode>,
    pub(crate) service: Arc<Service<FakeNode>>,
    pub(crate) shutdown: CancellationToken,
}

impl Server {
    pub(crate) fn new(chain: Chain) -> Self {
        Self::with(chain, config())
    }

    pub(crate) fn with(chain: Chain, config: ServiceConfig) -> Self {
        let index: Arc<dyn Index> = chain.store.clone();
        Self::over(index, chain, config)
    }

    /// As [`with`](Self::with), with something between the service and the chain's store.
    pub(crate) fn over(index: Arc<dyn Index>, chain: Chain, config: ServiceConfig) -> Self {
        let node = Arc::new(FakeNode::default());
        *node.mempool.lock() = Arc::clone(&chain.mempool);
        let service =
            Service::new(index, Arc::clone(&chain.mempool), Arc::clone(&node), config).unwrap();
        Self { chain, node, service: Arc::new(service), shutdown: CancellationToken::new() }
    }

    pub(crate) fn connect(&self) -> Client {
        self.connect_with_buffer(1 << 20)
    }

    /// Connects a client which the server can send `size` bytes without it reading any.
    pub(crate) fn connect_with_buffer(&self, size: usize) -> Client {
        self.connect_over(Transport::Memory, size)
    }

    /// The same, as if it were connected in this way.
    pub(crate) fn connect_over(&self, transport: Transport, size: usize) -> Client {
        let (client, server) = tokio::io::duplex(size);
        let peer = PeerInfo { addr: None, transport };
        let session = serve(Arc::clone(&self.service), server, peer, self.shutdown.clone());
        Client { stream: BufReader::new(client), session: tokio::spawn(session), next_id: 0 }
    }

    pub(crate) async fn notify(&self, touched: Touched) {
        let blocks = std::mem::take(&mut *self.chain.reported.lock());
        self.service.advance(self.chain.tip(), &blocks);
        self.service.notify(&self.chain.changes(touched)).await.unwrap();
    }
}

/// A client.
pub(crate) struct Client {
    pub(crate) stream: BufReader<DuplexStream>,
    pub(crate) session: JoinHandle<CloseReason>,
    pub(crate) next_id: u64,
}

impl Client {
    pub(crate) async fn send(&mut self, line: impl AsRef<[u8]>) {
        let line = [line.as_ref(), b"\n"].concat();
        timeout(PATIENCE, self.stream.write_all(&line)).await.expect("the server reads").unwrap();
    }

    /// Returns the next line; `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await;
        if read.expect("a line was to come").unwrap() == 0 {
            return None;
        }
        assert_eq!(line.pop(), Some('\n'));
        assert!(!line.contains(['\n', '\r']));
        Some(line)
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await.expect("the connection ended")).unwrap()
    }

    /// Sends a line and returns the next one.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.send(line).await;
        self.line().await.expect("the connection ended")
    }

    /// Calls a method and returns the answer's text without envelope: result or error.
    pub(crate) async fn call(&mut self, method: &str, params: &str) -> String {
        self.next_id += 1;
        let id = self.next_id;
        let answer = self
            .ask(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#))
            .await;
        let end = format!(r#","id":{id}}}"#);
        let inner = answer.strip_suffix(&end).unwrap_or_else(|| panic!("{answer}"));
        let result = inner.strip_prefix(r#"{"jsonrpc":"2.0","result":"#);
        let error = || inner.strip_prefix(r#"{"jsonrpc":"2.0","error":"#);
        result.or_else(error).unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Checks that nothing was sent: the answer to a ping is the next line.
    pub(crate) async fn expect_silence(&mut self) {
        let answer = self.ask(r#"{"id":"silence","method":"server.ping"}"#).await;
        assert_eq!(answer, r#"{"jsonrpc":"2.0","result":null,"id":"silence"}"#);
    }

    /// Waits for the session's end and returns the reason.
    pub(crate) async fn closed(mut self) -> CloseReason {
        while self.line().await.is_some() {}
        self.session.await.unwrap()
    }
}
