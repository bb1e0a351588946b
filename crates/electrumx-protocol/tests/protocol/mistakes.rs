//! Wrong answers that other servers give, or gave: each is a test, named by what is right.
//!
//! | the mistake | the test |
//! |---|---|
//! | a child stays at height −1 after its parent confirmed | [`a_child_is_at_height_0_once_its_parent_is_confirmed`] |
//! | the mempool in the order of internal bytes | [`unconfirmed_transactions_are_in_the_order_of_the_ids_that_are_shown`] |
//! | unspent outputs in the order of a hash map | [`unspent_outputs_are_in_the_order_of_the_chain`] |
//! | histogram bins named by their upper edge; whole satoshis only; all below 1 sat/vB in one | [`histogram_bins_are_named_by_their_lowest_rate_in_tenths`] |
//! | the last, partial bin of the histogram left out | [`the_histogram_has_the_last_bin_too`] |
//! | methods and arguments of the version missing | [`every_method_and_argument_of_a_version_is_there`] |
//! | further arguments of the version call refused | [`the_version_call_takes_further_arguments`] |
//! | histories over the limit answered as empty, balances cut | [`a_history_over_the_limit_is_an_error_and_never_less_of_it`] |
//! | named arguments refused | [`arguments_may_be_named`] |
//! | an unknown member of a request is an error | [`members_that_mean_nothing_are_ignored`] |
//! | the version call not enforced where it is to be | [`where_the_version_must_come_first_nothing_else_is_answered`] |
//! | an answer that is too long ends the connection | [`an_answer_that_is_too_long_is_an_error_and_the_session_goes_on`] |
//! | `relayfee` answered after it was dropped | [`relayfee_is_gone_in_1_7`]; below that wallets depend on it |
//! | reorgs to the same or a lower height unseen | [`a_reorg_to_the_same_or_a_lower_height_is_told`] |
//! | an outpoint's change from −1 to 0 not told | [`an_outpoint_s_change_from_minus_1_to_0_is_told`] |
//! | `OP_RETURN` outputs counted in the mempool, though not in blocks | [`outputs_that_nobody_can_spend_are_left_out_of_mempool_and_blocks`] |
//! | representations of the server's language in error texts | [`the_node_s_errors_are_passed_on_in_its_own_words`] |
//! | errors as plain strings | [`errors_are_objects`] |
//! | two transactions of a block in the wrong order | [`transactions_of_one_block_are_in_its_order`] |
//! | `0` means true in boolean settings | [`zero_turns_a_setting_off`] |
//! | no server listed where it is to tell of itself | [`a_server_that_is_to_tell_of_itself_lists_itself`] |
//! | what clients call themselves kept without bound | [`what_a_client_calls_itself_is_cut`] |
//!
//! `listunspent` gives unconfirmed outputs height 0 and never −1, which has been called a mistake and is what the
//! protocol wants.

use electrumx_protocol::HostPorts;
use serde_json::{Value, json};

use crate::chain::{Chain, scripthash, tx};
use crate::client::{Client, Server, config};
use crate::methods::{A, B};
use crate::rules::is_shown_by;

async fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    serde_json::from_str(&client.call(method, &params.to_string()).await).unwrap()
}

async fn history(client: &mut Client, script: &[u8]) -> Vec<(String, i64)> {
    let history =
        ask(client, "blockchain.scripthash.get_history", json!([scripthash(script)])).await;
    let entry =
        |tx: &Value| (tx["tx_hash"].as_str().unwrap().into(), tx["height"].as_i64().unwrap());
    history.as_array().unwrap().iter().map(entry).collect()
}

/// The ids of transactions named by one byte.
fn ids(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| tx(*byte).txid.to_string()).collect()
}

#[tokio::test]
async fn a_child_is_at_height_0_once_its_parent_is_confirmed() {
    let mut server = Server::new(Chain::new());
    let parent = tx(0x11).pays(A, 5);
    server.chain.pool(&parent, 1);
    server.chain.pool(&tx(0x22).spends(&parent, 0).pays(B, 4), 1);
    let mut client = server.connect();
    assert_eq!(history(&mut client, B).await, [(ids(&[0x22])[0].clone(), -1)]);
    let params = json!([scripthash(B)]);
    let before = ask(&mut client, "blockchain.scripthash.subscribe", params).await;
    let touched = server.chain.mine(vec![parent]);
    server.notify(touched).await;
    let told = client.json().await;
    assert_eq!(told["params"][0], scripthash(B));
    assert_ne!(told["params"][1], before);
    assert_eq!(history(&mut client, B).await, [(ids(&[0x22])[0].clone(), 0)]);
}

