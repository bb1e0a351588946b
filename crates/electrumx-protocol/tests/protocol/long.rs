//! Lists that are sent in pieces: whole, of one state of chain and mempool, or not at all.

use electrumx_core::Index as _;
use electrumx_core::bitcoin::Txid;
use electrumx_core::bitcoin::hashes::{Hash as _, sha256d};
use electrumx_protocol::{CloseReason, ServiceConfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::chain::{Chain, Tx, scripthash, tx_named};
use crate::client::{Client, Server, config};

const HOT: &[u8] = b"hot";
const OTHER: &[u8] = b"other";
/// More than is read in one go, and the pieces of which do not fit into what a session holds for a client.
const LONG: u64 = 12_000;
const A_BLOCK: u64 = 1_000;

fn id(number: u64) -> Txid {
    Txid::from_raw_hash(sha256d::Hash::hash(&number.to_le_bytes()))
}

fn tx(number: u64) -> Tx {
    tx_named(&id(number).to_string())
}

/// A chain in which a script has a long history, some outputs of which are spent; `above` empty blocks are above.
pub(crate) fn chain(above: u32) -> Chain {
    let mut chain = Chain::new();
    for first in (0..LONG).step_by(A_BLOCK as usize) {
        let txs = (first..first + A_BLOCK).map(|number| {
            let tx = tx(number).pays(HOT, number + 1);
            // Each third one spends the one before.
            if number % 3 == 2 { tx.spends(&self::tx(number - 1), 0) } else { tx }
        });
        chain.mine(txs.collect());
    }
    let tip = chain.tip().height;
    chain.mine_to(tip + above);
    chain
}

pub(crate) fn roomy() -> ServiceConfig {
    let mut config = config();
    config.limits.max_history = 1_000_000;
    config.limits.max_unsent_bytes = 100_000;
    config
}

/// What the history is to be, by looking through everything.
fn history(chain: &Chain, unconfirmed: &[(u64, i64)]) -> Value {
    let view = chain.store.view().unwrap();
    let confirmed = (0..LONG).filter_map(|number| {
        let number = view.tx_num(&id(number)).unwrap()?;
        let (txid, height) = (view.txid(number).unwrap()?, view.height_of(number)?);
        Some(json!({"height": height, "tx_hash": txid.to_string()}))
    });
    let unconfirmed = unconfirmed.iter().map(
        |(number, height)| json!({"fee": 7, "height": height, "tx_hash": id(*number).to_string()}),
    );
    confirmed.chain(unconfirmed).collect()
}

pub(crate) async fn ask(client: &mut Client, method: &str) {
    let script = scripthash(HOT);
    client
        .send(format!(
            r#"{{"id":1,"method":"blockchain.scripthash.{method}","params":["{script}"]}}"#
        ))
        .await;
}

/// Reads a little, so that the answer has begun.
async fn begin(client: &mut Client) -> String {
    let mut first = vec![0; 1_000];
    client.stream.read_exact(&mut first).await.unwrap();
    String::from_utf8(first).unwrap()
}

/// Reads the rest of an answer.
async fn finish(client: &mut Client, first: String) -> Value {
    let rest = client.line().await.expect("the answer goes on");
    let answer: Value = serde_json::from_str(&(first + &rest)).unwrap();
    assert_eq!(answer["id"], 1);
    answer["result"].clone()
}

#[tokio::test]
async fn an_answer_is_of_one_state_whatever_happens_while_it_is_sent() {
    let mut server = Server::with(chain(5), roomy());
    let mut recent = tx(LONG + 1).pays(HOT, 1);
    server.chain.mine(vec![std::mem::replace(&mut recent, tx(0))]);
    server.chain.pool(&tx(LONG + 2).pays(HOT, 1), 7);
    let mut expected = history(&server.chain, &[(LONG + 2, 0)]);
    let recent = json!({"height": server.chain.tip().height, "tx_hash": id(LONG + 1).to_string()});
    expected.as_array_mut().unwrap().insert(LONG as usize, recent);

    let mut client = server.connect_with_buffer(4096);
    ask(&mut client, "get_history").await;
    let first = begin(&mut client).await;
    // The block that confirmed the newest is reorganised away with some more, other blocks come, and other unconfirmed
    // transactions.
    let touched = server.chain.unwind(4, &[HOT]);
    server.notify(touched).await;
    for number in 0..6 {
        let touched = server.chain.mine(vec![tx(LONG + 10 + number).pays(HOT, 1)]);
        server.notify(touched).await;
    }
    let touched = server.chain.pool(&tx(LONG + 20).pays(HOT, 1), 7);
    server.notify(touched).await;
    assert_eq!(finish(&mut client, first).await, expected);

    // The next answer is of the new state.
    ask(&mut client, "get_history").await;
    let first = begin(&mut client).await;
    let now = finish(&mut client, first).await;
    assert_eq!(now.as_array().unwrap().len() as u64, LONG + 8);
}

#[tokio::test]
async fn unspent_outputs_are_sent_in_pieces_without_those_the_mempool_spends() {
    let mut server = Server::with(chain(30), roomy());
    server.chain.pool(&tx(LONG).spends(&tx(3), 0).pays(HOT, 5), 7);
    let mut client = server.connect_with_buffer(4096);
    ask(&mut client, "listunspent").await;
    let first = begin(&mut client).await;
    let answer = finish(&mut client, first).await;
    let unspent = (0..LONG).filter(|number| number % 3 != 1 && *number != 3);
    let view = server.chain.store.view().unwrap();
    let mut expected: Vec<Value> = unspent
        .map(|number| {
            let height = view.height_of(view.tx_num(&id(number)).unwrap().unwrap()).unwrap();
            json!({"height": height, "tx_hash": id(number).to_string(), "tx_pos": 0, "value": number + 1})
        })
        .collect();
    expected.push(json!({"height": 0, "tx_hash": id(LONG).to_string(), "tx_pos": 0, "value": 5}));
    assert_eq!(answer, Value::from(expected));
}

#[tokio::test]
async fn an_answer_from_a_chain_that_is_gone_is_cut_off_and_never_wrong() {
    let mut server = Server::with(chain(7), roomy());
    let mut client = server.connect_with_buffer(4096);
    ask(&mut client, "get_history").await;
    begin(&mut client).await;
    let touched = server.chain.unwind(9, &[HOT]);
    server.notify(touched).await;
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.contains(&b'\n'), "the line has no end");
    assert_eq!(client.session.await.unwrap(), CloseReason::Unfinished);
}

