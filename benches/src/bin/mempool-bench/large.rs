//! A large mempool, and thousands of sessions beside it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bitcoin::Block;
use bitcoin::consensus::encode::deserialize;
use electrumx_benches::{FakeNode, GeneratedChain, Shape, micros};
use electrumx_core::{RawBlock, ScriptHash};
use electrumx_testkit::ServerProcess;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Args;
use crate::process::{CROWDED, PATIENCE, anonymous, cpu, wait_for_pool};

/// Subscriptions of a session.
const SUBSCRIPTIONS: usize = 10;

/// Subscriptions that are set up by one session, as a wallet does it.
const WALLET: usize = 20_000;

/// Servers that a wallet subscribes at, each just started.
const STARTS: usize = 3;

/// A server beside a node in memory.
pub(crate) struct Large {
    server: ServerProcess,
    node: FakeNode,
    pool: Vec<RawBlock>,
    /// Transactions of the node's mempool.
    count: usize,
    scripts: Vec<ScriptHash>,
    _db: TempDir,
}

impl Large {
    /// Makes the chain, and starts a server that indexes it.
    pub(crate) fn start(args: &Args) -> anyhow::Result<Self> {
        let blocks = args.blocks + args.pool_blocks;
        let mut chain: Vec<RawBlock> =
            GeneratedChain::new(Shape { blocks, ..Shape::default() }).collect();
        let pool = chain.split_off(args.blocks as usize + 1);
        let mut scripts = Vec::new();
        for raw in chain.iter().rev().skip(20).take(20) {
            let block: Block = deserialize(&raw.bytes)?;
            let outputs = block.txdata.iter().flat_map(|tx| &tx.output);
            let outputs = outputs.filter(|output| !output.script_pubkey.is_op_return());
            scripts.extend(
                outputs.map(|output| ScriptHash::of_script(output.script_pubkey.as_bytes())),
            );
        }
        scripts.sort_unstable();
        scripts.dedup();
        fastrand::Rng::with_seed(1).shuffle(&mut scripts);
        print_outputs(&chain, &scripts[..WALLET.min(scripts.len())])?;
        let node = FakeNode::start(chain)?;
        let db = tempfile::tempdir()?;
        let url = node.url();
        let mut env = vec![
            ("COIN", "Bitcoin"),
            ("NET", "regtest"),
            ("DB_DIRECTORY", db.path().to_str().unwrap_or_default()),
            ("DAEMON_URL", &url),
            // As on a long chain, nearly all of it is where it stays.
            ("REORG_LIMIT", "10"),
            ("BULK_BLOCKS", "20"),
        ];
        env.extend(CROWDED);
        let mut server = ServerProcess::start(&args.server, &env)?;
        server.wait_ready(PATIENCE)?;
        Ok(Self { server, node, pool, count: 0, scripts, _db: db })
    }

    /// Fills the mempool, and on request measures the first load.
    pub(crate) fn load(&mut self, measure: bool) -> anyhow::Result<()> {
        // Without what indexing the chain left behind: a server that was started again.
        self.restart()?;
        std::thread::sleep(Duration::from_secs(1));
        let (empty, before) = (anonymous(&self.server)?, cpu(&self.server)?);
        self.count = self.node.fill(std::mem::take(&mut self.pool))?;
        let count = self.count;
        wait_for_pool(&self.server, count)?;
        let done = Instant::now();
        if !measure {
            return Ok(());
        }
        let took = self.node.listed().map_or(Duration::ZERO, |listed| done - listed);
        let cpu = cpu(&self.server)? - before;
        // What is free is given back every few seconds.
        std::thread::sleep(Duration::from_secs(20));
        let full = anonymous(&self.server)?;
        println!("first load of {count} transactions: {took:.2?}");
        println!("  transactions a second {:>10.0}", rate(count, took));
        println!("  server CPU a transaction {:>7.1} µs", micros(cpu, count));
        println!("  memory a transaction {:>11} bytes", full.saturating_sub(empty) / count);
        Ok(())
    }

    /// Starts the server anew: nothing is in its caches.
    fn restart(&mut self) -> anyhow::Result<()> {
        self.server.terminate(PATIENCE)?;
        self.server.restart()?;
        self.server.wait_ready(PATIENCE)
    }

    /// Measures a wallet's subscriptions.
    pub(crate) fn wallet(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        for _ in 0..STARTS {
            self.restart()?;
            wait_for_pool(&self.server, self.count)?;
            std::thread::sleep(Duration::from_secs(1));
            runtime.block_on(async {
                let (first, used) = self.subscribe_wallet().await?;
                let (again, _) = self.subscribe_wallet().await?;
                println!(
                    "{WALLET} subscriptions of one session, with histories: {first:.1?}, CPU {used:.1?}; \
                     the same by another session: {again:.1?}"
                );
                anyhow::Ok(())
            })?;
        }
        Ok(())
    }

