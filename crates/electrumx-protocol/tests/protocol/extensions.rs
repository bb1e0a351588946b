//! Methods beyond the protocol, in the shapes of the server that invented them (Fulcrum).

use serde_json::{Value, json};

use crate::chain::{Chain, scripthash, tx};
use crate::client::{Client, Server};
use crate::methods::{A, B};

async fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    let answer = client.call(&format!("blockchain.{method}"), &params.to_string()).await;
    serde_json::from_str(&answer).unwrap()
}

/// The hash and the header of the tip.
fn tip(server: &Server) -> (String, String) {
    let view = electrumx_core::Index::view(&*server.chain.store).unwrap();
    let mut raw = Vec::new();
    view.headers(server.chain.tip().height, 1, &mut raw, &mut Vec::new()).unwrap();
    let hex = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    (server.chain.tip().hash.to_string(), hex)
}

#[tokio::test]
async fn the_first_use_of_a_script_may_be_in_the_mempool() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    let first = async |client: &mut Client, script| {
        ask(client, "scripthash.get_first_use", json!([scripthash(script)])).await
    };
    assert_eq!(first(&mut client, A).await, Value::Null);

    // In the mempool it is a transaction that pays to the script, whatever spends from it; height 0 also for a child.
    let parent = tx(0x22).pays(B, 9);
    let child = tx(0x33).spends(&parent, 0).pays(A, 8);
    server.chain.pool(&parent, 1);
    server.chain.pool(&child, 1);
    server.chain.pool(&tx(0x11).spends(&child, 0).pays(B, 7), 1);
    let zeros = "00".repeat(32);
    let pooled = |tx: &str| json!({"block_hash": zeros, "height": 0, "tx_hash": tx.repeat(32)});
    assert_eq!(first(&mut client, A).await, pooled("33"));

    // A confirmed one is before it.
    server.chain.mine(vec![parent, child]);
    let (block, _) = tip(&server);
    let confirmed = json!({"block_hash": block, "height": 1, "tx_hash": "33".repeat(32)});
    assert_eq!(first(&mut client, A).await, confirmed);
    server.chain.mine(vec![tx(0x44).pays(A, 1)]);
    assert_eq!(first(&mut client, A).await, confirmed);
}

#[tokio::test]
async fn heights_are_0_in_the_mempool_and_null_for_what_is_unknown() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    let [parent, child] = [tx(0x11).pays(A, 2), tx(0x22)];
    let child = child.spends(&parent, 0).pays(A, 1);
    server.chain.pool(&parent, 1);
    server.chain.pool(&child, 1);
    server.chain.mine(vec![tx(0x33)]);
    for (byte, height) in
        [(0x11, json!(0)), (0x22, json!(0)), (0x33, json!(1)), (0x44, json!(null))]
    {
        let params = json!([format!("{byte:02x}").repeat(32)]);
        assert_eq!(ask(&mut client, "transaction.get_height", params).await, height, "{byte:x}");
    }
    // The index has it, the mempool still lists it.
    server.chain.index_block(None, &[tx(0xcb), parent]);
    let params = json!(["11".repeat(32)]);
    assert_eq!(ask(&mut client, "transaction.get_height", params).await, 2);
}

#[tokio::test]
async fn the_block_of_a_transaction_comes_with_its_header_on_request() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.chain.pool(&tx(0x22).pays(A, 1), 1);
    let (hash, header) = tip(&server);
    let method = "transaction.get_confirmed_blockhash";
    let txid = "11".repeat(32);
    let without = json!({"block_hash": hash, "block_height": 1});
    let with = json!({"block_hash": hash, "block_header": header, "block_height": 1});
    for (params, expected) in [
        (json!([txid]), &without),
        (json!([txid, false]), &without),
        (json!([txid, null]), &without),
        (json!([txid, true]), &with),
        (json!({"include_header": 1, "tx_hash": txid}), &with),
    ] {
        assert_eq!(ask(&mut client, method, params).await, *expected);
    }
    for txid in ["22".repeat(32), "33".repeat(32)] {
        let message = format!("transaction {txid} is not confirmed, or unknown");
        let expected = json!({"code": 1, "message": message});
        assert_eq!(ask(&mut client, method, json!([txid, true])).await, expected);
    }
    let expected = json!({"code": 1, "message": "\"include_header\" must be a boolean"});
    assert_eq!(ask(&mut client, method, json!([txid, 2])).await, expected);
}