#[tokio::test]
async fn unconfirmed_transactions_are_in_the_order_of_the_ids_that_are_shown() {
    let mut server = Server::new(Chain::new());
    let parent = tx(0x11).pays(B, 5);
    server.chain.mine(vec![parent.clone()]);
    // Shown, `0f…01` is before `f0…00`; the bytes are the other way round.
    let names = [format!("0f{}01", "00".repeat(30)), format!("f0{}00", "00".repeat(30))];
    for name in &names {
        server.chain.pool(&crate::chain::tx_named(name).pays(A, 1), 1);
    }
    let spends = tx(0x01).spends(&crate::chain::tx_named(&names[0]), 0).pays(A, 1);
    server.chain.pool(&spends, 1);
    let found = history(&mut server.connect(), A).await;
    let [first, second] = names;
    assert_eq!(found, [(first, 0), (second, 0), (ids(&[0x01])[0].clone(), -1)]);
}

#[tokio::test]
async fn unspent_outputs_are_in_the_order_of_the_chain() {
    let mut chain = Chain::new();
    let mut expected = Vec::new();
    // Ids fall as heights rise.
    for byte in (1..=40).rev() {
        chain.mine(vec![tx(byte).pays(A, 1).pays(B, 1).pays(A, 2)]);
        expected.extend([(ids(&[byte])[0].clone(), 0), (ids(&[byte])[0].clone(), 2)]);
    }
    let server = Server::new(chain);
    let params = json!([scripthash(A)]);
    let list = ask(&mut server.connect(), "blockchain.scripthash.listunspent", params).await;
    let output = |utxo: &Value| {
        (utxo["tx_hash"].as_str().unwrap().to_owned(), utxo["tx_pos"].as_u64().unwrap())
    };
    assert_eq!(list.as_array().unwrap().iter().map(output).collect::<Vec<_>>(), expected);
}

/// A mempool of transactions of 100 vbytes with these fees.
async fn histogram(fees: impl IntoIterator<Item = u64>) -> Value {
    let mut chain = Chain::new();
    for (number, fee) in (1..).zip(fees) {
        chain.pool(&crate::chain::tx_named(&format!("{number:064x}")).pays(A, 1), fee);
    }
    ask(&mut Server::new(chain).connect(), "mempool.get_fee_histogram", json!([])).await
}

#[tokio::test]
async fn histogram_bins_are_named_by_their_lowest_rate_in_tenths() {
    // Enough of each rate for a bin of its own: more than 60,000 vbytes.
    let bins = [(250, 2.5), (150, 1.5), (90, 0.9), (20, 0.2)];
    let fees = bins.iter().flat_map(|(fee, _)| std::iter::repeat_n(*fee, 900));
    let expected: Vec<_> = bins.iter().map(|(_, rate)| json!([rate, 90_000])).collect();
    assert_eq!(histogram(fees).await, json!(expected));
    // Within one bin the lowest counts.
    assert_eq!(histogram([900, 500, 330, 10]).await, json!([[0.1, 400]]));
}

#[tokio::test]
async fn the_histogram_has_the_last_bin_too() {
    let full = std::iter::repeat_n(500, 900);
    assert_eq!(histogram(full.chain([100])).await, json!([[5.0, 90_000], [1.0, 100]]));
}

