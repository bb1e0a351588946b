//! What real wallets depend on: the rules of our survey of clients, by number and in order. Chapter 1 of the survey has
//! them, so the third rule is `rule_1_03`. What only the whole server can show is tested there, and named here.

use std::time::Duration;

use serde_json::{Value, json};

use crate::chain::{Chain, scripthash, tx};
use crate::client::{Client, Server};
use crate::methods::{A, B};

fn server() -> Server {
    let mut chain = Chain::new();
    chain.mine(vec![tx(0x11).pays(A, 1)]);
    Server::new(chain)
}

/// A rule that a test of another package shows: it has to be there.
pub(crate) fn is_shown_by(path: &str, test: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let source = std::fs::read_to_string(&path).unwrap();
    assert!(source.contains(&format!("fn {test}(")), "no {test} in {}", path.display());
}

/// Lines of every sort: right and wrong, with and without tag, with ids of each type.
const LINES: [(&str, &str); 6] = [
    (r#"{"jsonrpc":"1.0","id":"x","method":"server.ping","params":[]}"#, r#""x""#),
    (r#"{"id":0,"method":"blockchain.block.header","params":[99]}"#, "0"),
    (r#"{"id":4294967295,"method":"nope"}"#, "4294967295"),
    (r#"{"jsonrpc":"2.0","id":"7","method":"server.banner","params":{}}"#, r#""7""#),
    (r#"{"id":1,"method":"server.ping","params":"x"}"#, "1"),
    (r#"{"id":2,"method":"blockchain.transaction.get","params":["00"]}"#, "2"),
];

async fn answers(client: &mut Client) -> Vec<Value> {
    let mut answers = Vec::new();
    for (line, _) in LINES {
        client.send(line).await;
        answers.push(client.json().await);
    }
    answers
}

#[tokio::test]
async fn rule_1_01_sessions_without_a_version_call_speak_1_4() {
    let server = server();
    let mut client = server.connect();
    client.call("server.ping", "[]").await;
    let headers = client.call("blockchain.block.headers", "[0,1]").await;
    assert!(headers.contains(r#""hex""#));
    let late = client.call("server.version", r#"["",["1.4","1.6"]]"#).await;
    assert!(late.ends_with(r#","1.6"]"#), "{late}");
}

#[tokio::test]
async fn rule_1_02_a_repeated_version_call_is_answered_alike() {
    let server = server();
    let mut client = server.connect();
    let pair = client.call("server.version", r#"["","1.4"]"#).await;
    for again in [r#"["","1.4"]"#, r#"["",["1.4","1.6"]]"#, r#"["","9.9"]"#, "[]"] {
        assert_eq!(client.call("server.version", again).await, pair);
    }
}

#[tokio::test]
async fn rule_1_03_every_message_has_the_tag_of_2_0() {
    let mut server = server();
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    for answer in answers(&mut client).await {
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    }
    let touched = server.chain.mine(Vec::new());
    server.notify(touched).await;
    let told = client.json().await;
    assert_eq!((&told["jsonrpc"], told.as_object().unwrap().len()), (&json!("2.0"), 3));
    assert!(told["params"].is_array());
}

#[tokio::test]
async fn rule_1_04_an_answer_has_either_a_result_or_an_error() {
    for answer in answers(&mut server().connect()).await {
        let members = answer.as_object().unwrap();
        assert_eq!(members.len(), 3, "{answer}");
        assert_ne!(members.contains_key("result"), members.contains_key("error"), "{answer}");
    }
}

#[tokio::test]
async fn rule_1_05_an_error_is_an_object_with_code_and_message() {
    let mut errors = 0;
    for answer in answers(&mut server().connect()).await {
        if let Some(error) = answer.get("error") {
            errors += 1;
            assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
        }
    }
    assert_eq!(errors, 4);
}

#[tokio::test]
async fn rule_1_06_ids_come_back_with_their_type() {
    let server = server();
    let mut client = server.connect();
    for (line, id) in LINES {
        let answer = client.ask(line).await;
        assert!(answer.ends_with(&format!(r#","id":{id}}}"#)), "{answer}");
    }
}

/// So many requests, most of which fail.
fn requests(count: usize) -> Vec<String> {
    let request = |id: usize| {
        let (method, params) = match id % 4 {
            0 => ("server.ping", String::new()),
            1 => ("blockchain.scripthash.get_history", format!("\"{}\"", scripthash(A))),
            2 => ("blockchain.block.header", "99".to_owned()),
            _ => ("blockchain.scripthash.subscribe", "5".to_owned()),
        };
        format!(r#"{{"id":{id},"method":"{method}","params":[{params}]}}"#)
    };
    (0..count).map(request).collect()
}

fn ids(batch: &Value) -> Vec<u64> {
    batch.as_array().unwrap().iter().map(|answer| answer["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn rule_1_07_what_fails_is_answered_with_its_id_also_in_batches() {
    let server = server();
    let mut client = server.connect();
    let failing: Vec<_> =
        requests(8).into_iter().enumerate().filter(|(id, _)| id % 4 > 1).collect();
    for (id, line) in &failing {
        client.send(line).await;
        let answer = client.json().await;
        assert!(answer["error"].is_object() && answer["id"] == *id, "{answer}");
    }
    let lines: Vec<_> = failing.iter().map(|(_, line)| line.as_str()).collect();
    client.send(format!("[{}]", lines.join(","))).await;
    assert_eq!(ids(&client.json().await), [2, 3, 6, 7]);
    // Even one that is refused as a whole.
    let mut config = crate::client::config();
    config.limits.max_batch = 3;
    let strict = Server::with(Chain::new(), config);
    let mut client = strict.connect();
    client.send(format!("[{}]", lines.join(","))).await;
    assert_eq!(ids(&client.json().await), [2, 3, 6, 7]);
}

#[tokio::test]
async fn rule_1_08_answers_come_in_the_order_of_requests() {
    let server = server();
    let mut client = server.connect();
    client.send(requests(50).join("\n")).await;
    for id in 0..50 {
        assert_eq!(client.json().await["id"], id);
    }
}

#[tokio::test]
async fn rule_1_09_a_batch_is_answered_by_one_array_in_one_line() {
    let server = server();
    let mut client = server.connect();
    client.send(format!("[{}]", requests(7).join(","))).await;
    assert_eq!(ids(&client.json().await), (0..7).collect::<Vec<_>>());
    client.expect_silence().await;
}

#[tokio::test]
async fn rule_1_10_a_thousand_in_a_batch_and_in_a_pipeline() {
    let server = server();
    let mut client = server.connect();
    let lines = requests(1000);
    client.send(format!("[{}]", lines.join(","))).await;
    assert_eq!(ids(&client.json().await), (0..1000).collect::<Vec<_>>());
    client.send(lines.join("\n")).await;
    for id in 0..1000 {
        assert_eq!(client.json().await["id"], id);
    }
}

#[tokio::test]
async fn rule_1_11_superseded_and_later_methods_are_served_in_every_version() {
    let server = server();
    for version in ["1.4", "1.4.2", "1.6"] {
        let mut client = server.connect();
        client.call("server.version", &format!(r#"["","{version}"]"#)).await;
        assert_eq!(client.call("blockchain.relayfee", "[]").await, "0.00001");
        assert!(client.call("mempool.get_info", "[]").await.starts_with(r#"{"mempoolminfee""#));
        let params = format!(r#"["{}"]"#, scripthash(A));
        assert_eq!(client.call("blockchain.scripthash.unsubscribe", &params).await, "false");
    }
}

#[tokio::test]
async fn rule_1_12_an_estimate_is_a_float_or_minus_one_and_never_an_error() {
    let server = server();
    for down in [false, true] {
        *server.node.down.lock() = down;
        for target in [0, 1, 5, 1008, 5000] {
            let estimate =
                server.connect().call("blockchain.estimatefee", &format!("[{target}]")).await;
            assert!(estimate == "-1" || estimate.contains('.'), "{estimate}");
        }
    }
}

#[tokio::test]
async fn rule_1_13_the_tip_has_two_keys() {
    let answer = server().connect().call("blockchain.headers.subscribe", "[]").await;
    let tip: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(tip.as_object().unwrap().keys().collect::<Vec<_>>(), ["height", "hex"]);
}

#[tokio::test]
async fn rule_1_14_features_are_complete_by_default() {
    let answer = server().connect().call("server.features", "[]").await;
    let features: Value = serde_json::from_str(&answer).unwrap();
    for text in ["genesis_hash", "protocol_min", "protocol_max", "hash_function", "server_version"]
    {
        assert!(features[text].is_string(), "{text}");
    }
    assert!(features["hosts"].is_object());
}

#[tokio::test]
async fn rule_1_15_script_hashes_are_spelled_as_the_client_does() {
    let mut server = server();
    let mut upper = server.connect();
    let mut lower = server.connect();
    let spelled = scripthash(A).to_uppercase();
    upper.call("blockchain.scripthash.subscribe", &format!(r#"["{spelled}"]"#)).await;
    lower.call("blockchain.scripthash.subscribe", &format!(r#"["{}"]"#, scripthash(A))).await;
    let touched = server.chain.mine(vec![tx(0x22).pays(A, 1)]);
    server.notify(touched).await;
    assert_eq!(upper.json().await["params"][0], spelled);
    assert_eq!(lower.json().await["params"][0], scripthash(A));
    // And none of what was not, or is no longer, subscribed.
    lower.call("blockchain.scripthash.unsubscribe", &format!(r#"["{spelled}"]"#)).await;
    let touched = server.chain.mine(vec![tx(0x33).pays(A, 1), tx(0x44).pays(B, 1)]);
    server.notify(touched).await;
    assert_eq!(upper.json().await["params"][0], spelled);
    upper.expect_silence().await;
    lower.expect_silence().await;
}

#[tokio::test]
async fn rule_1_16_every_change_of_the_tip_s_hash_is_told() {
    let mut server = server();
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    let mut told = Vec::new();
    // Higher, another at the same height, lower, and the first again.
    for (unwound, mined) in [(0, 1), (1, 1), (1, 0), (0, 1)] {
        let mut touched =
            if unwound > 0 { server.chain.unwind(unwound, &[A]) } else { Default::default() };
        for _ in 0..mined {
            touched.extend(server.chain.mine(Vec::new()));
        }
        server.notify(touched).await;
        let message = client.json().await;
        assert_eq!(message["method"], "blockchain.headers.subscribe");
        told.push(message["params"][0].clone());
    }
    let heights: Vec<_> = told.iter().map(|tip| tip["height"].as_u64().unwrap()).collect();
    assert_eq!(heights, [2, 2, 1, 2]);
    assert_ne!(told[0]["hex"], told[1]["hex"]);
    client.expect_silence().await;
}

#[tokio::test]
async fn rule_1_17_transactions_are_not_given_out_before_histories_have_them() {
    let mut server = server();
    let early = tx(0x22).pays(B, 1);
    server.node.txs.lock().insert((early.txid, None), "early");
    let mut client = server.connect();
    let get = format!(r#"["{}"]"#, early.txid);
    let answer = client.call("blockchain.transaction.get", &get).await;
    assert!(
        answer.starts_with(r#"{"code":2,"message":"No such mempool or blockchain transaction"#)
    );
    server.chain.pool(&early, 1);
    assert_eq!(client.call("blockchain.transaction.get", &get).await, r#""6561726c79""#);
    let history = format!(r#"["{}"]"#, scripthash(B));
    let history = client.call("blockchain.scripthash.get_history", &history).await;
    assert!(history.contains(&early.txid.to_string()), "{history}");
}

#[tokio::test]
async fn rule_1_18_a_refused_broadcast_has_the_known_sentence_and_the_node_s_words() {
    let answer = server().connect().call("blockchain.transaction.broadcast", r#"["00"]"#).await;
    let error: Value = serde_json::from_str(&answer).unwrap();
    let words = "TX decode failed. Make sure the tx has at least one input.";
    let text = format!("the transaction was rejected by network rules.\n\n{words}\n[00]");
    assert_eq!(error, json!({"code": 1, "message": text}));
}

#[tokio::test]
async fn rule_1_19_a_ping_is_answered_while_others_are_slow() {
    let server = server();
    let mut busy: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let history = format!(
        r#"{{"id":1,"method":"blockchain.scripthash.get_history","params":["{}"]}}"#,
        scripthash(A)
    );
    for client in &mut busy {
        client.send(vec![history.as_str(); 200].join("\n")).await;
    }
    let ping = tokio::time::timeout(Duration::from_secs(5), async {
        server.connect().expect_silence().await;
    });
    ping.await.expect("pings do not wait for reads of the index");
}

#[tokio::test]
async fn rule_1_20_the_default_name_switches_batching_on() {
    let genesis = crate::client::REGTEST_GENESIS.parse().unwrap();
    let name = electrumx_protocol::ServiceConfig::new(genesis).server_version;
    assert!(name.starts_with("ElectrumX"));
    assert!(!name.to_lowercase().contains("electrs"));
}

#[test]
fn rule_1_21_the_certificate_is_one_that_wallets_pin() {
    is_shown_by(
        "electrumx-server/tests/transports/openssl.rs",
        "the_certificate_made_at_the_first_start_is_one_that_wallets_pin",
    );
    is_shown_by(
        "electrumx-server/tests/transports/tls.rs",
        "tls_of_a_self_signed_certificate_that_stays",
    );
}

#[tokio::test]
async fn rule_1_22_the_most_headers_fit_into_a_line_of_a_million_bytes() {
    let mut chain = Chain::new();
    chain.mine_to(2016);
    let server = Server::new(chain);
    for version in ["1.4", "1.6"] {
        let mut client = server.connect();
        client.call("server.version", &format!(r#"["","{version}"]"#)).await;
        let headers = client.call("blockchain.block.headers", "[0,5000]").await;
        assert!(headers.contains(r#""count":2016"#));
        assert!(headers.len() < 400_000, "{}", headers.len());
    }
}

#[test]
fn rule_1_23_the_node_needs_no_index_of_transactions() {
    // Its node has no index at all, which the test makes sure of.
    is_shown_by(
        "electrumx-server/tests/e2e/methods/mod.rs",
        "every_method_in_every_version_answers_as_the_node_says",
    );
}

#[test]
fn rule_1_24_the_command_line_of_electrs_and_its_signal() {
    for test in [
        "electrsd_can_start_trigger_and_stop_it",
        "an_answer_after_the_signal_comes_after_the_news",
        "flags_of_older_versions_are_taken",
    ] {
        is_shown_by("electrumx-server/tests/compat/main.rs", test);
    }
}

#[tokio::test]
async fn rule_1_25_start_up_calls_do_not_fail_without_a_node() {
    let server = server();
    *server.node.down.lock() = true;
    let mut client = server.connect();
    for method in [
        "server.banner",
        "server.donation_address",
        "server.peers.subscribe",
        "mempool.get_fee_histogram",
        "server.features",
    ] {
        let answer = client.call(method, "[]").await;
        assert!(!answer.starts_with(r#"{"code""#), "{method}: {answer}");
    }
}
