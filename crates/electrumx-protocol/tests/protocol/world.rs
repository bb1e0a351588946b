//! Random chains and mempools, against a naive recomputation: what caches make of histories, and what
//! subscribers of outpoints and transactions are told.

use std::collections::{BTreeMap, HashSet};

use electrumx_core::Touched;
use electrumx_core::bitcoin::hashes::{Hash as _, sha256d};
use electrumx_core::bitcoin::{OutPoint, Txid};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::chain::{Chain, Tx, scripthash, tx_named};
use crate::client::{Client, Server};

const SCRIPTS: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];

#[derive(Clone, Debug)]
enum Event {
    /// A transaction spends something, confirmed or not, and pays to scripts.
    Tx { pick: u8, pays: Vec<u8> },
    /// A transaction is evicted, with its descendants.
    Evict { pick: u8 },
    /// A block confirms the first so many.
    Mine { count: u8 },
    /// So many blocks are undone; their transactions are unconfirmed again.
    Undo { count: u8 },
    /// A client asks for the state of an outpoint and subscribes: of one of the first so many
    /// transactions, some of which are yet to come.
    Watch { number: u8, vout: u8 },
    /// The sessions are told.
    Notify,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (any::<u8>(), vec(0..4_u8, 1..4)).prop_map(|(pick, pays)| Event::Tx { pick, pays }),
        1 => any::<u8>().prop_map(|pick| Event::Evict { pick }),
        2 => (0..6_u8).prop_map(|count| Event::Mine { count }),
        1 => (1..4_u8).prop_map(|count| Event::Undo { count }),
        2 => (0..30_u8, 0..4_u8).prop_map(|(number, vout)| Event::Watch { number, vout }),
        3 => Just(Event::Notify),
    ]
}

/// Returns the id of the transaction of a number.
fn id(number: u8) -> Txid {
    Txid::from_raw_hash(sha256d::Hash::hash(&[b't', number]))
}

struct World {
    server: Server,
    /// Blocks above the genesis block.
    blocks: Vec<Vec<Tx>>,
    pool: Vec<Tx>,
    created: u8,
    touched: Touched,
}

impl World {
    fn new() -> Self {
        let server = Server::new(Chain::new());
        let (blocks, pool, touched) = (vec![Vec::new()], Vec::new(), Touched::default());
        let mut world = Self { server, blocks, pool, created: 0, touched };
        world.server.chain.mine(Vec::new());
        world
    }

    fn txs(&self) -> impl Iterator<Item = &Tx> {
        self.blocks.iter().flatten().chain(&self.pool)
    }

