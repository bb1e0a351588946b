//! Every method: results, and what is said to each kind of wrong argument.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use electrumx_core::Store as _;
use electrumx_protocol::HostPorts;

use crate::chain::{Chain, Tx, scripthash, tx};
use crate::client::{Server, config};
use crate::node::rpc_error;

pub(crate) const A: &[u8] = b"script a";
pub(crate) const B: &[u8] = b"script b";

fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

/// Two blocks and three unconfirmed transactions between two scripts.
fn two_wallets() -> Chain {
    let mut chain = Chain::new();
    let t11 = tx(0x11).pays(A, 5000).pays(B, 700);
    let t22 = tx(0x22).spends(&t11, 0).pays(A, 3000);
    chain.mine(vec![t11.clone()]);
    chain.mine(vec![t22.clone()]);
    let f0 = tx(0xf0).spends(&t22, 0).pays(A, 1000).pays(B, 1500);
    chain.pool(&f0, 500);
    chain.pool(&tx(0x01).spends(&f0, 0).pays(A, 900), 100);
    chain.pool(&tx(0x0f).spends(&t11, 1).pays(A, 600), 100);
    chain
}

async fn check(server: &Server, method: &str, table: &[(&str, &str)]) {
    let mut client = server.connect();
    for (params, expected) in table {
        assert_eq!(client.call(method, params).await, *expected, "{method}{params}");
    }
}

