//! The follower and the mempool view under thousands of random events of a node in memory, against a naive
//! recomputation: after each event all histories, balances, statuses, outpoint states and notifications agree.
//!
//! Everything is the real thing but the node: it answers RPC over loopback, publishes to the feed, and changes its
//! mind between two calls. `MODEL_SEED` replays one seed, `MODEL_SEEDS` sets how many are tried.
#![allow(clippy::unwrap_used, reason = "a failing test panics")]
#![expect(clippy::print_stderr, reason = "a failing test tells what happened before")]

mod client;
mod node;
mod rpc;
mod truth;

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use electrumx_core::bitcoin::OutPoint;
use electrumx_core::bitcoin::consensus::encode::serialize_hex;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::mempool::Mempool;
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_daemon::{Daemon, DaemonConfig, NodeUrl, RecentTxs, ZmqEvent};
use electrumx_protocol::ServiceConfig;
use electrumx_storage::{Identity, LmdbStore, Options};
use fastrand::Rng;
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::env::Surroundings;
use crate::first_sync::FirstSync;
use client::{Client, Counts};
use node::{Aftermath, Event, Meanwhile, Node, SCRIPTS, Tx};
use rpc::{Blocks, Shared};
use truth::Truth;

/// Events for each seed.
const EVENTS: usize = 300;

/// Looks after which the view must be right, whatever happened before.
const LOOKS: usize = 6;

/// The node, the server, and a client that is there from the start.
struct World {
    node: Shared,
    follower: Follower,
    calls: Calls,
    touched: Touched,
    client: Client,
    /// What the client agreed with last.
    truth: Truth,
    rng: Rng,
    _db: TempDir,
}

/// What is to be told of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// Each change, once.
    Once,
    /// The last state of each.
    Last,
}

