//! Subscriptions: what is told, when, and how often.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::memory::MemoryStore;
use electrumx_core::{
    BlockId, ChainView, HashX, HashXKey, Height, Index, OutputNum, OutputRow, OutputState,
    ScriptOutput, StoreError, Touched, TxNum, TxPosition,
};
use electrumx_protocol::CloseReason;
use parking_lot::{Condvar, Mutex};
use serde_json::json;

use crate::chain::{Chain, scripthash, tx};
use crate::client::{Client, Server, config};
use crate::methods::{A, B};

const SUBSCRIBE: &str = "blockchain.scripthash.subscribe";

async fn subscribe(client: &mut Client, script: &[u8]) -> String {
    client.call(SUBSCRIBE, &format!(r#"["{}"]"#, scripthash(script))).await
}

/// Returns a script's status as a new client is told it.
async fn status(server: &Server, script: &[u8]) -> serde_json::Value {
    serde_json::from_str(&subscribe(&mut server.connect(), script).await).unwrap()
}

async fn expect_status(client: &mut Client, script: &[u8], status: serde_json::Value) {
    let expected =
        json!({"jsonrpc": "2.0", "method": SUBSCRIBE, "params": [scripthash(script), status]});
    assert_eq!(client.json().await, expected);
}

async fn expect_tip(client: &mut Client, server: &Server) {
    let message = client.json().await;
    assert_eq!(message["method"], "blockchain.headers.subscribe");
    let subscribed = server.connect().call("blockchain.headers.subscribe", "[]").await;
    assert_eq!(
        message["params"],
        json!([serde_json::from_str::<serde_json::Value>(&subscribed).unwrap()])
    );
    assert_eq!(message["params"][0]["height"], server.chain.tip().height);
}

#[tokio::test]
async fn a_block_is_told_header_first_then_scripts_each_once() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    client.call("blockchain.headers.subscribe", "[]").await;
    assert_eq!(subscribe(&mut client, A).await, "null");
    assert_eq!(subscribe(&mut client, A).await, "null");
    let mut headers_only = server.connect();
    headers_only.call("blockchain.headers.subscribe", "[]").await;
    let mut bystander = server.connect();
    assert_eq!(subscribe(&mut bystander, B).await, "null");

    let touched = server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.notify(touched.clone()).await;
    server.notify(touched).await;
    expect_tip(&mut client, &server).await;
    let now = status(&server, A).await;
    expect_status(&mut client, A, now).await;
    client.expect_silence().await;
    expect_tip(&mut headers_only, &server).await;
    headers_only.expect_silence().await;
    bystander.expect_silence().await;
}

#[tokio::test]
async fn a_tip_that_is_not_announced_yet_is_answered_and_told_once() {
    let mut server = Server::new(Chain::new());
    let announced = server.chain.tip();
    let touched = server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    let mut client = server.connect();
    let tip = client.call("blockchain.headers.subscribe", "[]").await;
    let header =
        client.call("blockchain.block.header", &format!("[{}]", announced.height + 1)).await;
    assert!(tip.contains(&header), "answers are about one chain: {tip}");
    client.expect_silence().await;
    server.notify(touched).await;
    client.expect_silence().await;
    let touched = server.chain.mine(Vec::new());
    server.notify(touched).await;
    expect_tip(&mut client, &server).await;
}

#[tokio::test]
async fn a_tip_that_was_answered_and_goes_again_is_told() {
    let mut server = Server::new(Chain::new());
    server.chain.mine(Vec::new());
    server.notify(Touched::default()).await;
    let announced = server.chain.tip();
    let mut client = server.connect();
    server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    client.call("blockchain.headers.subscribe", "[]").await;
    server.chain.unwind(1, &[A]);
    assert_eq!(server.chain.tip(), announced);
    server.notify(Touched::default()).await;
    expect_tip(&mut client, &server).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn while_a_look_at_the_node_is_under_way_requests_wait_and_are_answered_after_the_news() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    subscribe(&mut client, A).await;
    server.node.settling.send_replace(true);
    client.send(r#"{"id":7,"method":"server.ping"}"#).await;
    // Sessions go on being told, and the answer is not among it.
    let touched = server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.notify(touched).await;
    server.node.settling.send_replace(false);
    expect_tip(&mut client, &server).await;
    let now = status(&server, A).await;
    expect_status(&mut client, A, now).await;
    assert_eq!(client.json().await["id"], 7);
}

#[tokio::test]
async fn the_mempool_is_told_without_a_header() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    subscribe(&mut client, A).await;
    let parent = tx(0x11).pays(A, 5);
    let touched = server.chain.pool(&parent, 1);
    server.notify(touched).await;
    let with_parent = status(&server, A).await;
    expect_status(&mut client, A, with_parent).await;
    // It vanishes again.
    let touched = server.chain.evict(&parent);
    server.notify(touched).await;
    expect_status(&mut client, A, json!(null)).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_child_is_told_when_its_parent_confirms() {
    let mut server = Server::new(Chain::new());
    let parent = tx(0x11).pays(A, 5);
    let child = tx(0x22).spends(&parent, 0).pays(B, 4);
    server.chain.pool(&parent, 1);
    server.chain.pool(&child, 1);
    let mut client = server.connect();
    let before = subscribe(&mut client, B).await;
    let touched = server.chain.mine(vec![parent]);
    server.notify(touched).await;
    let after = status(&server, B).await;
    assert_ne!(before, after.to_string());
    expect_status(&mut client, B, after).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn reorgs_to_the_same_and_to_a_lower_height_are_told() {
    let mut server = Server::new(Chain::new());
    server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.chain.mine(vec![tx(0x22).pays(B, 1)]);
    server.notify(Default::default()).await;
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    subscribe(&mut client, A).await;
    subscribe(&mut client, B).await;

    let mut touched = server.chain.unwind(1, &[B]);
    touched.extend(server.chain.mine(Vec::new()));
    server.notify(touched).await;
    expect_tip(&mut client, &server).await;
    expect_status(&mut client, B, json!(null)).await;
    client.expect_silence().await;

    let touched = server.chain.unwind(2, &[A]);
    server.notify(touched).await;
    expect_tip(&mut client, &server).await;
    expect_status(&mut client, A, json!(null)).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_transaction_mined_again_at_the_same_height_changes_no_status() {
    let mut server = Server::new(Chain::new());
    server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.notify(Default::default()).await;
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    subscribe(&mut client, A).await;
    let mut touched = server.chain.unwind(1, &[A]);
    touched.extend(server.chain.mine(vec![tx(0x11).pays(A, 1)]));
    server.notify(touched).await;
    expect_tip(&mut client, &server).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_tip_that_is_gone_again_is_not_told() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    let touched = server.chain.mine(Vec::new());
    let changes = server.chain.changes(touched);
    let touched = server.chain.unwind(1, &[]);
    server.service.notify(&changes).await.unwrap();
    server.notify(touched).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn nothing_is_told_after_unsubscribing() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    subscribe(&mut client, A).await;
    subscribe(&mut client, B).await;
    let touched = server.chain.pool(&tx(0x11).pays(A, 1).pays(B, 1), 1);
    let unsubscribe = format!(
        r#"{{"id":1,"method":"blockchain.scripthash.unsubscribe","params":["{}"]}}"#,
        scripthash(A)
    );
    client.send(unsubscribe).await;
    server.notify(touched).await;
    // The status may come before the answer, but not after it.
    let mut line = client.line().await.unwrap();
    let mut told = Vec::new();
    while line != r#"{"jsonrpc":"2.0","result":true,"id":1}"# {
        told.push(line);
        line = client.line().await.unwrap();
    }
    let tells = |line: &String, script| line.contains(&scripthash(script));
    if !told.iter().any(|line| tells(line, B)) {
        assert!(tells(&client.line().await.unwrap(), B));
    }
    client.expect_silence().await;
    assert_eq!(server.service.subscription_count(), 1);
}

#[tokio::test]
async fn subscriptions_end_with_their_session() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    for script in [A, B, b"c"] {
        subscribe(&mut client, script).await;
    }
    assert_eq!(server.service.subscription_count(), 3);
    client.session.abort();
    assert!(client.session.await.is_err());
    assert_eq!(server.service.subscription_count(), 0);
    let touched = server.chain.pool(&tx(0x11).pays(A, 1), 1);
    server.notify(touched).await;
}

#[tokio::test]
async fn a_subscribed_history_that_outgrows_the_limit_ends_the_session() {
    let mut config = config();
    config.limits.max_history = 1;
    let mut server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let mut other = server.connect();
    subscribe(&mut client, A).await;
    subscribe(&mut other, B).await;
    for byte in [1, 2] {
        let touched = server.chain.mine(vec![tx(byte).pays(A, 1)]);
        server.notify(touched).await;
    }
    assert_eq!(client.closed().await, CloseReason::HistoryTooLarge);
    other.expect_silence().await;
    let answer = subscribe(&mut server.connect(), A).await;
    assert_eq!(answer, r#"{"code":10001,"message":"history too large"}"#);
}

#[tokio::test]
async fn a_script_is_answered_consistently_while_the_mempool_is_behind() {
    let mut chain = Chain::new();
    let parent = tx(0x11).pays(A, 5);
    let child = tx(0x22).spends(&parent, 0).pays(A, 4);
    chain.pool(&parent, 1);
    chain.pool(&child, 1);
    // The index has the parent; the mempool still lists both.
    chain.index_block(None, &[tx(0xcb), parent.clone()]);
    let mut server = Server::new(chain);
    let mut client = server.connect();
    let answers = async |client: &mut Client| {
        let params = format!(r#"["{}"]"#, scripthash(A));
        let mut answers = Vec::new();
        for method in ["get_history", "get_mempool", "get_balance", "listunspent", "subscribe"] {
            let method = format!("blockchain.scripthash.{method}");
            answers.push(client.call(&method, &params).await);
        }
        answers
    };
    let behind = answers(&mut client).await;
    let (p, c) = (parent.txid, child.txid);
    assert_eq!(
        behind[..4],
        [
            format!(r#"[{{"height":1,"tx_hash":"{p}"}},{{"fee":1,"height":0,"tx_hash":"{c}"}}]"#),
            format!(r#"[{{"fee":1,"height":0,"tx_hash":"{c}"}}]"#),
            r#"{"confirmed":5,"unconfirmed":-1}"#.to_owned(),
            format!(r#"[{{"height":0,"tx_hash":"{c}","tx_pos":0,"value":4}}]"#),
        ]
    );
    let touched = server.chain.evict(&parent);
    assert_eq!(answers(&mut client).await, behind);
    server.notify(touched).await;
    client.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped_and_nobody_waits_for_it() {
    let mut server = Server::new(Chain::new());
    let mut deaf = server.connect_with_buffer(1000);
    let mut other = server.connect();
    for client in [&mut deaf, &mut other] {
        client.call("blockchain.headers.subscribe", "[]").await;
    }
    for _ in 0..50 {
        let touched = server.chain.mine(Vec::new());
        let notified = server.notify(touched);
        tokio::time::timeout(Duration::from_secs(1), notified).await.expect("it waits for nobody");
        let told = other.json().await;
        assert_eq!(told["params"][0]["height"], server.chain.tip().height);
    }
    assert_eq!(server.service.session_count(), 2);
    assert_eq!(deaf.session.await.unwrap(), CloseReason::NotReading);
    assert_eq!(server.service.session_count(), 1);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_the_newest_state_only() {
    let mut server = Server::new(Chain::new());
    let mut slow = server.connect_with_buffer(300);
    slow.call("blockchain.headers.subscribe", "[]").await;
    subscribe(&mut slow, A).await;
    let mut parent = tx(1).pays(A, 100);
    for byte in 2..100 {
        let touched = server.chain.mine(vec![parent.clone()]);
        server.notify(touched).await;
        parent = tx(byte).pays(A, 100);
    }
    let newest = status(&server, A).await;
    let (mut heights, mut statuses) = (Vec::new(), Vec::new());
    while statuses.last() != Some(&newest) {
        let message = slow.json().await;
        match message["params"].as_array().unwrap().as_slice() {
            [header] => heights.push(header["height"].as_u64().unwrap()),
            [_, status] => statuses.push(status.clone()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heights.last(), Some(&98));
    assert!(heights.is_sorted());
    slow.expect_silence().await;
}

#[tokio::test]
async fn an_operator_ends_a_session() {
    let server = Server::new(Chain::new());
    let mut client = server.connect();
    client.expect_silence().await;
    assert!(!server.service.disconnect(99));
    assert!(server.service.disconnect(1));
    assert_eq!(client.closed().await, CloseReason::Disconnected);
}

#[tokio::test]
async fn a_stopping_server_ends_all_sessions() {
    let server = Server::new(Chain::new());
    let clients = [server.connect(), server.connect()];
    server.shutdown.cancel();
    for client in clients {
        assert_eq!(client.closed().await, CloseReason::Shutdown);
    }
}

#[tokio::test(start_paused = true)]
async fn silent_sessions_end() {
    let server = Server::new(Chain::new());
    let start = tokio::time::Instant::now();
    assert_eq!(server.connect().closed_at_leisure().await, CloseReason::Idle);
    assert_eq!(start.elapsed().as_secs(), 60);
    let mut client = server.connect();
    client.expect_silence().await;
    assert_eq!(client.closed_at_leisure().await, CloseReason::Idle);
    assert_eq!(start.elapsed().as_secs(), 660);
}

impl Client {
    async fn closed_at_leisure(self) -> CloseReason {
        self.session.await.unwrap()
    }
}

/// An index whose reads of a script can be held up, after they opened their snapshot.
struct Gate {
    store: Arc<MemoryStore>,
    /// How many of the next reads are to wait, and how many are waiting.
    state: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Gate {
    fn over(chain: &Chain) -> Arc<Self> {
        let store = Arc::clone(&chain.store);
        Arc::new(Self { store, state: Mutex::default(), changed: Condvar::new() })
    }

    fn hold_next(&self) {
        self.state.lock().0 = 1;
    }

    async fn until_held(&self) {
        while self.state.lock().1 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn release(&self) {
        self.state.lock().1 = 0;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        if state.0 > 0 {
            state.0 -= 1;
            state.1 += 1;
            self.changed.wait_while(&mut state, |state| state.1 > 0);
        }
    }
}

struct GatedIndex(Arc<Gate>);
struct GatedView(Arc<Gate>, Box<dyn ChainView>);

impl Index for GatedIndex {
    fn view(&self) -> Result<Box<dyn ChainView>, StoreError> {
        Ok(Box::new(GatedView(Arc::clone(&self.0), self.0.store.view()?)))
    }

    fn hashx_key(&self) -> HashXKey {
        self.0.store.hashx_key()
    }
}

impl ChainView for GatedView {
    fn tip(&self) -> Option<BlockId> {
        self.1.tip()
    }
    fn tx_count(&self) -> u64 {
        self.1.tx_count()
    }
    fn block_hash(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        self.1.block_hash(height)
    }
    fn headers(
        &self,
        start: Height,
        count: u32,
        out: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<u32, StoreError> {
        self.1.headers(start, count, out, lengths)
    }
    fn block_txs(&self, height: Height) -> Range<u64> {
        self.1.block_txs(height)
    }
    fn height_of(&self, tx_num: TxNum) -> Option<Height> {
        self.1.height_of(tx_num)
    }
    fn txid(&self, tx_num: TxNum) -> Result<Option<Txid>, StoreError> {
        self.1.txid(tx_num)
    }
    fn txids(&self, numbers: Range<u64>) -> Result<Vec<Txid>, StoreError> {
        self.1.txids(numbers)
    }
    fn tx_num(&self, txid: &Txid) -> Result<Option<TxNum>, StoreError> {
        self.1.tx_num(txid)
    }
    fn tx_position(&self, tx_num: TxNum) -> Result<Option<TxPosition>, StoreError> {
        self.1.tx_position(tx_num)
    }
    fn each_script_output(
        &self,
        hashx: &HashX,
        limit: usize,
        visit: &mut dyn FnMut(ScriptOutput),
    ) -> Result<(), StoreError> {
        self.0.pass();
        self.1.each_script_output(hashx, limit, visit)
    }
    fn output(&self, output: OutputNum) -> Result<Option<OutputRow>, StoreError> {
        self.1.output(output)
    }
    fn outputs(&self, numbers: Range<u64>) -> Result<Vec<(OutputNum, OutputRow)>, StoreError> {
        self.1.outputs(numbers)
    }
    fn output_state(
        &self,
        hashx: &HashX,
        output: OutputNum,
    ) -> Result<Option<OutputState>, StoreError> {
        self.1.output_state(hashx, output)
    }
    fn block_spends(&self, height: Height) -> Result<Vec<OutputNum>, StoreError> {
        self.1.block_spends(height)
    }
}

// Reads made at once hold up a thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_change_while_a_subscription_is_being_answered_is_told_after_it() {
    let chain = Chain::new();
    let gate = Gate::over(&chain);
    let mut server = Server::over(Arc::new(GatedIndex(Arc::clone(&gate))), chain, config());
    let mut client = server.connect();
    gate.hold_next();
    client
        .send(format!(r#"{{"id":1,"method":"{SUBSCRIBE}","params":["{}"]}}"#, scripthash(A)))
        .await;
    gate.until_held().await;
    let touched = server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.notify(touched).await;
    gate.release();
    assert_eq!(client.line().await.unwrap(), r#"{"jsonrpc":"2.0","result":null,"id":1}"#);
    let now = status(&server, A).await;
    assert_ne!(now, json!(null));
    expect_status(&mut client, A, now).await;
    client.expect_silence().await;
}

// Reads made at once hold up a thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_status_older_than_the_answer_is_not_told() {
    let chain = Chain::new();
    let gate = Gate::over(&chain);
    let mut server = Server::over(Arc::new(GatedIndex(Arc::clone(&gate))), chain, config());
    let mut client = server.connect();
    assert_eq!(subscribe(&mut client, A).await, "null");

    // A round reads the status of the first block, and is held up.
    let first = server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    let changes = server.chain.changes(first);
    gate.hold_next();
    let service = Arc::clone(&server.service);
    let round = tokio::spawn(async move { service.notify(&changes).await });
    gate.until_held().await;

    // Meanwhile the second block comes, and the client subscribes anew.
    let second = server.chain.mine(vec![tx(0x22).pays(A, 1)]);
    let newest = subscribe(&mut client, A).await;
    gate.release();
    round.await.unwrap().unwrap();
    client.expect_silence().await;
    server.notify(second).await;
    client.expect_silence().await;
    assert_eq!(status(&server, A).await.to_string(), newest);
}
