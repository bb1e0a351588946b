//! Bytes from a client: a session never panics, and every line it answers is JSON.
#![no_main]

use std::sync::Arc;

use electrumx_core::HashXKey;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::memory::MemoryStore;
use electrumx_protocol::{
    CancellationToken, FeeMode, MempoolInfo, Node, NodeError, NodeVersion, PeerInfo, RawValue,
    Service, ServiceConfig, Transport, serve,
};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A node that is never there.
struct NoNode;

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

fuzz_target!(|sent: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let index = Arc::new(MemoryStore::new(HashXKey::from_bytes([7; 16])));
        let config = ServiceConfig::new(BlockHash::all_zeros());
        let service = Service::new(index, Arc::default(), Arc::new(NoNode), config);
        let service = Arc::new(service.expect("memory does not fail"));
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
        for line in got.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = std::str::from_utf8(line).expect("answers are UTF-8");
            RawValue::from_string(line.to_owned()).expect("answers are JSON");
        }
    });
});