    /// Has a new session subscribe to a wallet's scripts. Returns how long it took, and the server's CPU time.
    async fn subscribe_wallet(&self) -> anyhow::Result<(Duration, Duration)> {
        let scripts = self.scripts.get(..WALLET).context("the chain has too few scripts")?;
        let mut session = Session::open(self.server.tcp_addr()).await?;
        let (before, began) = (cpu(&self.server)?, Instant::now());
        session.subscribe(scripts).await?;
        Ok((began.elapsed(), cpu(&self.server)? - before))
    }

    /// Measures sessions that have subscribed and wait.
    pub(crate) async fn sessions(&self, count: usize) -> anyhow::Result<()> {
        let addr = self.server.tcp_addr();
        self.subscribe_wallet().await?;
        tokio::time::sleep(Duration::from_secs(20)).await;

        let before = anonymous(&self.server)?;
        let mut opening = JoinSet::new();
        let mut sessions = Vec::new();
        let began = Instant::now();
        for number in 0..count {
            // What a wallet has asked for already: the caches, whose size is set, do not grow.
            let from = number * SUBSCRIPTIONS % WALLET;
            let scripts = self.scripts[from..from + SUBSCRIPTIONS].to_vec();
            opening.spawn(async move {
                let mut session = Session::open(addr).await?;
                session.subscribe(&scripts).await?;
                anyhow::Ok(session)
            });
            if opening.len() >= 50
                && let Some(session) = opening.join_next().await
            {
                sessions.push(session??);
            }
        }
        while let Some(session) = opening.join_next().await {
            sessions.push(session??);
        }
        let took = began.elapsed();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let each = (anonymous(&self.server)?.saturating_sub(before)) / count;
        println!("{count} sessions with {SUBSCRIPTIONS} subscriptions each, in {took:.1?}:");
        println!("  memory a session {each:>8} bytes");
        let (before, idle) = (cpu(&self.server)?, Duration::from_secs(30));
        tokio::time::sleep(idle).await;
        let used = cpu(&self.server)? - before;
        println!("  CPU while idle {:>9.3} %", used.as_secs_f64() / idle.as_secs_f64() * 100.0);
        drop(sessions);
        Ok(())
    }
}

/// A client's end of a session.
pub(crate) struct Session(BufReader<TcpStream>);

impl Session {
    pub(crate) async fn open(addr: std::net::SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let mut session = Self(BufReader::with_capacity(1024, stream));
        session
            .0
            .write_all(b"{\"id\":0,\"method\":\"server.version\",\"params\":[\"bench\",\"1.4\"]}\n")
            .await?;
        session.line().await?;
        session
            .0
            .write_all(b"{\"id\":0,\"method\":\"blockchain.headers.subscribe\",\"params\":[]}\n")
            .await?;
        session.line().await?;
        Ok(session)
    }

    /// Returns the next line.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.0.read_line(&mut line).await? > 0, "the server hung up");
        Ok(line)
    }

    /// Subscribes to scripts without waiting in between.
    pub(crate) async fn subscribe(&mut self, scripts: &[ScriptHash]) -> anyhow::Result<()> {
        let request = |script: &ScriptHash| {
            format!(
                "{{\"id\":0,\"method\":\"blockchain.scripthash.subscribe\",\"params\":[\"{script}\"]}}\n"
            )
        };
        let requests: String = scripts.iter().map(request).collect();
        let (input, mut output) = self.0.get_mut().split();
        let mut input = BufReader::new(input);
        let read = async {
            let mut line = Vec::new();
            for _ in scripts {
                line.clear();
                anyhow::ensure!(
                    input.read_until(b'\n', &mut line).await? > 0,
                    "the server hung up"
                );
                anyhow::ensure!(line.windows(8).all(|word| word != b"\"error\":"), "refused");
            }
            Ok(())
        };
        let write = async { Ok(output.write_all(requests.as_bytes()).await?) };
        tokio::try_join!(read, write).map(|((), ())| ())
    }
}

/// Prints how many outputs of a chain pay to scripts: it is their histories that make subscriptions dear.
fn print_outputs(chain: &[RawBlock], scripts: &[ScriptHash]) -> anyhow::Result<()> {
    let mut counts: HashMap<ScriptHash, usize> =
        scripts.iter().map(|script| (*script, 0)).collect();
    for raw in chain {
        let block: Block = deserialize(&raw.bytes)?;
        for output in block.txdata.iter().flat_map(|tx| &tx.output) {
            let script = ScriptHash::of_script(output.script_pubkey.as_bytes());
            if let Some(count) = counts.get_mut(&script) {
                *count += 1;
            }
        }
    }
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    let half = counts.get(counts.len() / 2).copied().unwrap_or_default();
    let (sum, most) = (counts.iter().sum::<usize>(), counts.last().copied().unwrap_or_default());
    println!(
        "{} scripts to be subscribed to have {sum} outputs, half of them {half} or fewer, one {most}",
        counts.len()
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