#[tokio::test]
async fn every_method_and_argument_of_a_version_is_there() {
    let mut chain = Chain::new();
    chain.mine(vec![tx(0x11).pays(A, 1)]);
    let server = Server::new(chain);
    let a = scripthash(A);
    for version in ["1.4", "1.4.2", "1.6"] {
        let mut client = server.connect();
        client.call("server.version", &format!(r#"["","{version}"]"#)).await;
        for (method, params) in [
            ("blockchain.scripthash.get_mempool", json!([a])),
            ("blockchain.scripthash.unsubscribe", json!([a])),
            ("mempool.get_info", json!([])),
            ("blockchain.block.header", json!([0, 1])),
            ("blockchain.block.headers", json!([0, 1, 1])),
            ("blockchain.estimatefee", json!([2, "ECONOMICAL"])),
        ] {
            let answer = ask(&mut client, method, params).await;
            assert!(answer.get("code").is_none(), "{method}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_version_call_takes_further_arguments() {
    let server = Server::new(Chain::new());
    for params in [
        json!(["name", ["1.4", "1.6"], "more", {"and": "more"}]),
        json!({"client_name": "name", "protocol_version": ["1.4", "1.6"], "features": []}),
    ] {
        let pair = ask(&mut server.connect(), "server.version", params).await;
        assert_eq!(pair[1], "1.6");
    }
}

#[tokio::test]
async fn a_history_over_the_limit_is_an_error_and_never_less_of_it() {
    let mut chain = Chain::new();
    for byte in 1..=4 {
        chain.mine(vec![tx(byte).pays(A, 1)]);
    }
    let mut config = config();
    config.limits.max_history = 3;
    let server = Server::with(chain, config);
    let mut client = server.connect();
    for method in ["get_history", "get_balance", "listunspent", "subscribe"] {
        let method = format!("blockchain.scripthash.{method}");
        let answer = ask(&mut client, &method, json!([scripthash(A)])).await;
        assert_eq!(answer, json!({"code": 10001, "message": "history too large"}), "{method}");
    }
}

#[tokio::test]
async fn arguments_may_be_named() {
    let mut chain = Chain::new();
    chain.mine(Vec::new());
    let mut client = Server::new(chain).connect();
    for (method, positional, named) in [
        ("blockchain.block.header", json!([0, 1]), json!({"cp_height": 1, "height": 0})),
        (
            "blockchain.scripthash.get_balance",
            json!([scripthash(A)]),
            json!({"scripthash": scripthash(A)}),
        ),
        ("server.version", json!(["", "1.4"]), json!({"protocol_version": "1.4"})),
    ] {
        let expected = ask(&mut client, method, positional).await;
        assert_eq!(ask(&mut client, method, named).await, expected);
    }
}

#[tokio::test]
async fn members_that_mean_nothing_are_ignored() {
    let mut client = Server::new(Chain::new()).connect();
    let line =
        r#"{"id":1,"method":"server.ping","authorization":"Bearer x","x":[{}],"jsonrpc":"3"}"#;
    assert_eq!(client.ask(line).await, r#"{"jsonrpc":"2.0","result":null,"id":1}"#);
}

#[tokio::test]
async fn where_the_version_must_come_first_nothing_else_is_answered() {
    let mut config = config();
    config.strict_version_first = true;
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let answer = ask(&mut client, "server.ping", json!([])).await;
    assert_eq!(answer, json!({"code": 1, "message": "use server.version to identify client"}));
    assert_eq!(client.closed().await, electrumx_protocol::CloseReason::VersionNotFirst);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_an_error_and_the_session_goes_on() {
    let mut chain = Chain::new();
    chain.mine_to(2015);
    let mut config = config();
    config.limits.max_send_bytes = 300_000;
    let server = Server::with(chain, config);
    let mut client = server.connect();
    let answer = ask(&mut client, "blockchain.block.headers", json!([0, 2016])).await;
    assert_eq!(answer["code"], -32600);
    assert!(answer["message"].as_str().unwrap().starts_with("response too large"), "{answer}");
    client.expect_silence().await;
}

#[tokio::test]
async fn relayfee_is_gone_in_1_7() {
    let server = Server::new(Chain::new());
    for (version, is_there) in [("1.4", true), ("1.6", true), ("1.7", false)] {
        let mut client = server.connect();
        client.call("server.version", &format!(r#"["","{version}"]"#)).await;
        let answer = ask(&mut client, "blockchain.relayfee", json!([])).await;
        assert_eq!(answer["code"] != -32601, is_there, "{version}");
    }
}

#[tokio::test]
async fn a_reorg_to_the_same_or_a_lower_height_is_told() {
    let mut server = Server::new(Chain::new());
    server.chain.mine(vec![tx(0x11).pays(A, 1)]);
    server.chain.mine(vec![tx(0x22).pays(B, 1)]);
    server.notify(Default::default()).await;
    let mut client = server.connect();
    ask(&mut client, "blockchain.headers.subscribe", json!([])).await;
    for script in [A, B] {
        ask(&mut client, "blockchain.scripthash.subscribe", json!([scripthash(script)])).await;
    }
    let mut touched = server.chain.unwind(1, &[B]);
    touched.extend(server.chain.mine(Vec::new()));
    server.notify(touched).await;
    assert_eq!(client.json().await["params"][0]["height"], 2);
    assert_eq!(client.json().await["params"], json!([scripthash(B), null]));
    let touched = server.chain.unwind(2, &[A]);
    server.notify(touched).await;
    assert_eq!(client.json().await["params"][0]["height"], 0);
    assert_eq!(client.json().await["params"], json!([scripthash(A), null]));
}

#[tokio::test]
async fn an_outpoint_s_change_from_minus_1_to_0_is_told() {
    let mut server = Server::new(Chain::new());
    let grandparent = tx(0x11).pays(B, 9);
    let parent = tx(0x22).spends(&grandparent, 0).pays(A, 5);
    server.chain.pool(&grandparent, 1);
    server.chain.pool(&parent, 1);
    let mut client = server.connect();
    client.call("server.version", r#"["","1.7"]"#).await;
    let outpoint = json!([parent.txid.to_string(), 0, "51"]);
    let state = ask(&mut client, "blockchain.outpoint.subscribe", outpoint).await;
    assert_eq!(state, json!({"funder_height": -1}));
    let touched = server.chain.mine(vec![grandparent]);
    server.notify(touched).await;
    let told = client.json().await;
    assert_eq!(told["params"], json!([parent.txid.to_string(), 0, {"funder_height": 0}]));
}

#[test]
fn outputs_that_nobody_can_spend_are_left_out_of_mempool_and_blocks() {
    // It asks for a script that a real block and a real mempool have in such outputs.
    is_shown_by(
        "electrumx-server/tests/e2e/methods/mod.rs",
        "every_method_in_every_version_answers_as_the_node_says",
    );
}

#[tokio::test]
async fn the_node_s_errors_are_passed_on_in_its_own_words() {
    let mut client = Server::new(Chain::new()).connect();
    let unknown = json!(["11".repeat(32)]);
    let answer = ask(&mut client, "blockchain.transaction.get", unknown).await;
    assert_eq!(answer["code"], 2);
    let text =
        "No such mempool or blockchain transaction. Use gettransaction for wallet transactions.";
    assert_eq!(answer["message"], text);
    let answer = ask(&mut client, "blockchain.transaction.broadcast", json!(["00"])).await;
    assert!(!answer["message"].as_str().unwrap().contains(['\'', '{']), "{answer}");
}

#[tokio::test]
async fn errors_are_objects() {
    let mut client = Server::new(Chain::new()).connect();
    for line in [
        "{",
        "[]",
        "5",
        r#"{"id":1,"method":"x"}"#,
        r#"{"id":1,"method":"server.ping","params":5}"#,
    ] {
        client.send(line).await;
        let answer = client.json().await;
        assert!(answer["error"]["code"].is_i64() && answer["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn transactions_of_one_block_are_in_its_order() {
    let mut chain = Chain::new();
    // Ids in no order, in one block.
    let bytes = [0x77, 0x03, 0xee, 0x01, 0x99, 0x02];
    chain.mine(bytes.iter().map(|byte| tx(*byte).pays(A, 1)).collect());
    let found = history(&mut Server::new(chain).connect(), A).await;
    assert!(found.iter().all(|(_, height)| *height == 1));
    assert_eq!(found.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ids(&bytes));
}

#[test]
fn zero_turns_a_setting_off() {
    is_shown_by("electrumx-server/src/env/settings.rs", "no_means_no");
}

#[tokio::test]
async fn what_a_client_calls_itself_is_cut() {
    let server = Server::new(Chain::new());
    let mut client = server.connect();
    ask(&mut client, "server.version", json!(["x\n".repeat(100_000), "1.4"])).await;
    let kept = &server.service.sessions()[0].client;
    assert_eq!(*kept, "x".repeat(100));
}

#[tokio::test]
async fn a_server_that_is_to_tell_of_itself_lists_itself() {
    let ports = |tcp, ssl| HostPorts { tcp, ssl, ws: Some(50003), ..HostPorts::default() };
    let mut config = config();
    config.hosts = [
        ("example.org".to_owned(), ports(Some(50001), Some(50002))),
        ("x.onion".to_owned(), ports(Some(7), None)),
    ]
    .into();
    for (lists_itself, expected) in [
        (false, json!([])),
        (
            true,
            json!([
                ["example.org", "example.org", ["v1.7", "s50002", "t50001"]],
                ["x.onion", "x.onion", ["v1.7", "t7"]],
            ]),
        ),
    ] {
        config.lists_itself = lists_itself;
        let server = Server::with(Chain::new(), config.clone());
        let answer = ask(&mut server.connect(), "server.peers.subscribe", json!([])).await;
        assert_eq!(answer, expected);
    }
}
