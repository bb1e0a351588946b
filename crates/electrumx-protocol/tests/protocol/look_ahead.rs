//! Many subscriptions at once: what is read before its turn is what would have been read then.

use std::time::Duration;

use electrumx_core::bitcoin::hashes::{Hash as _, sha256};
use serde_json::Value;

use crate::chain::{Chain, scripthash, tx_named};
use crate::client::{Server, config};

const SCRIPTS: usize = 60;

/// Returns a chain in which each script has a history, and each script's status, worked out from the protocol page.
fn chain() -> (Chain, Vec<(String, String)>) {
    let mut chain = Chain::new();
    let mut scripts: Vec<(&'static [u8], String)> = (0..SCRIPTS)
        .map(|number| (&*format!("script {number}").into_bytes().leak(), String::new()))
        .collect();
    for height in 1..5 {
        let mut txs = Vec::new();
        for (number, (script, history)) in scripts.iter_mut().enumerate() {
            if number % height == 0 {
                let txid = sha256::Hash::hash(format!("{number} {height}").as_bytes());
                history.push_str(&format!("{txid}:{height}:"));
                txs.push(tx_named(&txid.to_string()).pays(script, 5));
            }
        }
        chain.mine(txs);
    }
    let status = |history: String| sha256::Hash::hash(history.as_bytes()).to_string();
    let named = scripts.into_iter().map(|(script, history)| (scripthash(script), status(history)));
    (chain, named.collect())
}

fn requests(scripts: &[(String, String)]) -> Vec<String> {
    let request = |(id, (script, _)): (usize, &(String, String))| {
        format!(r#"{{"id":{id},"method":"blockchain.scripthash.subscribe","params":["{script}"]}}"#)
    };
    scripts.iter().enumerate().map(request).collect()
}

fn assert_statuses(answers: &[Value], scripts: &[(String, String)]) {
    assert_eq!(answers.len(), scripts.len());
    for (id, (answer, (_, status))) in answers.iter().zip(scripts).enumerate() {
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"], *status, "{id}");
    }
}

#[tokio::test]
async fn what_comes_last_in_a_pipeline_is_read_before_the_first_is_answered() {
    let (chain, scripts) = chain();
    let server = Server::with(chain, config());
    let mut client = server.connect();
    // So that it is expected to send much at once.
    client.call("server.ping", &format!("[{}]", " ".repeat(60_000))).await;
    // Nothing is answered while somebody waits for a look at the node.
    server.node.settling.send_replace(true);
    client.send(requests(&scripts).join("\n")).await;
    let kept = || {
        let stats = server.service.cache_stats();
        stats.iter().find(|cache| cache.name == "statuses").map_or(0, |cache| cache.entries)
    };
    let read_ahead = async {
        while kept() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read_ahead).await.expect("nothing is read ahead");
    server.node.settling.send_replace(false);
    let mut answers = Vec::new();
    for _ in &scripts {
        answers.push(client.json().await);
    }
    assert_statuses(&answers, &scripts);
}

#[tokio::test]
async fn a_batch_is_answered_as_one_request_at_a_time_is() {
    let (chain, scripts) = chain();
    let server = Server::with(chain, config());
    let batch = format!("[{}]", requests(&scripts).join(","));
    // The second one finds everything kept.
    for _ in 0..2 {
        let mut client = server.connect();
        client.send(&batch).await;
        let answers = client.json().await;
        assert_statuses(answers.as_array().unwrap(), &scripts);
    }
    let (again, _) = self::chain();
    let fresh = Server::with(again, config());
    let mut client = fresh.connect();
    for (script, status) in &scripts {
        let params = format!(r#"["{script}"]"#);
        let answer = client.call("blockchain.scripthash.subscribe", &params).await;
        assert_eq!(answer, format!("\"{status}\""));
    }
}

#[tokio::test]
async fn what_is_no_request_is_no_reason_to_stop() {
    let (chain, scripts) = chain();
    let server = Server::with(chain, config());
    let mut client = server.connect();
    client.call("server.ping", &format!("[{}]", " ".repeat(60_000))).await;
    let mut lines = requests(&scripts);
    for (at, line) in [(58, "{"), (50, "[]"), (45, r#""blockchain.scripthash.subscribe""#)] {
        lines[at] = line.to_owned();
    }
    client.send(lines.join("\n")).await;
    for (number, (_, status)) in scripts.iter().enumerate() {
        let answer = client.json().await;
        if lines[number].contains("params") {
            assert_eq!(answer["result"], *status);
        } else {
            assert!(answer["error"].is_object(), "{answer}");
        }
    }
}