/// What a subscriber is told of a transaction.
async fn expect_height(client: &mut Client, txid: &str, height: Value) {
    let method = "blockchain.transaction.subscribe";
    let told = json!({"jsonrpc": "2.0", "method": method, "params": [txid, height]});
    assert_eq!(client.json().await, told);
}

#[tokio::test]
async fn subscribers_of_a_transaction_are_told_where_it_is_each_time_it_is_elsewhere() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    let parent = tx(0x22).pays(B, 9);
    let payment = tx(0xaa).spends(&parent, 0).pays(A, 8);
    let txid = "AA".repeat(32);
    let subscribe = "transaction.subscribe";
    // Twice is once.
    assert_eq!(ask(&mut client, subscribe, json!([txid])).await, Value::Null);
    assert_eq!(ask(&mut client, subscribe, json!([txid])).await, Value::Null);
    assert_eq!(server.service.subscription_count(), 1);

    // It comes, with an unconfirmed parent; that is confirmed, which is no news; another client hears nothing.
    let mut other = server.connect();
    assert_eq!(ask(&mut other, subscribe, json!(["bb".repeat(32)])).await, Value::Null);
    let mut touched = server.chain.pool(&parent, 1);
    touched.extend(server.chain.pool(&payment, 1));
    server.notify(touched.clone()).await;
    server.notify(touched).await;
    expect_height(&mut client, &txid, json!(0)).await;
    client.expect_silence().await;
    let touched = server.chain.mine(vec![parent]);
    server.notify(touched).await;
    assert_eq!(client.json().await["method"], "blockchain.headers.subscribe");
    client.expect_silence().await;

    // It is confirmed, and told behind the tip; unconfirmed again; evicted.
    let touched = server.chain.mine(vec![payment.clone()]);
    server.notify(touched).await;
    assert_eq!(client.json().await["method"], "blockchain.headers.subscribe");
    expect_height(&mut client, &txid, json!(2)).await;
    let mut touched = server.chain.unwind(1, &[A, B]);
    touched.extend(server.chain.pool(&payment, 1));
    server.notify(touched).await;
    assert_eq!(client.json().await["method"], "blockchain.headers.subscribe");
    expect_height(&mut client, &txid, json!(0)).await;
    let touched = server.chain.evict(&payment);
    server.notify(touched).await;
    expect_height(&mut client, &txid, Value::Null).await;
    other.expect_silence().await;

    // After the end nothing is told.
    let unsubscribe = "transaction.unsubscribe";
    assert_eq!(ask(&mut client, unsubscribe, json!([txid.to_lowercase()])).await, json!(true));
    assert_eq!(ask(&mut client, unsubscribe, json!([txid])).await, json!(false));
    let touched = server.chain.pool(&payment, 1);
    server.notify(touched).await;
    client.expect_silence().await;
    assert_eq!(server.service.subscription_count(), 1);
}

