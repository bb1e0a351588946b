//! Protocol 1.7: what is new, what is gone, and what stays.

use serde_json::json;

use crate::chain::{Chain, scripthash, tx};
use crate::client::{Client, Server, config};
use crate::methods::{A, B};

async fn connect(server: &Server) -> Client {
    let mut client = server.connect();
    let agreed = client.call("server.version", r#"["",["1.4","1.7"]]"#).await;
    assert_eq!(agreed, r#"["ElectrumX-test 1.2.3","1.7"]"#);
    client
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id(byte: u8) -> String {
    hex(&[byte; 32])
}

/// A confirmed and an unconfirmed payment to A, and one of it to B.
fn wallets() -> Chain {
    let mut chain = Chain::new();
    let first = tx(0x11).pays(A, 5000).pays(B, 700);
    chain.mine(vec![first.clone()]);
    let second = tx(0x22).spends(&first, 0).pays(A, 3000).pays(b"\x6a\x01x", 0);
    chain.pool(&second, 500);
    chain.pool(&tx(0x33).spends(&second, 0).pays(B, 2900), 100);
    chain
}

#[tokio::test]
async fn scripts_are_named_by_themselves_and_lists_are_wrapped() {
    let server = Server::new(wallets());
    let mut client = connect(&server).await;
    let mut old = server.connect();
    for (method, key) in [
        ("get_balance", None),
        ("get_history", Some("history")),
        ("get_mempool", Some("history")),
        ("listunspent", Some("utxos")),
        ("subscribe", None),
        ("unsubscribe", None),
    ] {
        for script in [A, B, b"nobody", b""] {
            let old_params = format!(r#"["{}"]"#, scripthash(script));
            let plain = old.call(&format!("blockchain.scripthash.{method}"), &old_params).await;
            let expected = match key {
                Some(key) => format!(r#"{{"{key}":{plain}}}"#),
                None => plain,
            };
            let method = format!("blockchain.scriptpubkey.{method}");
            let positional = format!(r#"["{}"]"#, hex(script).to_uppercase());
            assert_eq!(client.call(&method, &positional).await, expected, "{method}");
        }
    }
    let named = format!(r#"{{"scriptpubkey":"{}"}}"#, hex(B));
    let balance = client.call("blockchain.scriptpubkey.get_balance", &named).await;
    assert_eq!(balance, r#"{"confirmed":700,"unconfirmed":2900}"#);
    for (params, error) in [
        ("[]", r#"{"code":-32602,"message":"missing argument: scriptpubkey"}"#),
        (r#"["a"]"#, r#"{"code":1,"message":"a should be a hex string"}"#),
        (r#"["zz"]"#, r#"{"code":1,"message":"zz should be a hex string"}"#),
        ("[5]", r#"{"code":1,"message":"5 should be a hex string"}"#),
        (r#"{"scripthash":"00"}"#, r#"{"code":-32602,"message":"unknown argument: scripthash"}"#),
    ] {
        assert_eq!(client.call("blockchain.scriptpubkey.subscribe", params).await, error);
    }
}

#[tokio::test]
async fn a_script_s_notifications_name_its_hash() {
    let mut server = Server::new(wallets());
    let mut client = connect(&server).await;
    let params = format!(r#"["{}"]"#, hex(B));
    client.call("blockchain.scriptpubkey.subscribe", &params).await;
    let touched = server.chain.mine(vec![tx(0x44).pays(B, 1)]);
    server.notify(touched).await;
    let told = client.json().await;
    let status = client.call("blockchain.scriptpubkey.subscribe", &params).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(told["method"], "blockchain.scriptpubkey.subscribe");
    assert_eq!(told["params"], json!([scripthash(B), status]));
    assert_eq!(client.call("blockchain.scriptpubkey.unsubscribe", &params).await, "true");
    assert_eq!(client.call("blockchain.scriptpubkey.unsubscribe", &params).await, "false");
    let touched = server.chain.mine(vec![tx(0x55).pays(B, 1)]);
    server.notify(touched).await;
    assert_eq!(client.call("server.donation_address", "[]").await, r#""""#);
}

#[tokio::test]
async fn each_version_has_its_own_methods() {
    let server = Server::new(wallets());
    let unknown =
        |method: &str| format!(r#"{{"code":-32601,"message":"unknown method \"{method}\""}}"#);
    let gone = [
        "blockchain.relayfee",
        "blockchain.scripthash.get_balance",
        "blockchain.scripthash.get_history",
        "blockchain.scripthash.get_mempool",
        "blockchain.scripthash.listunspent",
        "blockchain.scripthash.subscribe",
        "blockchain.scripthash.unsubscribe",
    ];
    let new = [
        "blockchain.outpoint.get_status",
        "blockchain.outpoint.subscribe",
        "blockchain.outpoint.unsubscribe",
        "blockchain.scriptpubkey.get_balance",
        "blockchain.scriptpubkey.get_history",
        "blockchain.scriptpubkey.get_mempool",
        "blockchain.scriptpubkey.listunspent",
        "blockchain.scriptpubkey.subscribe",
        "blockchain.scriptpubkey.unsubscribe",
        "blockchain.transaction.testmempoolaccept",
        "mempool.recent",
    ];
    for version in ["1.4", "1.4.2", "1.6", "1.7"] {
        let mut client = server.connect();
        client.call("server.version", &format!(r#"["","{version}"]"#)).await;
        for (methods, is_offered) in [(&gone[..], version != "1.7"), (&new[..], version == "1.7")] {
            for method in methods {
                // The arguments are never right, so that the answer is some other error.
                let answer = client.call(method, "[1,2,3,4,5]").await;
                assert_eq!(answer != unknown(method), is_offered, "{method} in {version}");
            }
        }
        for method in ["blockchain.scriptpubkey.nope", "blockchain.scripthash.nope", "mempool.x"] {
            assert_eq!(client.call(method, "[]").await, unknown(method));
        }
    }
}

#[tokio::test]
async fn pings_carry_noise_both_ways() {
    let mut config = config();
    config.limits.max_send_bytes = 10_000;
    let server = Server::with(Chain::new(), config);
    let mut client = connect(&server).await;
    for (params, answer) in [
        ("[]", r#"{"data":""}"#),
        ("[3]", r#"{"data":"000"}"#),
        (r#"[2,"abc"]"#, r#"{"data":"00"}"#),
        (r#"{"data":"","pong_len":1}"#, r#"{"data":"0"}"#),
        (r#"[0,"xy"]"#, r#"{"code":1,"message":"xy should be a hex string"}"#),
        ("[0,5]", r#"{"code":1,"message":"5 should be a hex string"}"#),
        ("[-1]", r#"{"code":1,"message":"-1 should be a non-negative integer"}"#),
        ("[8977]", r#"{"code":1,"message":"pong_len 8,977 is above 8,976"}"#),
        (
            "[99999999999999999999]",
            r#"{"code":1,"message":"pong_len 18,446,744,073,709,551,615 is above 8,976"}"#,
        ),
        ("[1,2,3]", r#"{"code":-32602,"message":"too many arguments: at most 2"}"#),
    ] {
        assert_eq!(client.call("server.ping", params).await, answer, "{params}");
    }
    let longest = client.call("server.ping", "[8976]").await;
    assert_eq!(longest.len(), 8976 + r#"{"data":""}"#.len());
    // The client's noise is not answered.
    client.send(r#"{"jsonrpc":"2.0","method":"server.ping","params":["00ff"]}"#).await;
    assert_eq!(client.call("server.ping", "[1]").await, r#"{"data":"0"}"#);
}

#[tokio::test]
async fn features_do_without_the_hash_function() {
    let server = Server::new(Chain::new());
    let features = connect(&server).await.call("server.features", "[]").await;
    let features: serde_json::Value = serde_json::from_str(&features).unwrap();
    let old = server.connect().call("server.features", "[]").await;
    let mut expected: serde_json::Value = serde_json::from_str(&old).unwrap();
    assert_eq!(expected.as_object_mut().unwrap().remove("hash_function"), Some(json!("sha256")));
    let history = ["from_height", "to_height"];
    expected["extra_arguments"] = json!({"blockchain.scriptpubkey.get_history": history});
    assert_eq!(features, expected);
}

#[tokio::test]
async fn the_newest_unconfirmed_transactions_are_listed() {
    let mut server = Server::new(Chain::new());
    let mut client = connect(&server).await;
    assert_eq!(client.call("mempool.recent", "[]").await, "[]");
    for byte in 0..12 {
        server.chain.pool(&tx(byte).pays(A, 1), u64::from(byte) * 10);
    }
    let recent = client.call("mempool.recent", "[]").await;
    let recent: serde_json::Value = serde_json::from_str(&recent).unwrap();
    let expected: Vec<_> = (2..12)
        .rev()
        .map(|byte: u8| json!({"txid": id(byte), "fee": u64::from(byte) * 10, "vsize": 100}))
        .collect();
    assert_eq!(recent, json!(expected));
}

#[tokio::test]
async fn the_node_is_asked_what_it_would_accept() {
    let server = Server::new(Chain::new());
    let mut client = connect(&server).await;
    let method = "blockchain.transaction.testmempoolaccept";
    let (a, b, c, d) = (id(1), id(2), id(3), id(4));
    *server.node.accept_answer.lock() = Some(format!(
        r#"[{{"txid":"{a}","wtxid":"{b}","allowed":true,"vsize":100,"fees":{{"base":0.1}}}},
            {{"txid":"{b}","wtxid":"{c}","allowed":false,"reject-reason":"why","reject-details":"why, more"}},
            {{"txid":"{c}","wtxid":"{d}","allowed":false,"reject-reason":"why"}},
            {{"txid":"{d}","wtxid":"{d}","package-error":"package-not-sorted"}},
            {{"txid":"{d}","wtxid":"{d}"}}]"#
    ));
    let expected = [
        format!(r#"{{"txid":"{a}","wtxid":"{b}","allowed":true}}"#),
        format!(r#"{{"txid":"{b}","wtxid":"{c}","allowed":false,"reason":"why, more"}}"#),
        format!(r#"{{"txid":"{c}","wtxid":"{d}","allowed":false,"reason":"why"}}"#),
        format!(r#"{{"txid":"{d}","wtxid":"{d}","reason":"package-not-sorted"}}"#),
        format!(r#"{{"txid":"{d}","wtxid":"{d}"}}"#),
    ];
    assert_eq!(client.call(method, r#"[["00","01"]]"#).await, format!("[{}]", expected.join(",")));
    for (params, error) in [
        ("[]", r#"{"code":-32602,"message":"missing argument: raw_txs"}"#),
        (r#"["00"]"#, r#"{"code":1,"message":"00 should be a list"}"#),
        (r#"[["0"]]"#, r#"{"code":1,"message":"0 should be a hex string"}"#),
        ("[[]]", r#"{"code":2,"message":"Array must contain between 1 and 25 transactions."}"#),
    ] {
        assert_eq!(client.call(method, params).await, error);
    }
    *server.node.accept_answer.lock() = Some("[{}]".into());
    let internal = r#"{"code":-32603,"message":"internal server error"}"#;
    assert_eq!(client.call(method, r#"[["00"]]"#).await, internal);
    *server.node.down.lock() = true;
    let down = r#"{"code":2,"message":"the node is unavailable at the moment"}"#;
    assert_eq!(client.call(method, r#"[["00"]]"#).await, down);
}

#[tokio::test]
async fn outpoints_in_every_state() {
    let server = Server::new(wallets());
    let mut client = connect(&server).await;
    let (t11, t22, t33) = (id(0x11), id(0x22), id(0x33));
    let spent = |height, by: &str, at| {
        format!(r#"{{"funder_height":{height},"spender_txhash":"{by}","spender_height":{at}}}"#)
    };
    for (params, expected) in [
        (format!(r#"["{t11}",0,"51"]"#), spent(1, &t22, 0)),
        (format!(r#"["{t11}","1",""]"#), r#"{"funder_height":1}"#.into()),
        (format!(r#"["{t11}",2,"51"]"#), "{}".into()),
        (format!(r#"["{}",0,"51"]"#, t22.to_uppercase()), spent(0, &t33, -1)),
        // The output is not indexed; the hint says why.
        (format!(r#"["{t22}",1,"6a0178"]"#), r#"{"funder_height":0}"#.into()),
        (
            format!(r#"{{"txout_idx":0,"spk_hint":"51","tx_hash":"{t33}"}}"#),
            r#"{"funder_height":-1}"#.into(),
        ),
        (format!(r#"["{t33}",4294967295,"51"]"#), "{}".into()),
        (format!(r#"["{t33}",4294967296,"51"]"#), "{}".into()),
        (format!(r#"["{}",0,"51"]"#, id(0x99)), "{}".into()),
        (format!(r#"["{}",0,"6a"]"#, id(0x99)), "{}".into()),
    ] {
        for method in ["get_status", "subscribe"] {
            let answer = client.call(&format!("blockchain.outpoint.{method}"), &params).await;
            assert_eq!(answer, expected, "{method} {params}");
        }
    }
    // Twice the same, and two indexes that no output has.
    assert_eq!(server.service.subscription_count(), 8);
    let unsubscribe = "blockchain.outpoint.unsubscribe";
    let params = format!(r#"["{t11}",0]"#);
    assert_eq!(client.call(unsubscribe, &params).await, "true");
    assert_eq!(client.call(unsubscribe, &params).await, "false");
    assert_eq!(server.service.subscription_count(), 7);
    let missing = |name| format!(r#"{{"code":-32602,"message":"missing argument: {name}"}}"#);
    for method in ["get_status", "subscribe"] {
        let method = format!("blockchain.outpoint.{method}");
        for (params, error) in [
            (format!(r#"["{t11}",0]"#), missing("spk_hint")),
            (format!(r#"["{t11}"]"#), missing("txout_idx")),
            (
                r#"["zz",0,"51"]"#.into(),
                r#"{"code":1,"message":"zz should be a transaction hash"}"#.into(),
            ),
            (
                format!(r#"["{t11}",-1,"51"]"#),
                r#"{"code":1,"message":"-1 should be a non-negative integer"}"#.into(),
            ),
            (
                format!(r#"["{t11}",0,"5"]"#),
                r#"{"code":1,"message":"5 should be a hex string"}"#.into(),
            ),
        ] {
            assert_eq!(client.call(&method, &params).await, error, "{method}{params}");
        }
    }
    drop(client);
    while server.service.session_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.service.subscription_count(), 0);
}

#[tokio::test]
async fn every_transition_of_an_outpoint_is_told_once() {
    let mut server = Server::new(Chain::new());
    let mut client = connect(&server).await;
    let funder = tx(0x11).pays(A, 10);
    let parent = tx(0x10).pays(B, 10);
    let child = tx(0x22).spends(&funder, 0).spends(&parent, 0).pays(B, 1);
    let t11 = id(0x11).to_uppercase();
    let params = format!(r#"["{t11}",0,"51"]"#);
    let subscribe = "blockchain.outpoint.subscribe";
    assert_eq!(client.call(subscribe, &params).await, "{}");
    assert_eq!(client.call(subscribe, &params).await, "{}");
    let told = async |client: &mut Client, state: serde_json::Value| {
        let expected = json!({"jsonrpc": "2.0", "method": subscribe, "params": [t11, 0, state]});
        assert_eq!(client.json().await, expected);
    };
    let spent = |funder: i32, spender: i32| json!({"funder_height": funder, "spender_txhash": id(0x22), "spender_height": spender});
    // It appears, is confirmed, and is spent by a child of an unconfirmed transaction.
    let touched = server.chain.pool(&funder, 1);
    server.notify(touched).await;
    told(&mut client, json!({"funder_height": 0})).await;
    let touched = server.chain.mine(vec![funder.clone()]);
    server.notify(touched).await;
    told(&mut client, json!({"funder_height": 1})).await;
    server.chain.pool(&parent, 1);
    let touched = server.chain.pool(&child, 1);
    server.notify(touched).await;
    told(&mut client, spent(1, -1)).await;
    // The parent is confirmed: −1 becomes 0. Then the spender is confirmed.
    let touched = server.chain.mine(vec![parent.clone()]);
    server.notify(touched).await;
    told(&mut client, spent(1, 0)).await;
    let touched = server.chain.mine(vec![child.clone()]);
    server.notify(touched.clone()).await;
    server.notify(touched).await;
    told(&mut client, spent(1, 3)).await;
    // A reorg takes it all back, step by step; another chain has it elsewhere.
    let touched = server.chain.unwind(1, &[]);
    server.notify(touched).await;
    told(&mut client, json!({"funder_height": 1})).await;
    let mut touched = server.chain.unwind(2, &[]);
    touched.extend(server.chain.mine(Vec::new()));
    touched.extend(server.chain.mine(vec![funder, parent, child]));
    server.notify(touched).await;
    told(&mut client, spent(2, 2)).await;
    let touched = server.chain.unwind(1, &[]);
    server.notify(touched).await;
    told(&mut client, json!({})).await;
    assert_eq!(client.call("server.ping", "[]").await, r#"{"data":""}"#);
}

#[tokio::test]
async fn scripts_are_told_before_outpoints_and_share_the_limit() {
    let mut config = config();
    config.limits.max_subscriptions = 2;
    let mut server = Server::with(Chain::new(), config);
    let mut client = connect(&server).await;
    let t11 = id(0x11);
    let outpoint = |vout| format!(r#"["{t11}",{vout},"51"]"#);
    client.call("blockchain.outpoint.subscribe", &outpoint(0)).await;
    let script = format!(r#"["{}"]"#, hex(A));
    client.call("blockchain.scriptpubkey.subscribe", &script).await;
    let refused =
        r#"{"code":-101,"message":"excessive resource usage: more than 2 subscriptions"}"#;
    assert_eq!(client.call("blockchain.outpoint.subscribe", &outpoint(1)).await, refused);
    let other = format!(r#"["{}"]"#, hex(B));
    assert_eq!(client.call("blockchain.scriptpubkey.subscribe", &other).await, refused);
    assert_eq!(client.call("blockchain.outpoint.subscribe", &outpoint(0)).await, "{}");
    let touched = server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.notify(touched).await;
    assert_eq!(client.json().await["method"], "blockchain.scriptpubkey.subscribe");
    let told = client.json().await;
    assert_eq!(told["method"], "blockchain.outpoint.subscribe");
    assert_eq!(told["params"], json!([t11, 0, {"funder_height": 1}]));
}
