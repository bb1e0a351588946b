//! What real wallets depend on, by the number of the rule in our survey of clients.

use crate::chain::{Chain, scripthash, tx};
use crate::client::Server;
use crate::methods::A;

fn server() -> Server {
    let mut chain = Chain::new();
    chain.mine(vec![tx(0x11).pays(A, 1)]);
    Server::new(chain)
}

#[tokio::test]
async fn rules_1_and_2_version_last_and_again_and_again() {
    let server = server();
    let mut client = server.connect();
    client.call("server.ping", "[]").await;
    let headers = client.call("blockchain.block.headers", "[0,1]").await;
    assert!(headers.contains(r#""hex""#));
    let pair = client.call("server.version", r#"["","1.4"]"#).await;
    for again in [r#"["","1.4"]"#, r#"["",["1.4","1.6"]]"#, r#"["","9.9"]"#, "[]"] {
        assert_eq!(client.call("server.version", again).await, pair);
    }
}

#[tokio::test]
async fn rules_3_to_6_every_message_is_well_formed() {
    let mut server = server();
    let mut client = server.connect();
    client.call("blockchain.headers.subscribe", "[]").await;
    for line in [
        r#"{"jsonrpc":"1.0","id":"x","method":"server.ping","params":[]}"#,
        r#"{"id":0,"method":"blockchain.block.header","params":[99]}"#,
        r#"{"id":4294967295,"method":"nope"}"#,
    ] {
        client.send(line).await;
        let answer = client.json().await;
        let answer = answer.as_object().unwrap();
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer.len(), 3);
        assert_ne!(answer.contains_key("result"), answer.contains_key("error"));
        if let Some(error) = answer.get("error") {
            assert!(error["code"].is_i64() && error["message"].is_string());
        }
        let sent: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["id"], sent["id"]);
    }
    let touched = server.chain.mine(Vec::new());
    server.notify(touched).await;
    let told = client.json().await;
    assert_eq!((&told["jsonrpc"], told.as_object().unwrap().len()), (&"2.0".into(), 3));
    assert!(told["params"].is_array());
}

#[tokio::test]
async fn rules_7_to_10_pipelines_and_batches_are_answered_in_order() {
    let server = server();
    let mut client = server.connect();
    let request = |id: usize| {
        let (method, params) = match id % 4 {
            0 => ("server.ping", String::new()),
            1 => ("blockchain.scripthash.get_history", format!("\"{}\"", scripthash(A))),
            2 => ("blockchain.block.header", "99".to_owned()),
            _ => ("blockchain.scripthash.subscribe", "5".to_owned()),
        };
        format!(r#"{{"id":{id},"method":"{method}","params":[{params}]}}"#)
    };
    let pipeline: Vec<_> = (0..300).map(request).collect();
    client.send(pipeline.join("\n")).await;
    for id in 0..300 {
        assert_eq!(client.json().await["id"], id);
    }
    client.send(format!("[{}]", pipeline.join(","))).await;
    let batch = client.json().await;
    let ids: Vec<_> = batch.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, (0..300).map(serde_json::Value::from).collect::<Vec<_>>());
    client.expect_silence().await;
}

#[tokio::test]
async fn rule_11_superseded_and_later_methods_are_served_in_every_version() {
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
async fn rule_12_an_estimate_is_a_float_or_minus_one_and_never_an_error() {
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
async fn rule_13_the_tip_has_two_keys() {
    let answer = server().connect().call("blockchain.headers.subscribe", "[]").await;
    let tip: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(tip.as_object().unwrap().keys().collect::<Vec<_>>(), ["height", "hex"]);
}

#[tokio::test]
async fn rule_14_features_are_complete_by_default() {
    let answer = server().connect().call("server.features", "[]").await;
    let features: serde_json::Value = serde_json::from_str(&answer).unwrap();
    for text in ["genesis_hash", "protocol_min", "protocol_max", "hash_function", "server_version"]
    {
        assert!(features[text].is_string(), "{text}");
    }
    assert!(features["hosts"].is_object());
}

#[tokio::test]
async fn rule_15_script_hashes_are_spelled_as_the_client_does() {
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
}

#[tokio::test]
async fn rule_19_a_ping_is_answered_while_others_are_slow() {
    let server = server();
    let mut busy: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let history = format!(
        r#"{{"id":1,"method":"blockchain.scripthash.get_history","params":["{}"]}}"#,
        scripthash(A)
    );
    for client in &mut busy {
        client.send(vec![history.as_str(); 200].join("\n")).await;
    }
    let ping = tokio::time::timeout(std::time::Duration::from_secs(5), async {
        server.connect().expect_silence().await;
    });
    ping.await.expect("pings do not wait for reads of the index");
}

#[tokio::test]
async fn rule_20_the_default_name_switches_batching_on() {
    let genesis = crate::client::REGTEST_GENESIS.parse().unwrap();
    let name = electrumx_protocol::ServiceConfig::new(genesis).server_version;
    assert!(name.starts_with("ElectrumX"));
    assert!(!name.to_lowercase().contains("electrs"));
}

#[tokio::test]
async fn rule_25_start_up_calls_do_not_fail_without_a_node() {
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