    fn unspent(&self) -> Vec<(OutPoint, Tx)> {
        let spent: HashSet<_> = self.txs().flat_map(|tx| &tx.inputs).copied().collect();
        let outputs = self.txs().flat_map(|tx| {
            (0..tx.outputs.len() as u32).map(|vout| (OutPoint { txid: tx.txid, vout }, tx.clone()))
        });
        outputs.filter(|(outpoint, _)| !spent.contains(outpoint)).collect()
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Tx { pick, pays } => {
                let unspent = self.unspent();
                let mut tx = tx_named(&id(self.created).to_string());
                self.created = self.created.wrapping_add(1);
                // Now and then money comes from nowhere, or there would be none at first.
                if let Some((outpoint, maker)) = unspent.get(usize::from(*pick) % 8) {
                    tx = tx.spends(maker, outpoint.vout);
                }
                for script in pays {
                    tx = tx.pays(SCRIPTS[usize::from(*script)], 10);
                }
                let touched = self.server.chain.pool(&tx, 1);
                self.touched.extend(touched);
                self.pool.push(tx);
            }
            Event::Evict { pick } if !self.pool.is_empty() => {
                self.evict(usize::from(*pick) % self.pool.len());
            }
            Event::Mine { count } => {
                let count = usize::from(*count).min(self.pool.len());
                let txs: Vec<Tx> = self.pool.drain(..count).collect();
                let touched = self.server.chain.mine(txs.clone());
                self.touched.extend(touched);
                self.blocks.push(txs);
            }
            Event::Undo { count } => {
                let count = usize::from(*count).min(self.blocks.len() - 1);
                if count == 0 {
                    return;
                }
                let touched = self.server.chain.unwind(count as u32, &SCRIPTS);
                self.touched.extend(touched);
                let undone = self.blocks.split_off(self.blocks.len() - count);
                let pool = std::mem::take(&mut self.pool);
                for tx in undone.into_iter().flatten() {
                    let touched = self.server.chain.pool(&tx, 1);
                    self.touched.extend(touched);
                    self.pool.push(tx);
                }
                self.pool.extend(pool);
            }
            Event::Evict { .. } | Event::Watch { .. } | Event::Notify => {}
        }
    }

    fn evict(&mut self, at: usize) {
        let tx = self.pool.remove(at);
        let touched = self.server.chain.evict(&tx);
        self.touched.extend(touched);
        let spends = |child: &Tx| child.inputs.iter().any(|input| input.txid == tx.txid);
        while let Some(at) = self.pool.iter().position(spends) {
            self.evict(at);
        }
    }

    async fn notify(&mut self) {
        self.server.notify(std::mem::take(&mut self.touched)).await;
    }

    /// Where a transaction is, by looking through everything.
    fn height(&self, txid: &Txid) -> Value {
        let is_in = |txs: &[Tx]| txs.iter().any(|tx| tx.txid == *txid);
        match self.blocks.iter().position(|block| is_in(block)) {
            Some(above_genesis) => json!(above_genesis + 1),
            None => is_in(&self.pool).then_some(0).into(),
        }
    }

    /// The state of an outpoint, by looking through everything.
    fn outpoint(&self, outpoint: &OutPoint) -> Value {
        let unconfirmed = |tx: &Tx| {
            let in_pool = |input: &OutPoint| self.pool.iter().any(|tx| tx.txid == input.txid);
            if tx.inputs.iter().any(in_pool) { -1 } else { 0 }
        };
        let confirmed = (1..)
            .zip(&self.blocks)
            .flat_map(|(height, txs): (i64, &Vec<Tx>)| txs.iter().map(move |tx| (tx, height)));
        let all: Vec<_> =
            confirmed.chain(self.pool.iter().map(|tx| (tx, unconfirmed(tx)))).collect();
        let mut state = json!({});
        let has = |tx: &Tx| tx.txid == outpoint.txid && (outpoint.vout as usize) < tx.outputs.len();
        if let Some((_, height)) = all.iter().find(|(tx, _)| has(tx)) {
            state["funder_height"] = json!(height);
            if let Some((tx, height)) = all.iter().find(|(tx, _)| tx.inputs.contains(outpoint)) {
                state["spender_txhash"] = json!(tx.txid.to_string());
                state["spender_height"] = json!(height);
            }
        }
        state
    }
}

/// A client that follows outpoints and transactions.
struct Watcher {
    client: Client,
    told: BTreeMap<OutPoint, Value>,
    heights: BTreeMap<Txid, Value>,
}

impl Watcher {
    async fn watch(&mut self, world: &World, outpoint: OutPoint) {
        let params = format!(r#"["{}",{},"51"]"#, outpoint.txid, outpoint.vout);
        let status = self.client.call("blockchain.outpoint.get_status", &params).await;
        let answer = self.client.call("blockchain.outpoint.subscribe", &params).await;
        assert_eq!(status, answer);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, world.outpoint(&outpoint), "{outpoint}");
        self.told.insert(outpoint, answer);

        let params = format!(r#"["{}"]"#, outpoint.txid);
        let height = self.client.call("blockchain.transaction.get_height", &params).await;
        let answer = self.client.call("blockchain.transaction.subscribe", &params).await;
        assert_eq!(height, answer);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, world.height(&outpoint.txid), "{outpoint}");
        self.heights.insert(outpoint.txid, answer);
    }

