//! What sessions answer, with caches and without: statuses of a script with 100,000 transactions,
//! and merkle branches of a block of 3,000.

use std::sync::Arc;

use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::{BlockHash, Txid};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use electrumx_benches as _; // for its allocator
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::mempool::{Mempool, MempoolOutput, MempoolTx};
use electrumx_core::{
    BlockDelta, BlockId, Changes, HashX, Index, OutputNum, OutputRow, ScriptHash, Spend,
    Store as _, TxNum, TxPosition,
};
use electrumx_protocol::{
    CacheSizes, CancellationToken, FeeMode, MempoolInfo, Node, NodeError, NodeVersion, PeerInfo,
    RawValue, Service, ServiceConfig, Transport, serve,
};
use electrumx_storage::{LmdbStore, Options};
use parking_lot::RwLock;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::runtime::{Builder, Runtime};

const BLOCKS: u32 = 40;
const TXS_PER_BLOCK: u64 = 3_000;
/// Of each block's transactions.
const HOT_PER_BLOCK: u64 = 2_500;
const HOT: &[u8] = b"a script with 100,000 transactions";

/// A node that is never reached.
struct NoNode;

fn nobody<T>() -> Result<T, NodeError> {
    Err(NodeError::Unavailable("there is no node".into()))
}

impl Node for NoNode {
    async fn broadcast(&self, _: &str) -> Result<Txid, NodeError> {
        nobody()
    }
    async fn broadcast_package(&self, _: &[String]) -> Result<Box<RawValue>, NodeError> {
        nobody()
    }
    async fn test_mempool_accept(&self, _: &[String]) -> Result<Box<RawValue>, NodeError> {
        nobody()
    }
    async fn estimate_fee(&self, _: u16, _: Option<FeeMode>) -> Result<Option<f64>, NodeError> {
        nobody()
    }
    async fn relay_fee(&self) -> Result<f64, NodeError> {
        nobody()
    }
    async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        nobody()
    }
    async fn raw_transaction(&self, _: &Txid, _: Option<BlockHash>) -> Result<Vec<u8>, NodeError> {
        nobody()
    }
    async fn raw_transaction_verbose(
        &self,
        _: &Txid,
        _: Option<BlockHash>,
    ) -> Result<Box<RawValue>, NodeError> {
        nobody()
    }
    async fn version(&self) -> Result<NodeVersion, NodeError> {
        nobody()
    }
}

fn txid(number: u64) -> Txid {
    Txid::from_raw_hash(sha256d::Hash::hash(&number.to_le_bytes()))
}

/// Fills the index: most transactions pay to the hot script and spend its output before.
fn fill(store: &LmdbStore, genesis: BlockHash) {
    let key = store.hashx_key();
    let hot = key.hashx(&ScriptHash::of_script(HOT));
    let mut first = 0;
    for height in 0..=BLOCKS {
        let count = if height == 0 { 1 } else { TXS_PER_BLOCK };
        let numbers = first..first + count;
        let hash = match height {
            0 => genesis,
            _ => BlockHash::from_raw_hash(sha256d::Hash::hash(&height.to_le_bytes())),
        };
        let (mut outputs, mut spends) = (Vec::new(), Vec::new());
        for number in numbers.clone().filter(|_| height > 0) {
            let is_hot = number - first < HOT_PER_BLOCK;
            let other = key.hashx(&ScriptHash::of_script(&number.to_le_bytes()));
            let row = OutputRow { hashx: if is_hot { hot } else { other }, value: 1 };
            outputs.push((OutputNum { tx_num: TxNum(number), vout: 0 }, row));
            if is_hot && number > first {
                let output = OutputNum { tx_num: TxNum(number - 1), vout: 0 };
                spends.push(Spend { output, by: TxNum(number) });
            }
        }
        let delta = BlockDelta {
            id: BlockId { height, hash },
            header: vec![0; 80],
            first_tx_num: TxNum(first),
            txids: numbers.clone().map(txid).collect(),
            positions: vec![
                TxPosition { offset: 0, size: 250 };
                usize::try_from(count).unwrap_or(0)
            ],
            outputs,
            spends,
        };
        store.append(&[delta]).expect("the blocks connect");
        first = numbers.end;
    }
}

