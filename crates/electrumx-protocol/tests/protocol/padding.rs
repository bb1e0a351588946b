//! Padding changes no message: a client that is sent padded packets gets what one gets without them.

use std::time::Duration;

use electrumx_protocol::{Padding, Transport};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::chain::{Chain, scripthash, tx};
use crate::client::{Client, Server, config};
use crate::long;
use crate::methods::{A, B};
use crate::robustness::line;

/// Longer than anything is held back.
const LATER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Step {
    /// The client sends this and is silent for so many milliseconds.
    Say(Vec<u8>, u64),
    /// A block comes, of which the client is told.
    Block(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let subscribe = |script| {
        let (method, script) = ("blockchain.scripthash.subscribe", scripthash(script));
        format!(r#"{{"id":"s","method":"{method}","params":["{script}"]}}"#).into_bytes()
    };
    let said = prop_oneof![6 => line(), 1 => Just(subscribe(A)), 1 => Just(subscribe(B))];
    prop_oneof![
        6 => (said, 0..80_u64).prop_map(|(said, silence)| Step::Say(said, silence)),
        1 => any::<u8>().prop_map(Step::Block),
    ]
}

/// Takes away the blanks between JSON's tokens.
fn compact(json: &[u8]) -> Vec<u8> {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_kept = |byte: &u8| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match byte {
            b'"' if !was_escaped => is_text = !is_text,
            b'\\' if is_text => is_escaped = !was_escaped,
            _ => {}
        }
        is_text || *byte != b' '
    };
    json.iter().copied().filter(is_kept).collect()
}

/// Says no more, and takes everything that is sent.
async fn listen(mut client: Client) -> Vec<u8> {
    let mut all = Vec::new();
    // It may be over already.
    let _ = client.stream.shutdown().await;
    client.stream.read_to_end(&mut all).await.unwrap();
    client.session.await.unwrap();
    all
}

async fn converse(steps: Vec<Step>, version: &str) {
    let mut chain = Chain::new();
    let t11 = tx(0x11).pays(A, 5);
    chain.mine(vec![t11.clone()]);
    chain.pool(&tx(0x22).spends(&t11, 0).pays(A, 4), 1);
    let mut config = config();
    config.padding = Padding::Tls;
    let mut server = Server::with(chain, config);
    let mut clients =
        [Transport::Tcp, Transport::Tls].map(|kind| server.connect_over(kind, 1 << 26));
    for client in &mut clients {
        client
            .send(format!(r#"{{"id":0,"method":"server.version","params":["","{version}"]}}"#))
            .await;
        client.send(r#"{"id":1,"method":"blockchain.headers.subscribe"}"#).await;
    }
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Say(line, silence) => {
                for client in &mut clients {
                    // The session may have ended: a batch may be too long.
                    let _ = client.stream.write_all(&[&line, &b"\n"[..]].concat()).await;
                }
                sleep(Duration::from_millis(silence)).await;
            }
            Step::Block(number) => {
                // What was asked for before is answered before.
                sleep(LATER).await;
                let payment =
                    crate::chain::tx_named(&format!("{number:02x}{index:02x}").repeat(16));
                let touched = server.chain.mine(vec![payment.pays(A, 1).pays(B, 2)]);
                server.notify(touched).await;
                sleep(LATER).await;
            }
        }
    }
    let [plain, padded] = clients;
    let (plain, padded) = (listen(plain).await, listen(padded).await);
    assert!(padded.len() >= 1024 && padded.len() > plain.len());
    for line in padded.split_inclusive(|byte| *byte == b'\n') {
        serde_json::from_slice::<Value>(line).expect("messages are JSON");
    }
    let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').map(compact).collect::<Vec<_>>();
    assert_eq!(lines(&padded), lines(&plain));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_is_the_same_padded() {
    let mut config = long::roomy();
    config.padding = Padding::Tls;
    let server = Server::with(long::chain(5), config);
    let mut answers = Vec::new();
    for kind in [Transport::Tcp, Transport::Tls] {
        let mut client = server.connect_over(kind, 4096);
        for method in ["get_history", "listunspent"] {
            long::ask(&mut client, method).await;
        }
        answers.push(listen(client).await);
    }
    assert!(answers[1].len() > answers[0].len(), "nothing is padded");
    for line in answers[1].split_inclusive(|byte| *byte == b'\n') {
        serde_json::from_slice::<Value>(line).expect("answers are JSON");
    }
    assert_eq!(compact(&answers[1]), compact(&answers[0]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_and_told_is_the_same_padded(
        steps in vec(step(), 1..16),
        version in prop_oneof![Just("1.4"), Just("1.7")],
    ) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(converse(steps, version));
    }
}