fn bad_params(text: &str) -> String {
    format!(r#"{{"code":-32602,"message":"{text}"}}"#)
}

fn bad_request(text: &str) -> String {
    format!(r#"{{"code":1,"message":"{text}"}}"#)
}

#[tokio::test]
async fn scripts_with_confirmed_and_unconfirmed_history() {
    let server = Server::new(two_wallets());
    let mut client = server.connect();
    let (a, b) = (format!(r#"["{}"]"#, scripthash(A)), format!(r#"["{}"]"#, scripthash(B)));
    let confirmed = |byte, height| format!(r#"{{"height":{height},"tx_hash":"{}"}}"#, hex(byte));
    let pooled = |byte, height, fee| {
        format!(r#"{{"fee":{fee},"height":{height},"tx_hash":"{}"}}"#, hex(byte))
    };
    let unspent = |byte, height, pos, value| {
        format!(r#"{{"height":{height},"tx_hash":"{}","tx_pos":{pos},"value":{value}}}"#, hex(byte))
    };
    let list = |items: &[String]| format!("[{}]", items.join(","));
    let pool_a = [pooled(0x0f, 0, 100), pooled(0xf0, 0, 500), pooled(0x01, -1, 100)];
    let history_a = [&[confirmed(0x11, 1), confirmed(0x22, 2)], &pool_a[..]].concat();
    let history_b = [confirmed(0x11, 1), pooled(0x0f, 0, 100), pooled(0xf0, 0, 500)];
    for (method, params, expected) in [
        ("get_history", &a, list(&history_a)),
        ("get_history", &b, list(&history_b)),
        ("get_mempool", &a, list(&pool_a)),
        ("get_balance", &a, r#"{"confirmed":3000,"unconfirmed":-1500}"#.into()),
        ("get_balance", &b, r#"{"confirmed":700,"unconfirmed":800}"#.into()),
        ("listunspent", &a, list(&[unspent(0x0f, 0, 0, 600), unspent(0x01, 0, 0, 900)])),
        ("listunspent", &b, list(&[unspent(0xf0, 0, 1, 1500)])),
    ] {
        let answer = client.call(&format!("blockchain.scripthash.{method}"), params).await;
        assert_eq!(answer, expected, "{method} {params}");
    }
    let nobody = format!(r#"["{}"]"#, scripthash(b"nobody"));
    for (method, expected) in [
        ("get_history", "[]"),
        ("get_mempool", "[]"),
        ("get_balance", r#"{"confirmed":0,"unconfirmed":0}"#),
        ("listunspent", "[]"),
        ("subscribe", "null"),
        ("unsubscribe", "true"),
        ("unsubscribe", "false"),
    ] {
        let answer = client.call(&format!("blockchain.scripthash.{method}"), &nobody).await;
        assert_eq!(answer, expected, "{method}");
    }
}

#[tokio::test]
async fn confirmed_outputs_are_listed_in_chain_order() {
    let mut chain = Chain::new();
    chain.mine(vec![tx(0x99).pays(A, 1).pays(B, 2).pays(A, 3)]);
    chain.mine(vec![tx(0x10).pays(A, 4)]);
    let server = Server::new(chain);
    let answer = server
        .connect()
        .call("blockchain.scripthash.listunspent", &format!(r#"["{}"]"#, scripthash(A)))
        .await;
    let utxos: Vec<serde_json::Value> = serde_json::from_str(&answer).unwrap();
    let values: Vec<_> = utxos.iter().map(|utxo| utxo["value"].as_u64().unwrap()).collect();
    assert_eq!(values, [1, 3, 4]);
}

#[tokio::test]
async fn wrong_script_hashes_are_refused_by_every_method() {
    let server = Server::new(two_wallets());
    let a = scripthash(A);
    for method in
        ["get_balance", "get_history", "get_mempool", "listunspent", "subscribe", "unsubscribe"]
    {
        let not_valid = |shown: &str| bad_request(&format!("{shown} is not a valid script hash"));
        let most = if method == "get_history" { 3 } else { 1 };
        let too_many = format!("too many arguments: at most {most}");
        check(
            &server,
            &format!("blockchain.scripthash.{method}"),
            &[
                ("[]", &bad_params("missing argument: scripthash")),
                (&format!(r#"["{a}",1,2,3]"#), &bad_params(&too_many)),
                (&format!(r#"{{"script":"{a}"}}"#), &bad_params("unknown argument: script")),
                (r#"{"\udf11":1}"#, &bad_params("an argument's name is not text")),
                (r#"["zz"]"#, &not_valid("zz")),
                (&format!(r#"["{a}0"]"#), &not_valid(&format!("{a}0"))),
                ("[5]", &not_valid("5")),
                ("[null]", &not_valid("null")),
                (r#"[["x"]]"#, &not_valid(r#"[\"x\"]"#)),
                (r#"["\ud800"]"#, &not_valid(r#"\"\\ud800\""#)),
                (
                    &format!(r#"["{}"]"#, "é".repeat(5000)),
                    &not_valid(&format!("{}…", "é".repeat(100))),
                ),
            ],
        )
        .await;
    }
    let named = format!(r#"{{"scripthash":"{}"}}"#, a.to_uppercase());
    check(
        &server,
        "blockchain.scripthash.get_balance",
        &[(&named, r#"{"confirmed":3000,"unconfirmed":-1500}"#)],
    )
    .await;
}

#[tokio::test]
async fn histories_beyond_the_limit_are_refused_and_not_truncated() {
    let mut chain = Chain::new();
    let mut last = tx(1).pays(A, 100);
    chain.mine(vec![last.clone()]);
    for byte in 2..=3 {
        let next = tx(byte).spends(&last, 0).pays(A, 100);
        chain.mine(vec![next.clone()]);
        last = next;
    }
    // Three outputs and three transactions; a fourth transaction spends without paying back.
    chain.mine(vec![tx(4).spends(&last, 0).pays(B, 100)]);
    let mut config = config();
    for (limit, history_fits, outputs_fit) in [(4, true, true), (3, false, true), (2, false, false)]
    {
        config.limits.max_history = limit;
        let mut copy = Chain::new();
        std::mem::swap(&mut copy, &mut chain);
        let server = Server::with(copy, config.clone());
        let mut client = server.connect();
        let params = format!(r#"["{}"]"#, scripthash(A));
        for (method, fits) in [
            ("get_history", history_fits),
            ("subscribe", history_fits),
            ("get_balance", outputs_fit),
            ("listunspent", outputs_fit),
        ] {
            let answer = client.call(&format!("blockchain.scripthash.{method}"), &params).await;
            let refused = answer == r#"{"code":10001,"message":"history too large"}"#;
            assert_eq!(refused, !fits, "{method} {limit}: {answer}");
        }
        // A refused subscription is none.
        assert_eq!(server.service.subscription_count(), u64::from(history_fits));
        let unsubscribed = client.call("blockchain.scripthash.unsubscribe", &params).await;
        assert_eq!(unsubscribed, history_fits.to_string());
        drop(client);
        chain = server.chain;
    }
}

#[tokio::test]
async fn a_session_has_so_many_subscriptions_and_no_more() {
    let mut config = config();
    config.limits.max_subscriptions = 2;
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let method = "blockchain.scripthash.subscribe";
    let params = |byte| format!(r#"["{}"]"#, hex(byte));
    for byte in [1, 2, 1] {
        assert_eq!(client.call(method, &params(byte)).await, "null");
    }
    let refused =
        r#"{"code":-101,"message":"excessive resource usage: more than 2 subscriptions"}"#;
    assert_eq!(client.call(method, &params(3)).await, refused);
    assert_eq!(client.call("blockchain.scripthash.unsubscribe", &params(1)).await, "true");
    assert_eq!(client.call(method, &params(3)).await, "null");
    assert_eq!(server.service.subscription_count(), 2);
}

#[tokio::test]
async fn headers() {
    let server = Server::new(two_wallets());
    let mut client = server.connect();
    let header = |height: u32| {
        let (mut raw, mut lengths) = (Vec::new(), Vec::new());
        let view = electrumx_core::Index::view(&*server.chain.store).unwrap();
        view.headers(height, 1, &mut raw, &mut lengths).unwrap();
        raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let subscribed = client.call("blockchain.headers.subscribe", "[]").await;
    assert_eq!(subscribed, format!(r#"{{"hex":"{}","height":2}}"#, header(2)));
    check(
        &server,
        "blockchain.block.header",
        &[
            ("[0]", &format!(r#""{}""#, header(0))),
            ("[2,0]", &format!(r#""{}""#, header(2))),
            (r#"["1",null]"#, &format!(r#""{}""#, header(1))),
            (r#"{"height":1,"cp_height":"0"}"#, &format!(r#""{}""#, header(1))),
            ("[3]", &bad_request("height 3 out of range")),
            ("[99999]", &bad_request("height 99,999 out of range")),
            ("[4294967296]", &bad_request("height 4,294,967,296 out of range")),
            ("[18446744073709551615]", &bad_request("height 18,446,744,073,709,551,615 out of range")),
            ("[0,3]", &bad_request("require header height 0 <= cp_height 3 <= chain height 2")),
            ("[2,1]", &bad_request("require header height 2 <= cp_height 1 <= chain height 2")),
            (
                "[18446744073709551615,18446744073709551615]",
                &bad_request("require header height 18,446,744,073,709,551,615 <= cp_height 18,446,744,073,709,551,615 <= chain height 2"),
            ),
            ("[-1]", &bad_request("-1 should be a non-negative integer")),
            ("[1.5]", &bad_request("1.5 should be a non-negative integer")),
            ("[1e3]", &bad_request("1e3 should be a non-negative integer")),
            (r#"["+1"]"#, &bad_request("+1 should be a non-negative integer")),
            (r#"[""]"#, &bad_request(" should be a non-negative integer")),
            ("[true]", &bad_request("true should be a non-negative integer")),
            ("[null]", &bad_request("null should be a non-negative integer")),
            (r#"[0,"x"]"#, &bad_request("x should be a non-negative integer")),
            ("[]", &bad_params("missing argument: height")),
            ("[1,2,3]", &bad_params("too many arguments: at most 2")),
        ],
    )
    .await;
    let all = format!("{}{}{}", header(0), header(1), header(2));
    check(
        &server,
        "blockchain.block.headers",
        &[
            ("[0,3]", &format!(r#"{{"count":3,"hex":"{all}","max":2016}}"#)),
            ("[0,18446744073709551615]", &format!(r#"{{"count":3,"hex":"{all}","max":2016}}"#)),
            ("[1,1]", &format!(r#"{{"count":1,"hex":"{}","max":2016}}"#, header(1))),
            ("[1,0]", r#"{"count":0,"hex":"","max":2016}"#),
            ("[3,5]", r#"{"count":0,"hex":"","max":2016}"#),
            ("[9999999,5,7]", r#"{"count":0,"hex":"","max":2016}"#),
            ("[18446744073709551615,2016]", r#"{"count":0,"hex":"","max":2016}"#),
            ("[4294967295,2016]", r#"{"count":0,"hex":"","max":2016}"#),
            ("[0,3,1]", &bad_request("require header height 2 <= cp_height 1 <= chain height 2")),
            ("[0,3,9]", &bad_request("require header height 2 <= cp_height 9 <= chain height 2")),
            ("[0]", &bad_params("missing argument: count")),
            ("[0,-1]", &bad_request("-1 should be a non-negative integer")),
            ("[0,1.0]", &bad_request("1.0 should be a non-negative integer")),
        ],
    )
    .await;
    client.call("server.version", r#"["",["1.4","1.6"]]"#).await;
    let list = client.call("blockchain.block.headers", "[1,9]").await;
    let expected =
        format!(r#"{{"count":2,"headers":["{}","{}"],"max":2016}}"#, header(1), header(2));
    assert_eq!(list, expected);
    let none = client.call("blockchain.block.headers", "[9,9]").await;
    assert_eq!(none, r#"{"count":0,"headers":[],"max":2016}"#);
}

#[tokio::test]
async fn an_index_without_blocks_is_no_reason_to_panic() {
    let server = Server::new(Chain::empty());
    let mut client = server.connect();
    for (method, params, expected) in [
        ("blockchain.headers.subscribe", "[]", bad_request("the server has no blocks yet")),
        ("blockchain.block.header", "[0]", bad_request("height 0 out of range")),
        ("blockchain.block.header", "[0,1]", bad_request("the server has no blocks yet")),
        ("blockchain.block.headers", "[0,10,1]", r#"{"count":0,"hex":"","max":2016}"#.into()),
        ("blockchain.transaction.id_from_pos", "[0,0]", bad_request("height 0 out of range")),
    ] {
        assert_eq!(client.call(method, params).await, expected);
    }
}

#[tokio::test]
async fn fee_estimates() {
    let server = Server::new(Chain::new());
    check(
        &server,
        "blockchain.estimatefee",
        &[
            ("[6]", "6.0"),
            (r#"["5"]"#, "5.0"),
            ("[0]", "1.0"),
            ("[13]", "12.0"),
            ("[1000]", "-1"),
            ("[18446744073709551616]", "-1"),
            (r#"[6,"economical"]"#, "0.00001"),
            (r#"{"number":6,"mode":"CONSERVATIVE"}"#, "0.0002"),
            (r#"[6,"unset"]"#, "6.0"),
            ("[6,null]", "6.0"),
            ("[6,5]", "6.0"),
            (r#"[6,"x\"y"]"#, &bad_request(r#"unknown estimatefee mode: x\"y"#)),
            ("[-1]", &bad_request("-1 should be a non-negative integer")),
            ("[1.5]", &bad_request("1.5 should be a non-negative integer")),
            (r#"["x"]"#, &bad_request("x should be a non-negative integer")),
            ("[]", &bad_params("missing argument: number")),
        ],
    )
    .await;
    // 6, 5, 1, 12, 1008 and two modes; 984 for 1000.
    assert_eq!(server.node.estimates.load(Relaxed), 8);
    *server.node.down.lock() = true;
    check(&server, "blockchain.estimatefee", &[("[6]", "6.0"), ("[7]", "-1")]).await;
    *server.node.down.lock() = false;
    check(&server, "blockchain.estimatefee", &[("[7]", "7.0")]).await;
}

#[tokio::test]
async fn fee_floors_survive_an_outage_of_the_node() {
    let server = Server::new(Chain::new());
    let info = r#"{"mempoolminfee":0.00002,"minrelaytxfee":0.00001,"incrementalrelayfee":1e-6}"#;
    let unavailable = r#"{"code":2,"message":"the node is unavailable at the moment"}"#;
    *server.node.down.lock() = true;
    check(&server, "mempool.get_info", &[("[]", unavailable)]).await;
    check(&server, "blockchain.relayfee", &[("[]", unavailable)]).await;
    *server.node.down.lock() = false;
    tokio::time::pause();
    check(
        &server,
        "mempool.get_info",
        &[("[]", info), ("[1]", &bad_params("too many arguments: at most 0"))],
    )
    .await;
    check(
        &server,
        "blockchain.relayfee",
        &[("[]", "0.00001"), (r#"{"x":1}"#, &bad_params("unknown argument: x"))],
    )
    .await;
    *server.node.down.lock() = true;
    tokio::time::advance(std::time::Duration::from_secs(1000)).await;
    check(&server, "mempool.get_info", &[("[]", info)]).await;
    check(&server, "blockchain.relayfee", &[("[]", "0.00001")]).await;
}

#[tokio::test]
async fn the_fee_histogram_has_every_transaction() {
    let mut chain = two_wallets();
    let server = Server::new(std::mem::replace(&mut chain, Chain::new()));
    check(&server, "mempool.get_fee_histogram", &[("[]", "[[1.0,300]]")]).await;
    let server = Server::new(chain);
    check(
        &server,
        "mempool.get_fee_histogram",
        &[("[]", "[]"), ("[0]", &bad_params("too many arguments: at most 0"))],
    )
    .await;
}

#[tokio::test]
async fn a_broadcast_is_in_the_history_when_it_is_answered() {
    let mut server = Server::new(two_wallets());
    let t: Tx = tx(0xab).pays(B, 10);
    let accepted = server.chain.unconfirmed(&t, 1);
    server.node.accepts.lock().insert("00ab".into(), accepted);
    let mut client = server.connect();
    let method = "blockchain.transaction.broadcast";
    assert_eq!(client.call(method, r#"["00ab"]"#).await, format!(r#""{}""#, hex(0xab)));
    let pool = client
        .call("blockchain.scripthash.get_mempool", &format!(r#"["{}"]"#, scripthash(B)))
        .await;
    assert!(pool.contains(&hex(0xab)), "{pool}");
    assert_eq!(server.service.sessions()[0].txs_sent, 1);
    let rejected = "the transaction was rejected by network rules.\\n\\nTX decode failed. Make sure \
                    the tx has at least one input.\\n[00]";
    check(
        &server,
        method,
        &[
            (r#"["00"]"#, &bad_request(rejected)),
            (r#"["0"]"#, &bad_request("0 should be a hex string")),
            (r#"["0g"]"#, &bad_request("0g should be a hex string")),
            ("[0]", &bad_request("0 should be a hex string")),
            ("[]", &bad_params("missing argument: raw_tx")),
        ],
    )
    .await;
    *server.node.down.lock() = true;
    let unavailable = r#"{"code":2,"message":"the node is unavailable at the moment"}"#;
    check(&server, method, &[(r#"["00"]"#, unavailable)]).await;
}

#[tokio::test]
async fn packages() {
    let server = Server::new(Chain::new());
    let method = "blockchain.transaction.broadcast_package";
    let too_old = r#"{"code":2,"message":"the node does not accept packages"}"#;
    check(&server, method, &[(r#"[["00"]]"#, too_old)]).await;
    let good =
        "{\"package_msg\":\"success\",\n\"tx-results\":{\"w\":{\"txid\":\"t\",\"vsize\":1}}}";
    *server.node.package.lock() = Some(Ok(good));
    check(
        &server,
        method,
        &[
            (r#"[["00","01"]]"#, r#"{"success":true}"#),
            (r#"{"raw_txs":["00"],"verbose":true}"#, &good.replace('\n', " ")),
            (
                "[[]]",
                &bad_request("the tx package was rejected by network rules.\\n\\nArray must contain between 1 and 25 transactions."),
            ),
            (r#"["00"]"#, &bad_request("00 should be a list")),
            (r#"[["0x"]]"#, &bad_request("0x should be a hex string")),
            ("[[7]]", &bad_request("7 should be a hex string")),
            (r#"[["00"],7]"#, &bad_request(r#"\"verbose\" must be a boolean"#)),
            ("[]", &bad_params("missing argument: raw_txs")),
        ],
    )
    .await;
    *server.node.package.lock() = Some(Ok(
        r#"{"package_msg":"transaction failed","tx-results":{"w1":{"txid":"t1","error":"too \"low\""},"w2":{"txid":"t2"}}}"#,
    ));
    let failed = r#"{"success":false,"errors":[{"txid":"t1","error":"too \"low\""}]}"#;
    check(&server, method, &[(r#"[["00"]]"#, failed)]).await;
    *server.node.package.lock() = Some(Ok("[1]"));
    let internal = r#"{"code":-32603,"message":"internal server error"}"#;
    check(&server, method, &[(r#"[["00"]]"#, internal)]).await;
    *server.node.package.lock() = Some(Err(rpc_error(-25, "topology disallowed")));
    let rejected =
        bad_request("the tx package was rejected by network rules.\\n\\ntopology disallowed.");
    check(&server, method, &[(r#"[["00"]]"#, &rejected)]).await;
}

#[tokio::test]
async fn transactions_come_from_the_node_but_only_those_the_index_knows() {
    let server = Server::new(two_wallets());
    let view = electrumx_core::Index::view(&*server.chain.store).unwrap();
    let block = |height| view.block_hash(height).unwrap();
    {
        let mut txs = server.node.txs.lock();
        txs.insert((tx(0x11).txid, block(1)), "eleven");
        // The block is reorganised away, which the index does not know yet.
        txs.insert((tx(0x22).txid, None), "twentytwo");
        txs.insert((tx(0xf0).txid, None), "f0");
        // Ahead of the mempool view.
        txs.insert((tx(0x77).txid, None), "early");
    }
    let unknown = r#"{"code":2,"message":"No such mempool or blockchain transaction. Use gettransaction for wallet transactions."}"#;
    let params = |byte| format!(r#"["{}"]"#, hex(byte));
    check(
        &server,
        "blockchain.transaction.get",
        &[
            (&params(0x11), r#""656c6576656e""#),
            (&params(0x22), r#""7477656e747974776f""#),
            (&params(0xf0), r#""6630""#),
            (&params(0x77), unknown),
            (&params(0x99), unknown),
            (&format!(r#"["{}",false]"#, hex(0xf0)), r#""6630""#),
            (&format!(r#"["{}",0]"#, hex(0xf0)), r#""6630""#),
            (&format!(r#"["{}",true]"#, hex(0x11)), r#"{   "hex": "eleven" }"#),
            (
                &format!(r#"{{"tx_hash":"{}","verbose":1}}"#, hex(0x11).to_uppercase()),
                r#"{   "hex": "eleven" }"#,
            ),
            // Known to the index, but not to the node.
            (&params(0x01), unknown),
            (
                &format!(r#"["{}","true"]"#, hex(0x11)),
                &bad_request(r#"\"verbose\" must be a boolean"#),
            ),
            (r#"["11"]"#, &bad_request("11 should be a transaction hash")),
            ("[11]", &bad_request("11 should be a transaction hash")),
            (
                &format!(r#"["{}"]"#, "g".repeat(64)),
                &bad_request(&format!("{} should be a transaction hash", "g".repeat(64))),
            ),
            ("[]", &bad_params("missing argument: tx_hash")),
        ],
    )
    .await;
    *server.node.down.lock() = true;
    let unavailable = r#"{"code":2,"message":"the node is unavailable at the moment"}"#;
    check(&server, "blockchain.transaction.get", &[(&params(0x11), unavailable)]).await;
}

#[tokio::test]
async fn a_transaction_that_is_confirmed_while_the_node_is_asked_is_found() {
    let mut server = Server::new(two_wallets());
    let f0 = tx(0xf0).spends(&tx(0x22), 0);
    let (delta, _) = server.chain.block(None, &[tx(0xcb), f0.clone()]);
    let store = std::sync::Arc::clone(&server.chain.store);
    server.node.txs.lock().insert((f0.txid, Some(delta.id.hash)), "f0");
    *server.node.meanwhile.lock() = Some(Box::new(move || store.append(&[delta]).unwrap()));
    let params = format!(r#"["{}"]"#, hex(0xf0));
    check(&server, "blockchain.transaction.get", &[(&params, r#""6630""#)]).await;
}

#[tokio::test]
async fn merkle_branches_name_what_is_not_there() {
    let server = Server::new(two_wallets());
    let view = electrumx_core::Index::view(&*server.chain.store).unwrap();
    let coinbase = |height| view.txids(view.block_txs(height)).unwrap()[0].to_string();
    let out = |height: &str| bad_request(&format!("height {height} out of range"));
    check(
        &server,
        "blockchain.transaction.get_merkle",
        &[
            (
                &format!(r#"["{}",1]"#, hex(0x11)),
                &format!(r#"{{"block_height":1,"merkle":["{}"],"pos":1}}"#, coinbase(1)),
            ),
            (
                &format!(r#"["{}",2]"#, hex(0x11)),
                &bad_request(&format!("tx {} not in block at height 2", hex(0x11))),
            ),
            (&format!(r#"["{}",3]"#, hex(0x11)), &out("3")),
            (
                &format!(r#"["{}",18446744073709551615]"#, hex(0x11)),
                &out("18,446,744,073,709,551,615"),
            ),
            (&format!(r#"["{}"]"#, hex(0x11)), &bad_params("missing argument: height")),
            (
                &format!(r#"["{}",-1]"#, hex(0x11)),
                &bad_request("-1 should be a non-negative integer"),
            ),
            (r#"["x",1]"#, &bad_request("x should be a transaction hash")),
        ],
    )
    .await;
    check(
        &server,
        "blockchain.transaction.id_from_pos",
        &[
            ("[0,0]", &format!(r#""{}""#, coinbase(0))),
            ("[0,0,true]", &format!(r#"{{"tx_hash":"{}","merkle":[]}}"#, coinbase(0))),
            ("[1,1,false]", &format!(r#""{}""#, hex(0x11))),
            (
                r#"{"height":1,"tx_pos":1,"merkle":true}"#,
                &format!(r#"{{"tx_hash":"{}","merkle":["{}"]}}"#, hex(0x11), coinbase(1)),
            ),
            ("[1,2]", &bad_request("no tx at position 2 in block at height 1")),
            (
                "[1,18446744073709551615]",
                &bad_request("no tx at position 18,446,744,073,709,551,615 in block at height 1"),
            ),
            ("[3,0]", &out("3")),
            ("[4294967296,0]", &out("4,294,967,296")),
            ("[1,1,2]", &bad_request(r#"\"merkle\" must be a boolean"#)),
            ("[1]", &bad_params("missing argument: tx_pos")),
            ("[1,-1]", &bad_request("-1 should be a non-negative integer")),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_server_describes_itself() {
    let mut config = config();
    config.banner = "$SERVER_SUBVERSION ($SERVER_VERSION)\n$DAEMON_VERSION $DAEMON_SUBVERSION\n\"$DONATION_ADDRESS\"".into();
    config.donation_address = "bc1q".into();
    let ports = HostPorts { tcp: Some(50001), ssl: Some(50002), ..HostPorts::default() };
    config.hosts =
        BTreeMap::from([("example.com".into(), ports), ("x.onion".into(), HostPorts::default())]);
    config.services = vec!["tcp://example.com:50001".into()];
    let server = Server::with(Chain::new(), config);
    let too_many = bad_params("too many arguments: at most 0");
    // `daemon.passthrough`, which the operator has to allow, is not there.
    let features = r#"{"extensions":["blockchain.address.get_balance","blockchain.address.get_first_use","blockchain.address.get_history","blockchain.address.get_mempool","blockchain.address.get_scripthash","blockchain.address.listunspent","blockchain.address.subscribe","blockchain.address.unsubscribe","blockchain.header.get","blockchain.headers.get_tip","blockchain.headers.unsubscribe","blockchain.scripthash.get_first_use","blockchain.scripthash.get_status","blockchain.transaction.get_confirmed_blockhash","blockchain.transaction.get_height","blockchain.transaction.subscribe","blockchain.transaction.unsubscribe","blockchain.utxo.get_info"],"extra_arguments":{"blockchain.scripthash.get_history":["from_height","to_height"]},"genesis_hash":"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206","hash_function":"sha256","hosts":{"example.com":{"ssl_port":50002,"tcp_port":50001},"x.onion":{}},"protocol_max":"1.7","protocol_min":"1.4","pruning":null,"server_version":"ElectrumX-test 1.2.3","services":["tcp://example.com:50001"]}"#;
    for (method, result) in [
        ("server.banner", r#""ElectrumX-test 1.2.3 (1.2.3)\n29.5.0 /Satoshi:29.5.0/\n\"bc1q\"""#),
        ("server.donation_address", r#""bc1q""#),
        ("server.features", features),
        ("server.peers.subscribe", "[]"),
    ] {
        check(&server, method, &[("[]", result), ("{}", result), ("[1]", &too_many)]).await;
    }
    check(
        &server,
        "server.ping",
        &[
            ("[]", "null"),
            ("[1,2]", "null"),
            ("[1,2,3]", &bad_params("too many arguments: at most 2")),
        ],
    )
    .await;
    check(
        &server,
        "server.add_peer",
        &[
            (r#"[{"hosts":{}}]"#, "false"),
            ("[]", &bad_params("missing argument: features")),
            ("[1]", &bad_request("1 should be an object")),
        ],
    )
    .await;
    *server.node.down.lock() = true;
    let banner = r#""ElectrumX-test 1.2.3 (1.2.3)\nunknown unknown\n\"bc1q\"""#;
    check(&server, "server.banner", &[("[]", banner)]).await;
}

#[tokio::test]
async fn caches_are_used_and_say_how_often() {
    let mut server = Server::new(two_wallets());
    let hits = |server: &Server| -> BTreeMap<&str, (u64, u64)> {
        let stats = server.service.cache_stats();
        stats.iter().map(|stats| (stats.name, (stats.hits, stats.misses))).collect()
    };
    server.notify(Default::default()).await;
    let mut client = server.connect();
    let a = format!(r#"["{}"]"#, scripthash(A));
    let status = client.call("blockchain.scripthash.subscribe", &a).await;
    assert_eq!(client.call("blockchain.scripthash.subscribe", &a).await, status);
    client.call("blockchain.scripthash.get_history", &a).await;
    for tx in [0x11, 0x11] {
        let params = format!(r#"["{}",1]"#, hex(tx));
        client.call("blockchain.transaction.get_merkle", &params).await;
    }
    let seen = hits(&server);
    assert_eq!(seen["statuses"], (1, 1));
    assert_eq!(seen["histories"], (1, 1));
    assert_eq!(seen["block trees"], (1, 1));
    // A block extends what is known: its status is not computed anew.
    let touched = server.chain.mine(vec![tx(0x33).pays(A, 1)]);
    server.notify(touched).await;
    client.json().await;
    assert_eq!(hits(&server)["statuses"], (2, 1));
    assert_eq!(hits(&server)["histories"], (1, 1));
    client.call("blockchain.scripthash.get_history", &a).await;
    assert_eq!(hits(&server)["histories"], (2, 1));
    // Blocks that were not reported leave nothing to go by.
    let touched = server.chain.mine(vec![tx(0x44).pays(A, 1)]);
    server.chain.reported.lock().clear();
    server.notify(touched).await;
    client.json().await;
    assert_eq!(hits(&server)["statuses"], (2, 2));
    assert!(server.service.cache_stats().iter().all(|stats| stats.bytes < 100_000));
}