fn filled() -> (TempDir, Arc<LmdbStore>, BlockHash) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let coin = Bitcoin::new(Network::Regtest);
    let chain = coin.chain();
    let genesis = chain.genesis_hash();
    let store = LmdbStore::open(&directory.path().join("db"), &chain.into(), Options::default());
    let store = Arc::new(store.expect("a new store"));
    fill(&store, genesis);
    (directory, store, genesis)
}

struct Client {
    runtime: Runtime,
    service: Arc<Service<NoNode>>,
    mempool: Arc<RwLock<Mempool>>,
    hot: HashX,
    stream: BufReader<DuplexStream>,
    line: Vec<u8>,
}

impl Client {
    fn new(store: &Arc<LmdbStore>, genesis: BlockHash, caches: CacheSizes) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mempool = Arc::<RwLock<Mempool>>::default();
        let mut config = ServiceConfig::new(genesis);
        config.caches = caches;
        config.limits.max_history = 1_000_000;
        let hot = store.hashx_key().hashx(&ScriptHash::of_script(HOT));
        let index: Arc<dyn Index> = store.clone();
        let tip = index.view().expect("a view").tip().expect("a tip");
        mempool.write().apply(tip, &[], Vec::new());
        let service = Service::new(index, Arc::clone(&mempool), Arc::new(NoNode), config);
        let service = Arc::new(service.expect("the index is readable"));
        let (client, server) = tokio::io::duplex(1 << 20);
        let peer = PeerInfo { addr: None, transport: Transport::Memory };
        runtime.spawn(serve(Arc::clone(&service), server, peer, CancellationToken::new()));
        let stream = BufReader::new(client);
        Self { runtime, service, mempool, hot, stream, line: Vec::new() }
    }

    fn call(&mut self, request: &str) {
        self.runtime.block_on(async {
            self.stream.write_all(request.as_bytes()).await.expect("the session reads");
            self.line.clear();
            self.stream.read_until(b'\n', &mut self.line).await.expect("the session answers");
        });
        assert!(self.line.windows(8).any(|part| part == b"\"result\""));
    }

    /// Sends requests at once and reads all answers. Both fit into the stream.
    fn pipeline(&mut self, requests: &[u8], count: usize) {
        self.runtime.block_on(async {
            self.stream.write_all(requests).await.expect("the session reads");
            for _ in 0..count {
                self.line.clear();
                self.stream.read_until(b'\n', &mut self.line).await.expect("the session answers");
            }
        });
        assert!(self.line.windows(8).any(|part| part == b"\"result\""));
    }

    /// An unconfirmed transaction of the hot script comes or goes, and the client is told.
    fn toggle(&mut self) {
        let mut mempool = self.mempool.write();
        let tip = mempool.tip().expect("it was listed");
        let id = txid(u64::MAX);
        let touched = if mempool.is_empty() {
            let outputs = [MempoolOutput { vout: 0, hashx: self.hot, value: 1 }].into();
            mempool.insert(vec![(id, MempoolTx { inputs: [].into(), outputs, fee: 1, vsize: 100 })])
        } else {
            mempool.remove(&[id])
        };
        drop(mempool);
        let service = Arc::clone(&self.service);
        self.runtime.block_on(async {
            service.notify(&Changes { tip, touched }).await.expect("the index is readable");
            self.line.clear();
            self.stream.read_until(b'\n', &mut self.line).await.expect("the session tells");
        });
    }
}

