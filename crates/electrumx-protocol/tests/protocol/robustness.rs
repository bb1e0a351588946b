//! Whatever a client sends: no panic, no silence, no malformed answer.

use electrumx_protocol::METHODS;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::chain::{Chain, scripthash, tx};
use crate::client::Server;
use crate::methods::A;

/// Every method, and one that there is not.
fn methods() -> Vec<&'static str> {
    METHODS.iter().map(|method| method.name).chain(["nope"]).collect()
}

fn argument() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u64..5).prop_map(Value::from),
        (u64::MAX - 3..=u64::MAX).prop_map(Value::from),
        (u64::from(u32::MAX) - 3..u64::from(u32::MAX) + 3).prop_map(Value::from),
        Just(json!(scripthash(A))),
        Just(json!(tx(0x11).txid.to_string())),
        "[0-9a-fA-F]{0,66}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("1.4")),
    ];
    leaf.prop_recursive(3, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{0,8}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn request() -> impl Strategy<Value = Value> {
    let params = prop_oneof![8 => vec(argument(), 0..4).prop_map(Value::from), 1 => argument()];
    let method = prop_oneof![9 => proptest::sample::select(methods()).prop_map(Value::from), 1 => argument()];
    (argument(), method, params, any::<bool>()).prop_map(|(id, method, params, with_id)| {
        let mut request = json!({"method": method, "params": params});
        if with_id {
            request["id"] = id;
        }
        request
    })
}

pub(crate) fn line() -> impl Strategy<Value = Vec<u8>> {
    let text = |value: Value| value.to_string().into_bytes();
    prop_oneof![
        4 => request().prop_map(text),
        2 => vec(request(), 0..5).prop_map(move |batch| Value::from(batch).to_string().into_bytes()),
        1 => argument().prop_map(|value| value.to_string().into_bytes()),
        1 => any::<Vec<u8>>(),
        // A request with a byte changed.
        2 => (request(), any::<proptest::sample::Index>(), any::<u8>()).prop_map(|(request, at, byte)| {
            let mut line = request.to_string().into_bytes();
            let at = at.index(line.len());
            line[at] = byte;
            line
        }),
    ]
}

fn check(message: &Value) {
    let message = message.as_object().expect("messages are objects");
    assert_eq!(message["jsonrpc"], "2.0");
    if message.contains_key("method") {
        assert!(message["method"].is_string() && message["params"].is_array());
        assert_eq!(message.len(), 3);
        return;
    }
    assert_eq!(message.len(), 3);
    assert!(message.contains_key("id"));
    match message.get("error") {
        Some(error) => assert!(error["code"].is_i64() && error["message"].is_string()),
        None => assert!(message.contains_key("result")),
    }
}

async fn converse(lines: Vec<Vec<u8>>, version: &str) {
    let mut chain = Chain::new();
    let t11 = tx(0x11).pays(A, 5);
    chain.mine(vec![t11.clone()]);
    chain.pool(&tx(0x22).spends(&t11, 0).pays(A, 4), 1);
    let server = Server::new(chain);
    let mut client = server.connect();
    client.call("server.version", &format!(r#"["","{version}"]"#)).await;
    for line in lines {
        client.send(&line).await;
        client.send(r#"{"id":"sentinel","method":"server.ping"}"#).await;
        loop {
            // The session may end: a batch may be too long.
            let Some(text) = client.line().await else { return };
            match serde_json::from_str(&text).expect("messages are JSON") {
                Value::Array(batch) => {
                    assert!(!batch.is_empty());
                    batch.iter().for_each(check);
                }
                message => {
                    check(&message);
                    if message["id"] == "sentinel" {
                        break;
                    }
                }
            }
        }
    }
    drop(client.stream);
    client.session.await.expect("sessions do not panic");
    assert_eq!(server.service.session_count(), 0);
}

#[tokio::test]
async fn a_client_that_has_said_all_still_gets_its_answers() {
    let server = Server::new(Chain::new());
    let mut client = server.connect_with_buffer(1000);
    client.call("server.version", r#"["","1.7"]"#).await;
    client.send(r#"{"id":1,"method":"server.ping","params":[100000]}"#).await;
    client.stream.shutdown().await.unwrap();
    let answer = client.json().await;
    assert_eq!(answer["result"]["data"].as_str().unwrap().len(), 100_000);
    assert_eq!(client.closed().await, electrumx_protocol::CloseReason::ClientLeft);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn anything_gets_well_formed_answers(
        lines in vec(line(), 1..12),
        version in prop_oneof![Just("1.4"), Just("1.7")],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(converse(lines, version));
    }
}