#[tokio::test]
async fn a_batch_holds_long_answers_in_request_order() {
    let server = Server::with(chain(30), roomy());
    let script = scripthash(HOT);
    let (expected, other) = (history(&server.chain, &[]), scripthash(OTHER));
    let mut client = server.connect_with_buffer(4096);
    let get = |id: u32, script: &str| {
        format!(
            r#"{{"id":{id},"method":"blockchain.scripthash.get_history","params":["{script}"]}}"#
        )
    };
    let batch = format!(
        r#"[{},{{"method":"server.ping"}},{},{},{{"id":4,"method":"server.ping"}}]"#,
        get(1, &script),
        get(2, &other),
        get(3, &script)
    );
    let answer: Value = serde_json::from_str(&client.ask(&batch).await).unwrap();
    let answers = answer.as_array().unwrap();
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(answers[0]["result"], expected);
    assert_eq!(answers[1]["result"], json!([]));
    assert_eq!(answers[2]["result"], expected);
}

#[tokio::test]
async fn what_exceeds_a_limit_is_refused_before_anything_is_sent() {
    let mut config = roomy();
    config.limits.max_send_bytes = 1_000_000;
    let server = Server::with(chain(30), config);
    let mut client = server.connect_with_buffer(4096);
    ask(&mut client, "get_history").await;
    let answer = client.json().await;
    assert_eq!(answer["error"]["code"], -32600);
    assert_eq!(answer["error"]["message"], "response too large (over 1,000,000 bytes)");

    let mut config = roomy();
    config.limits.max_history = LONG as usize - 1;
    let server = Server::with(chain(30), config);
    let mut client = server.connect();
    for method in ["get_history", "listunspent", "get_balance", "subscribe"] {
        ask(&mut client, method).await;
        let answer = client.json().await;
        assert_eq!(answer["error"]["code"], 10001, "{method}");
        assert_eq!(answer["error"]["message"], "history too large", "{method}");
    }
}