impl World {
    async fn new(seed: u64) -> Self {
        let (feed, events) = mpsc::channel(10_000);
        let recent = RecentTxs::new(Bitcoin::new(Network::Regtest));
        let node: Shared = Arc::new(Mutex::new(Node::new(seed, feed, recent.clone())));
        let url = rpc::serve(Arc::clone(&node));
        let db = tempfile::tempdir().unwrap();
        let home = db.path().to_str().unwrap().to_owned();
        let variables = [
            ("HOME", home.as_str()),
            ("DB_DIRECTORY", &home),
            ("COIN", "Bitcoin"),
            ("NET", "regtest"),
            ("DAEMON_URL", &url),
            ("ALLOW_ROOT", "1"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let around = Surroundings { variables: variables.into(), ..Surroundings::default() };
        let env = crate::env::Env::load(["electrumx-server".into()], &around).unwrap();

        let stop = CancellationToken::new();
        let daemon =
            Daemon::new(DaemonConfig::new(NodeUrl::parse_list(&url, 1).unwrap()), stop.clone());
        let daemon = daemon.unwrap();
        let identity = Identity::from(env.coin.chain());
        let store = LmdbStore::open(db.path(), &identity, Options::default()).unwrap();
        let store = Arc::new(store);
        let pool = Arc::new(RwLock::new(Mempool::default()));
        let view = MempoolView::new(env.coin, daemon.clone(), store.clone(), Arc::clone(&pool));
        let mempool = Arc::new(view);
        let (handle, inbox) = channel();
        let server_node = Arc::new(ServerNode::new(daemon, Arc::clone(&mempool), handle, None));
        let config = ServiceConfig::new(env.coin.chain().genesis_hash());
        let service = Service::new(store.clone(), pool, server_node, config).unwrap();
        let service = Arc::new(service);
        let blocks = Blocks { node: Arc::clone(&node), next: None };
        let processor = Processor::new(env.coin, Arc::clone(&store), FlushPolicy::default());
        let first_sync = FirstSync::new(&env, Arc::clone(&store), None);
        let (following, _) = watch::channel(Following::default());
        let mut follower = Follower {
            index: IndexThread::spawn(processor.unwrap(), blocks, (), first_sync).unwrap(),
            mempool,
            service: Arc::clone(&service),
            inbox,
            poll_interval: Duration::from_secs(3600),
            zmq: ZmqConfig::Off,
            following,
            compactor: Compactor::new(&env, store, stop.clone()),
            stop,
        };
        let feed = Feed::new(ZmqFeed::of(events, recent));
        let mut touched = Touched::default();
        follower.step(&mut touched, Haste::Asked).await.unwrap();
        let truth = Truth::of(&node.lock());
        node.lock().say(ZmqEvent::Gap);
        Self {
            client: Client::connect(&service).await,
            calls: Calls { look_now: LookNow::watch().unwrap(), feed },
            node,
            follower,
            touched,
            truth,
            rng: Rng::with_seed(seed),
            _db: db,
        }
    }

    /// What the feed tells is taken over, and what clients sent.
    async fn hear(&mut self) {
        // Whatever makes it look first: twice, and there is nothing left to hear.
        for _ in 0..3 {
            self.follower.wait(Instant::now(), &mut self.calls, &mut self.touched).await;
        }
    }

    /// A look at the node, as the next poll or a block makes it.
    async fn look(&mut self) {
        self.hear().await;
        let haste = if self.rng.bool() { Haste::Asked } else { Haste::Block };
        self.follower.step(&mut self.touched, haste).await.unwrap();
    }

    /// Compares everything with the truth, and how often it was told.
    async fn compare(&mut self, told: Told) -> Result<(), String> {
        let truth = Truth::of(&self.node.lock());
        self.client.listen().await;
        self.client.compare_told(&truth)?;
        let counts = self.client.take_counts();
        if told == Told::Once {
            assert_eq!(counts, self.changes(&truth), "not each change was told once");
        }
        let scripts: Vec<usize> = self.rng.choose_multiple(0..SCRIPTS - 1, 3);
        self.client.compare_answers(&truth, &scripts).await;
        self.truth = truth;
        Ok(())
    }

    /// How often what differs from the last truth is to be told.
    fn changes(&self, truth: &Truth) -> Counts {
        let mut counts =
            Counts { tips: usize::from(truth.tip != self.truth.tip), ..Counts::default() };
        for (number, (now, before)) in truth.scripts.iter().zip(&self.truth.scripts).enumerate() {
            counts.scripts[number] = usize::from(now.status != before.status);
        }
        for at in self.client.watched() {
            if truth.outpoint(at) != self.truth.outpoint(at) {
                counts.outpoints.insert(*at, 1);
            }
        }
        for txid in self.client.watched_txs() {
            if truth.height(txid) != self.truth.height(txid) {
                counts.txs.insert(*txid, 1);
            }
        }
        counts
    }

    /// Hears of one thing after the other, and looks where that is due, until everything agrees.
    async fn settle(&mut self, told: Told) {
        let mut differs = String::new();
        for _ in 0..LOOKS {
            self.look().await;
            match self.compare(told).await {
                Ok(()) => return,
                Err(what) => differs = what,
            }
        }
        panic!("after {LOOKS} looks: {differs}");
    }

    fn some_event(&mut self) -> Event {
        match self.rng.u8(..20) {
            0..8 => Event::New,
            8..11 => Event::Replace,
            11..13 => Event::Evict,
            13..15 => Event::Package,
            15..18 => Event::Block,
            _ => Event::Reorg(self.rng.usize(1..=4)),
        }
    }

    async fn next(&mut self) {
        let kind = self.rng.u8(..20);
        eprintln!("--- {kind}");
        match kind {
            0..8 => self.plain().await,
            8..11 => self.unheard().await,
            11..14 => self.restless().await,
            14..16 => self.broadcast().await,
            16 => self.broadcast_package().await,
            17 => self.restart().await,
            18 => self.restart_in_between().await,
            _ => self.newcomer().await,
        }
    }

    /// One event, told by the feed alone as far as that can be.
    async fn plain(&mut self) {
        // The feed is followed from a listing on.
        self.settle(Told::Once).await;
        let event = self.some_event();
        if matches!(event, Event::Replace | Event::Evict) && self.rng.bool() {
            self.node.lock().held_back = Some(VecDeque::new());
        }
        self.node.lock().happens(event);
        self.let_go_one_by_one();
        if matches!(event, Event::Block | Event::Reorg(_)) {
            self.settle(Told::Once).await;
        } else {
            self.hear().await;
            self.compare(Told::Once).await.unwrap();
        }
    }

    /// Messages held back come one by one, the first of them now.
    fn let_go_one_by_one(&self) {
        let node = Arc::clone(&self.node);
        let mut more = node.lock().let_go();
        tokio::spawn(async move {
            while more {
                tokio::time::sleep(Duration::from_millis(1)).await;
                more = node.lock().let_go();
            }
        });
    }

    /// Events of which some are lost on the way, noticed or not.
    async fn unheard(&mut self) {
        self.node.lock().lost = self.rng.usize(1..6);
        for _ in 0..self.rng.usize(1..6) {
            let event = self.some_event();
            self.node.lock().happens(event);
            if self.rng.bool() {
                self.hear().await;
            }
        }
        self.node.lock().lost = 0;
        // The next message's own number shows it, or the number of the event in it.
        if self.rng.bool() {
            self.node.lock().say(ZmqEvent::Gap);
        } else {
            self.node.lock().happens(Event::New);
        }
        self.settle(Told::Last).await;
    }

    /// The node goes on while it is being asked.
    async fn restless(&mut self) {
        for _ in 0..self.rng.usize(1..5) {
            let (calls, event) = (self.rng.usize(..12), self.some_event());
            self.node.lock().meanwhile.push((calls, Meanwhile::Event(event)));
        }
        let event = self.some_event();
        self.node.lock().happens(event);
        for _ in 0..3 {
            self.look().await;
        }
        self.node.lock().meanwhile.clear();
        self.settle(Told::Last).await;
    }

    /// A client's own transaction: it is there when the client has its answer, and nothing stays of it if it is not.
    async fn broadcast(&mut self) {
        self.settle(Told::Last).await;
        let Some(tx) = self.node.lock().payment() else { return };
        let aftermath = [Aftermath::Evicted, Aftermath::Replaced, Aftermath::Mined];
        let aftermath = aftermath.get(self.rng.usize(..6)).copied();
        let is_quiet = aftermath.is_none();
        self.node.lock().aftermath = aftermath;
        self.node.lock().lost = if self.rng.bool() { self.rng.usize(..4) } else { 0 };
        let method = "blockchain.transaction.broadcast";
        let params = json!([serialize_hex(&tx.tx)]);
        // Also while a look is under way, which may come before or after it.
        let is_busy = self.rng.bool();
        self.client.send(method, &params).await;
        if is_busy {
            self.look().await;
        }
        let answer = self.answer_while_following().await;
        assert_eq!(answer, json!(tx.txid.to_string()));
        self.node.lock().lost = 0;
        if is_quiet {
            let truth = Truth::of(&self.node.lock());
            let scripts: Vec<usize> = (0..SCRIPTS - 1).collect();
            self.client.compare_answers(&truth, &scripts).await;
        }
        // Messages that were lost show by the next.
        self.node.lock().happens(Event::New);
        self.settle(Told::Last).await;
    }

    async fn broadcast_package(&mut self) {
        self.settle(Told::Last).await;
        let txs: Vec<Tx> = self.node.lock().package();
        if txs.is_empty() {
            return;
        }
        let raws: Vec<String> = txs.iter().map(|tx| serialize_hex(&tx.tx)).collect();
        self.client.send("blockchain.transaction.broadcast_package", &json!([raws])).await;
        let answer = self.answer_while_following().await;
        assert_eq!(answer["success"], true, "{answer}");
        let truth = Truth::of(&self.node.lock());
        let scripts: Vec<usize> = (0..SCRIPTS - 1).collect();
        self.client.compare_answers(&truth, &scripts).await;
        self.settle(Told::Last).await;
    }

    async fn answer_while_following(&mut self) -> serde_json::Value {
        let Self { client, follower, calls, touched, .. } = self;
        let answer = client.answer();
        tokio::pin!(answer);
        loop {
            let soon = Instant::now() + Duration::from_millis(5);
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                _ = tokio::time::sleep_until(soon) => {}
            }
            follower.wait(Instant::now(), calls, touched).await;
            follower.step(touched, Haste::Asked).await.unwrap();
        }
    }

    /// The node is restarted: until it has loaded its mempool everything stays as it was.
    async fn restart(&mut self) {
        self.settle(Told::Last).await;
        self.node.lock().restart(usize::MAX);
        for _ in 0..2 {
            self.look().await;
            self.client.listen().await;
            assert_eq!(self.client.take_counts(), Counts::default(), "told while loading");
            let scripts: Vec<usize> = (0..SCRIPTS - 1).collect();
            let truth = self.truth.clone();
            self.client.compare_answers(&truth, &scripts).await;
        }
        if self.rng.bool() {
            // Some were not kept.
            let mut rng = self.rng.fork();
            self.node.lock().unloaded.as_mut().unwrap().retain(|_| rng.u8(..4) > 0);
        }
        self.node.lock().load();
        self.settle(Told::Once).await;
    }

    /// The node is restarted between two calls of a look: nothing left, and nothing is told.
    async fn restart_in_between(&mut self) {
        self.settle(Told::Last).await;
        let (calls, loading) = (self.rng.usize(..6), self.rng.usize(..6));
        self.node.lock().say(ZmqEvent::Gap);
        self.node.lock().meanwhile.push((calls, Meanwhile::Restart { calls: loading }));
        for _ in 0..4 {
            self.look().await;
        }
        self.node.lock().meanwhile.clear();
        self.node.lock().load();
        self.settle(Told::Once).await;
    }

    /// Another client comes while something happens, and is told the truth as well.
    async fn newcomer(&mut self) {
        for _ in 0..self.rng.usize(..3) {
            let event = self.some_event();
            self.node.lock().happens(event);
        }
        self.hear().await;
        let mut client = Client::connect(&self.follower.service).await;
        self.settle(Told::Last).await;
        client.listen().await;
        client.compare_told(&self.truth).unwrap();
        client.take_counts();
        if self.client.watched().len() > 60 {
            self.client = client;
        }
    }

    /// Subscribes to some outputs: of the chain, of the mempool, and spent ones.
    async fn watch_some(&mut self) {
        let truth = &self.truth;
        let all: Vec<OutPoint> = truth.outpoints.keys().copied().collect();
        let newest = truth.pool.iter().map(|&txid| OutPoint { txid, vout: 0 });
        let some = self.rng.choose_multiple(newest.chain(all), 2);
        for at in some {
            // Whoever subscribes without knowing the script is told nothing of one that cannot be spent.
            if self.truth.outpoints.contains_key(&at) {
                self.client.watch(at).await;
            }
        }
    }
}

fn run(seed: u64) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed).await;
        for _ in 0..EVENTS {
            world.next().await;
            world.watch_some().await;
        }
        world.follower.index.join().await;
    });
}

#[test]
fn whatever_the_node_does_clients_are_told_the_truth() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MODEL_SEED") {
        return run(seed);
    }
    // What each prints is shown if any fails.
    let seeds = AtomicU64::new(0);
    let until = number("MODEL_SEEDS").unwrap_or(6);
    let next = || Some(seeds.fetch_add(1, SeqCst)).filter(|seed| *seed < until);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    let outcome = std::panic::catch_unwind(|| run(seed));
                    assert!(outcome.is_ok(), "MODEL_SEED={seed} fails: run it alone");
                }
            });
        }
    });
}