#[tokio::test]
async fn a_reorg_that_moves_a_transaction_to_another_height_is_told_once() {
    let mut server = Server::new(Chain::new());
    let mut client = server.connect();
    let payment = tx(0x11).pays(A, 1);
    let txid = "11".repeat(32);
    server.chain.mine(vec![payment.clone()]);
    server.notify(electrumx_core::Touched::default()).await;
    assert_eq!(ask(&mut client, "transaction.subscribe", json!([txid])).await, json!(1));
    // To another block at the same height: no news.
    let mut touched = server.chain.unwind(1, &[A]);
    touched.extend(server.chain.mine(vec![tx(0x12).pays(B, 1), payment.clone()]));
    server.notify(touched).await;
    client.expect_silence().await;
    let mut touched = server.chain.unwind(1, &[A, B]);
    touched.extend(server.chain.mine(Vec::new()));
    touched.extend(server.chain.mine(vec![payment]));
    server.notify(touched).await;
    expect_height(&mut client, &txid, json!(2)).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn subscriptions_of_transactions_count_for_the_limit() {
    let mut config = crate::client::config();
    config.limits.max_subscriptions = 2;
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    ask(&mut client, "scripthash.subscribe", json!([scripthash(A)])).await;
    let method = "transaction.subscribe";
    assert_eq!(ask(&mut client, method, json!(["11".repeat(32)])).await, Value::Null);
    let refusal =
        json!({"code": -101, "message": "excessive resource usage: more than 2 subscriptions"});
    assert_eq!(ask(&mut client, method, json!(["22".repeat(32)])).await, refusal);
    assert_eq!(ask(&mut client, "scripthash.subscribe", json!([scripthash(B)])).await, refusal);
    assert_eq!(server.service.subscription_count(), 2);
    assert_eq!(ask(&mut client, method, json!(["11".repeat(32)])).await, Value::Null);
    ask(&mut client, "transaction.unsubscribe", json!(["11".repeat(32)])).await;
    assert_eq!(ask(&mut client, method, json!(["22".repeat(32)])).await, Value::Null);
}

#[tokio::test]
async fn methods_of_the_node_are_passed_through_where_the_operator_allows_them() {
    let mut config = crate::client::config();
    config.passthrough = ["uptime".into(), "refused".into()].into();
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let features = client.call("server.features", "[]").await;
    assert!(features.contains(r#""daemon.passthrough""#), "{features}");
    for (params, answer) in [
        // As it comes, on one line.
        (r#"{"method":"uptime"}"#, r#"{"of": ["uptime", "none" ]}"#),
        (r#"{"method":"uptime","params":[]}"#, r#"{"of": ["uptime", "[]" ]}"#),
        (r#"{"params":[1.50, {}],"method":"uptime"}"#, r#"{"of": ["uptime", "[1.50, {}]" ]}"#),
        (r#"["uptime",{"a":1}]"#, r#"{"of": ["uptime", "{\"a\":1}" ]}"#),
        (r#"["uptime",null]"#, r#"{"of": ["uptime", "none" ]}"#),
        (r#"["refused"]"#, r#"{"code":2,"message":"Block height out of range (code -8)"}"#),
        (r#"["stop"]"#, r#"{"code":1,"message":"stop is not a method that is passed through"}"#),
        (
            r#"["UPTIME"]"#,
            r#"{"code":1,"message":"UPTIME is not a method that is passed through"}"#,
        ),
        ("[5]", r#"{"code":1,"message":"5 is not a method that is passed through"}"#),
        (r#"["uptime",5]"#, r#"{"code":1,"message":"5 should be a list or an object"}"#),
        (r#"["uptime","[]"]"#, r#"{"code":1,"message":"[] should be a list or an object"}"#),
        ("[]", r#"{"code":-32602,"message":"missing argument: method"}"#),
        (r#"{"method":"uptime","id":1}"#, r#"{"code":-32602,"message":"unknown argument: id"}"#),
    ] {
        assert_eq!(client.call("daemon.passthrough", params).await, answer, "{params}");
    }
    *server.node.down.lock() = true;
    let answer = client.call("daemon.passthrough", r#"["uptime"]"#).await;
    assert_eq!(answer, r#"{"code":2,"message":"the node is unavailable at the moment"}"#);
}

#[tokio::test]
async fn where_no_method_of_the_node_is_allowed_there_is_no_passthrough() {
    let mut client = Server::new(Chain::new()).connect();
    let answer = client.call("daemon.passthrough", r#"["uptime"]"#).await;
    assert_eq!(answer, r#"{"code":-32601,"message":"unknown method \"daemon.passthrough\""}"#);
    let features = client.call("server.features", "[]").await;
    assert!(!features.contains("passthrough"), "{features}");
}