/// Asks for a part of the history.
async fn part(client: &mut Client, from: u32, to: i64) -> Value {
    let script = scripthash(HOT);
    let params = format!(r#"["{script}",{from},{to}]"#);
    let answer = client.call("blockchain.scripthash.get_history", &params).await;
    serde_json::from_str(&answer).unwrap()
}

/// What is confirmed in some blocks, of a whole history.
fn blocks(whole: &Value, from: u32, to: u32) -> Value {
    let all = whole.as_array().unwrap().iter();
    let is_in = |tx: &&Value| {
        tx.get("fee").is_none()
            && tx["height"].as_u64().is_some_and(|height| (from..to).contains(&(height as u32)))
    };
    all.filter(is_in).cloned().collect()
}

#[tokio::test]
async fn parts_of_a_long_history_are_those_of_the_whole() {
    let mut server = Server::with(chain(2), roomy());
    server.chain.pool(&tx(LONG).pays(HOT, 1), 7);
    let whole = history(&server.chain, &[(LONG, 0)]);
    let tip = server.chain.tip().height;
    let mut client = server.connect();
    // Nothing of it is kept at first; a long answer, and one of blocks that may go, in the end.
    for (from, to) in
        [(3, 4), (1, 2), (0, 1), (2, 9), (5, tip), (tip, tip + 1), (1, tip + 1), (7, 7)]
    {
        let expected = blocks(&whole, from, to);
        assert_eq!(part(&mut client, from, to.into()).await, expected, "{from}..{to}");
    }
    let mut expected = blocks(&whole, 1, tip + 1);
    expected.as_array_mut().unwrap().push(whole.as_array().unwrap().last().unwrap().clone());
    assert_eq!(part(&mut client, 1, -1).await, expected);
}

#[tokio::test]
async fn a_history_beyond_the_limit_can_be_had_in_parts() {
    let mut config = roomy();
    config.limits.max_history = A_BLOCK as usize;
    let mut server = Server::with(chain(30), config);
    let whole = history(&server.chain, &[]);
    let tip = server.chain.tip().height;
    server.chain.pool(&tx(LONG).pays(HOT, 1), 7);
    let mut client = server.connect();
    for from in 0..=tip {
        let expected = blocks(&whole, from, from + 1);
        assert_eq!(part(&mut client, from, i64::from(from) + 1).await, expected, "{from}");
    }
    let unconfirmed = json!({"fee": 7, "height": 0, "tx_hash": id(LONG).to_string()});
    assert_eq!(part(&mut client, tip + 1, -1).await, json!([unconfirmed]));
    // The limit is for what is asked for.
    for (from, to) in [(0, -1), (1, 3), (1, -1)] {
        let expected = json!({"code": 10001, "message": "history too large"});
        assert_eq!(part(&mut client, from, to).await, expected, "{from}..{to}");
    }
}

#[tokio::test]
async fn the_status_of_a_long_history_is_that_of_its_text() {
    let server = Server::with(chain(30), roomy());
    let mut client = server.connect();
    let history = history(&server.chain, &[]);
    let text: String = history
        .as_array()
        .unwrap()
        .iter()
        .map(|tx| format!("{}:{}:", tx["tx_hash"].as_str().unwrap(), tx["height"]))
        .collect();
    let status = electrumx_core::bitcoin::hashes::sha256::Hash::hash(text.as_bytes());
    ask(&mut client, "subscribe").await;
    let digits: String = status.to_byte_array().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(client.json().await["result"], digits);
}