fn sessions(criterion: &mut Criterion) {
    let (_directory, store, genesis) = filled();
    let none = CacheSizes { statuses: 0, histories: 0, block_trees: 0, headers: 0 };
    let script = ScriptHash::of_script(HOT);
    let subscribe = format!(
        "{{\"id\":1,\"method\":\"blockchain.scripthash.subscribe\",\"params\":[\"{script}\"]}}\n"
    );
    let start = 1 + u64::from(BLOCKS / 2 - 1) * TXS_PER_BLOCK;
    let merkle = format!(
        "{{\"id\":1,\"method\":\"blockchain.transaction.get_merkle\",\"params\":[\"{}\",{}]}}\n",
        txid(start + 1_000),
        BLOCKS / 2,
    );
    for (name, caches) in [("uncached", none), ("cached", CacheSizes::default())] {
        let mut client = Client::new(&store, genesis, caches);
        let mut group = criterion.benchmark_group(format!("session_{name}"));
        group.sample_size(20);
        group.bench_function("ping", |bencher| {
            bencher.iter(|| client.call("{\"id\":1,\"method\":\"server.ping\"}\n"));
        });
        group.bench_function("merkle_3000", |bencher| bencher.iter(|| client.call(&merkle)));
        group.bench_function("status_100k", |bencher| bencher.iter(|| client.call(&subscribe)));
        group.bench_function("status_100k_after_one_tx", |bencher| {
            bencher.iter(|| client.toggle());
        });
        group.finish();
    }
}

const PIPELINED: usize = 1_000;

/// What one request of a thousand costs that come at once, the client's part included.
fn pipelined(criterion: &mut Criterion) {
    let (_directory, store, genesis) = filled();
    let start = 1 + u64::from(BLOCKS / 2 - 1) * TXS_PER_BLOCK;
    let script = |i: usize| {
        // Scripts with one output each.
        let number = start + HOT_PER_BLOCK + (i as u64 % (TXS_PER_BLOCK - HOT_PER_BLOCK));
        ScriptHash::of_script(&number.to_le_bytes())
    };
    let height = |i: usize| i % (BLOCKS as usize + 1);
    let of_script = |method: &'static str| {
        move |i: usize| format!("\"blockchain.scripthash.{method}\",\"params\":[\"{}\"]", script(i))
    };
    let mut client = Client::new(&store, genesis, CacheSizes::default());
    let mut group = criterion.benchmark_group("pipelined");
    group.throughput(Throughput::Elements(PIPELINED as u64));
    let mut bench = |name: &str, request: &dyn Fn(usize) -> String| {
        let mut lines = String::new();
        for i in 0..PIPELINED {
            lines += &format!("{{\"jsonrpc\":\"2.0\",\"id\":{i},\"method\":{}}}\n", request(i));
        }
        group.bench_function(name, |bencher| {
            bencher.iter(|| client.pipeline(lines.as_bytes(), PIPELINED));
        });
    };
    bench("ping", &|_| "\"server.ping\",\"params\":[]".to_owned());
    bench("header", &|i| format!("\"blockchain.block.header\",\"params\":[{}]", height(i)));
    bench("header_proof", &|i| {
        format!("\"blockchain.block.header\",\"params\":[{},{BLOCKS}]", height(i))
    });
    bench("id_from_pos", &|i| {
        format!(
            "\"blockchain.transaction.id_from_pos\",\"params\":[{},{i}]",
            1 + i % BLOCKS as usize
        )
    });
    bench("merkle_3000", &|i| {
        let txid = txid(start + i as u64);
        format!("\"blockchain.transaction.get_merkle\",\"params\":[\"{txid}\",{}]", BLOCKS / 2)
    });
    bench("balance", &of_script("get_balance"));
    bench("unspent", &of_script("listunspent"));
    bench("history", &of_script("get_history"));
    bench("subscribe", &of_script("subscribe"));
    group.finish();
}

criterion_group!(benches, sessions, pipelined);
criterion_main!(benches);
