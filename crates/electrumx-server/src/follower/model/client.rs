//! A wallet that subscribed to everything, and keeps account of what it is told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use electrumx_core::ScriptHash;
use electrumx_core::bitcoin::hex::DisplayHex as _;
use electrumx_core::bitcoin::{OutPoint, Txid};
use electrumx_protocol::{PeerInfo, Service, Transport, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio_util::sync::CancellationToken;

use super::node::{SCRIPTS, script};
use super::truth::Truth;
use crate::node::ServerNode;

/// A connected client of protocol 1.7.
pub(super) struct Client {
    stream: BufReader<DuplexStream>,
    /// Which number a script hash has.
    numbers: HashMap<String, usize>,
    told_tip: Value,
    told: Vec<Value>,
    told_outpoints: BTreeMap<OutPoint, Value>,
    told_txs: BTreeMap<Txid, Value>,
    counts: Counts,
}

/// How often something was told.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    pub(super) tips: usize,
    pub(super) scripts: [usize; SCRIPTS],
    pub(super) outpoints: BTreeMap<OutPoint, usize>,
    pub(super) txs: BTreeMap<Txid, usize>,
}

impl Client {
    /// Connects, and subscribes to the tip and to all scripts.
    pub(super) async fn connect(service: &Arc<Service<ServerNode>>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let peer = PeerInfo { addr: None, transport: Transport::Memory };
        tokio::spawn(serve(Arc::clone(service), theirs, peer, CancellationToken::new()));
        let name =
            |number: usize| (ScriptHash::of_script(script(number).as_bytes()).to_string(), number);
        let mut client = Self {
            stream: BufReader::new(ours),
            numbers: (0..SCRIPTS - 1).map(name).collect(),
            told_tip: Value::Null,
            told: vec![Value::Null; SCRIPTS - 1],
            told_outpoints: BTreeMap::new(),
            told_txs: BTreeMap::new(),
            counts: Counts::default(),
        };
        client.call("server.version", json!(["", "1.7"])).await;
        client.told_tip = client.call("blockchain.headers.subscribe", json!([])).await;
        for number in 0..SCRIPTS - 1 {
            let status = client.of_script("subscribe", number).await;
            client.told[number] = status;
        }
        client
    }

    /// Asks something of a script.
    async fn of_script(&mut self, method: &str, number: usize) -> Value {
        let hex = script(number).as_bytes().to_lower_hex_string();
        self.call(&format!("blockchain.scriptpubkey.{method}"), json!([hex])).await
    }

    /// Subscribes to an output, made or yet to be made, and to its transaction.
    pub(super) async fn watch(&mut self, at: OutPoint) {
        let params = json!([at.txid.to_string(), at.vout, "51"]);
        let state = self.call("blockchain.outpoint.subscribe", params).await;
        self.told_outpoints.insert(at, state);
        let params = json!([at.txid.to_string()]);
        let height = self.call("blockchain.transaction.subscribe", params).await;
        self.told_txs.insert(at.txid, height);
    }

    pub(super) fn watched_txs(&self) -> impl Iterator<Item = &Txid> {
        self.told_txs.keys()
    }

    pub(super) fn watched(&self) -> impl ExactSizeIterator<Item = &OutPoint> {
        self.told_outpoints.keys()
    }

    /// Calls a method, and takes what is told meanwhile.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(method, &params).await;
        self.answer().await
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, method: &str, params: &Value) {
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Waits for the answer, and takes what is told meanwhile.
    pub(super) async fn answer(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).await.unwrap() > 0, "disconnected");
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == 1 {
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].take();
            }
            self.take(&message["method"], &message["params"]);
        }
    }

    fn take(&mut self, method: &Value, params: &Value) {
        match method.as_str().unwrap() {
            "blockchain.headers.subscribe" => {
                assert_ne!(self.told_tip, params[0], "the tip was told twice");
                self.told_tip = params[0].clone();
                self.counts.tips += 1;
            }
            "blockchain.scriptpubkey.subscribe" => {
                let number = self.numbers[params[0].as_str().unwrap()];
                assert_ne!(self.told[number], params[1], "script {number}: told twice");
                self.told[number] = params[1].clone();
                self.counts.scripts[number] += 1;
            }
            "blockchain.outpoint.subscribe" => {
                let txid = params[0].as_str().unwrap().parse().unwrap();
                let vout = u32::try_from(params[1].as_u64().unwrap()).unwrap();
                let at = OutPoint { txid, vout };
                let before = self.told_outpoints.insert(at, params[2].clone()).unwrap();
                assert_ne!(before, params[2], "{at}: told twice");
                *self.counts.outpoints.entry(at).or_default() += 1;
            }
            "blockchain.transaction.subscribe" => {
                let txid = params[0].as_str().unwrap().parse().unwrap();
                let before = self.told_txs.insert(txid, params[1].clone()).unwrap();
                assert_ne!(before, params[1], "{txid}: told twice");
                *self.counts.txs.entry(txid).or_default() += 1;
            }
            other => panic!("told {other}: {params}"),
        }
    }

    /// Takes all that was told up to now.
    pub(super) async fn listen(&mut self) {
        self.call("server.ping", json!([])).await;
    }

    /// Returns how often each was told since the last time.
    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Tells whether all that was told so far is the truth; if not, what is not.
    pub(super) fn compare_told(&self, truth: &Truth) -> Result<(), String> {
        if self.told_tip != truth.tip {
            return Err(format!("the tip told is {}, not {}", self.told_tip, truth.tip));
        }
        for (number, (told, script)) in self.told.iter().zip(&truth.scripts).enumerate() {
            if *told != script.status {
                let history = &script.history;
                return Err(format!("script {number}: {told} was told; the history is {history}"));
            }
        }
        for (at, told) in &self.told_outpoints {
            if *told != truth.outpoint(at) {
                return Err(format!("{at}: told {told}, not {}", truth.outpoint(at)));
            }
        }
        for (txid, told) in &self.told_txs {
            if *told != truth.height(txid) {
                return Err(format!("{txid}: told {told}, not {}", truth.height(txid)));
            }
        }
        Ok(())
    }

    /// Asks for everything about some scripts and compares.
    pub(super) async fn compare_answers(&mut self, truth: &Truth, scripts: &[usize]) {
        for &number in scripts {
            let expected = &truth.scripts[number];
            for (method, expected) in [
                ("get_history", &expected.history),
                ("get_mempool", &expected.mempool),
                ("get_balance", &expected.balance),
                ("listunspent", &expected.unspent),
            ] {
                let answer = self.of_script(method, number).await;
                // The lists are members of an object.
                let list = ["history", "utxos"].iter().find_map(|name| answer.get(name));
                let shown = list.unwrap_or(&answer);
                assert_eq!(shown, expected, "{method} of script {number}");
            }
        }
        let histogram = self.call("mempool.get_fee_histogram", json!([])).await;
        let bins = histogram.as_array().unwrap();
        let total: u64 = bins.iter().map(|bin| bin[1].as_u64().unwrap()).sum();
        assert_eq!(total, truth.vbytes, "{histogram}");
        let recent = self.call("mempool.recent", json!([])).await;
        let recent = recent.as_array().unwrap();
        assert_eq!(recent.len(), truth.pool.len().min(10));
        for tx in recent {
            assert!(
                truth.pool.contains(&tx["txid"].as_str().unwrap().parse::<Txid>().unwrap()),
                "{tx}"
            );
        }
    }
}