    /// Takes what was told, and checks that it is the truth and was not told before.
    async fn listen(&mut self, world: &World) {
        self.client.send(r#"{"id":"silence","method":"server.banner"}"#).await;
        loop {
            let message = self.client.json().await;
            if message["id"] == "silence" {
                break;
            }
            if message["method"] == "blockchain.transaction.subscribe" {
                let [txid, height] = message["params"].as_array().unwrap().as_slice() else {
                    panic!("{message}");
                };
                let txid = txid.as_str().unwrap().parse().unwrap();
                let before = self.heights.insert(txid, height.clone()).expect("it was subscribed");
                assert_ne!(before, *height, "told twice");
                continue;
            }
            assert_eq!(message["method"], "blockchain.outpoint.subscribe");
            let [txid, vout, state] = message["params"].as_array().unwrap().as_slice() else {
                panic!("{message}");
            };
            let txid = txid.as_str().unwrap().parse().unwrap();
            let outpoint = OutPoint { txid, vout: vout.as_u64().unwrap() as u32 };
            let before = self.told.insert(outpoint, state.clone()).expect("it was subscribed");
            assert_ne!(before, *state, "told twice");
        }
        for (outpoint, told) in &self.told {
            assert_eq!(*told, world.outpoint(outpoint), "{outpoint}");
        }
        for (txid, told) in &self.heights {
            assert_eq!(*told, world.height(txid), "{txid}");
        }
    }
}

async fn watch(events: Vec<Event>) {
    let mut world = World::new();
    let mut client = world.server.connect();
    client.call("server.version", r#"["","1.7"]"#).await;
    let mut watcher = Watcher { client, told: BTreeMap::new(), heights: BTreeMap::new() };
    for event in events.iter().chain([&Event::Notify]) {
        world.apply(event);
        match event {
            Event::Watch { number, vout } => {
                let outpoint = OutPoint { txid: id(*number), vout: u32::from(*vout) };
                // What is pending for a subscription made before is in the new answer.
                watcher.told.remove(&outpoint);
                watcher.heights.remove(&outpoint.txid);
                watcher.watch(&world, outpoint).await;
            }
            Event::Notify => {
                world.notify().await;
                watcher.listen(&world).await;
            }
            _ => {}
        }
    }
}

/// Asks for everything about every script, twice: the second time it may come from a cache.
async fn answers(server: &Server) -> Vec<String> {
    let mut client = server.connect();
    let mut answers = Vec::new();
    for _ in 0..2 {
        for script in SCRIPTS {
            let params = format!(r#"["{}"]"#, scripthash(script));
            for method in ["get_history", "get_balance", "listunspent", "subscribe"] {
                answers
                    .push(client.call(&format!("blockchain.scripthash.{method}"), &params).await);
            }
        }
    }
    answers
}

async fn ask(events: Vec<Event>) -> u64 {
    let mut world = World::new();
    world.notify().await;
    for event in &events {
        world.apply(event);
        match event {
            Event::Notify => world.notify().await,
            // Also between the change and its notification.
            Event::Watch { .. } => {}
            _ => continue,
        }
        let fresh = Server::new(world.server.chain.sharing());
        assert_eq!(answers(&world.server).await, answers(&fresh).await);
    }
    world.server.service.cache_stats().iter().map(|stats| stats.hits).sum()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn subscribers_of_outpoints_and_transactions_are_told_every_change_once(events in vec(event(), 1..60)) {
        block_on(watch(events));
    }

    #[test]
    fn cached_answers_equal_those_of_a_server_that_has_cached_nothing(events in vec(event(), 1..40)) {
        let asked = events.iter().any(|event| matches!(event, Event::Notify));
        let hits = block_on(ask(events));
        prop_assert!(hits > 0 || !asked);
    }
}
