//! A service to fuzz: the first block of regtest in memory, a transaction in the mempool, and no node.

use std::cell::RefCell;
use std::sync::Arc;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::memory::MemoryStore;
use electrumx_core::{
    BlockDelta, BlockId, HashXKey, Index as _, OutputNum, OutputRow, ScriptHash, Store as _, TxNum,
    TxPosition,
};
use electrumx_protocol::{
    CancellationToken, FeeMode, MempoolInfo, Node, NodeError, NodeVersion, PeerInfo, RawValue,
    Service, ServiceConfig, Transport, serve,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// A script that has a history.
const SCRIPT: &[u8] = b"\x51";

/// A node that is never there.
#[derive(Debug)]
pub(crate) struct NoNode;

fn none<T>() -> Result<T, NodeError> {
    Err(NodeError::Unavailable("there is none".into()))
}

impl Node for NoNode {
    async fn broadcast(&self, _: &str) -> Result<Txid, NodeError> {
        none()
    }
    async fn broadcast_package(&self, _: &[String]) -> Result<Box<RawValue>, NodeError> {
        none()
    }
    async fn test_mempool_accept(&self, _: &[String]) -> Result<Box<RawValue>, NodeError> {
        none()
    }
    async fn estimate_fee(&self, _: u16, _: Option<FeeMode>) -> Result<Option<f64>, NodeError> {
        none()
    }
    async fn relay_fee(&self) -> Result<f64, NodeError> {
        none()
    }
    async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        none()
    }
    async fn raw_transaction(&self, _: &Txid, _: Option<BlockHash>) -> Result<Vec<u8>, NodeError> {
        none()
    }
    async fn raw_transaction_verbose(
        &self,
        _: &Txid,
        _: Option<BlockHash>,
    ) -> Result<Box<RawValue>, NodeError> {
        none()
    }
    async fn version(&self) -> Result<NodeVersion, NodeError> {
        none()
    }
}

thread_local! {
    // One for all inputs: making it takes longer than most of them.
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// Runs a future to its end, on a runtime of this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with_borrow_mut(|runtime| {
        let runtime = runtime.get_or_insert_with(|| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().build().expect("a runtime without I/O needs nothing")
        });
        runtime.block_on(future)
    })
}

/// A service over a few blocks, each with one transaction that pays to [`SCRIPT`].
fn service() -> Arc<Service<NoNode>> {
    let index = MemoryStore::new(HashXKey::from_bytes([7; 16]));
    let hashx = index.hashx_key().hashx(&ScriptHash::of_script(SCRIPT));
    for number in 0..3_u8 {
        let tx_num = TxNum(number.into());
        let block = BlockDelta {
            id: BlockId { height: number.into(), hash: BlockHash::from_byte_array([number; 32]) },
            header: vec![number; 80],
            first_tx_num: tx_num,
            txids: vec![Txid::from_byte_array([number + 0x11; 32])],
            positions: vec![TxPosition { offset: 81, size: 100 }],
            outputs: vec![(OutputNum { tx_num, vout: 0 }, OutputRow { hashx, value: 1000 })],
            spends: Vec::new(),
        };
        index.append(&[block]).expect("memory takes a block");
    }
    let config = ServiceConfig::new(BlockHash::from_byte_array([0; 32]));
    let service = Service::new(Arc::new(index), Arc::default(), Arc::new(NoNode), config);
    Arc::new(service.expect("memory does not fail"))
}

thread_local! {
    static SERVICE: Arc<Service<NoNode>> = service();
}

/// Serves a client that sends these bytes and then no more; returns what it gets.
///
/// # Panics
/// When the session does.
pub(crate) fn answers(sent: &[u8]) -> Vec<u8> {
    let service = SERVICE.with(Arc::clone);
    let got = block_on(async {
        let (client, server) = tokio::io::duplex(1 << 16);
        let peer = PeerInfo { addr: None, transport: Transport::Memory };
        let session = tokio::spawn(serve(service, server, peer, CancellationToken::new()));
        let (mut read, mut write) = tokio::io::split(client);
        let writing = async {
            // The session may end first, which is its right.
            let _ = write.write_all(sent).await;
            let _ = write.shutdown().await;
        };
        let mut got = Vec::new();
        let (_, read) = tokio::join!(writing, read.read_to_end(&mut got));
        read.expect("memory does not fail");
        session.await.expect("a session never panics");
        got
    });
    assert_eq!(SERVICE.with(|service| service.session_count()), 0);
    got
}
