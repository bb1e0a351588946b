//! Transactions handed to the node, with replies that get lost.

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, ScriptBuf, Transaction, TxIn, TxOut};
use electrumx_daemon::DaemonError;
use serde_json::json;

use crate::fake::{FakeNode, Reply};

const MINED: (i32, &str) = (-27, "Transaction outputs already in utxo set");

fn tx() -> (Transaction, String) {
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn::default()],
        output: vec![TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::new() }],
    };
    let hex = bitcoin::consensus::encode::serialize_hex(&tx);
    (tx, hex)
}

#[tokio::test]
async fn a_transaction_that_is_in_a_block_is_an_error_of_the_node() {
    let node = FakeNode::start(|request| request.answer(|_, _| Err(MINED))).await;
    let error = node.daemon().send_raw_transaction(&tx().1).await.unwrap_err();
    assert_eq!(error.code(), Some(-27));
    assert_eq!(node.requests(), 1);
}

#[tokio::test]
async fn a_transaction_that_was_taken_before_the_reply_got_lost_is_sent() {
    let node = FakeNode::start(|request| match request.before {
        0 => Reply::Close,
        _ => request.answer(|_, _| Err(MINED)),
    })
    .await;
    let (tx, hex) = tx();
    assert_eq!(node.daemon().send_raw_transaction(&hex).await.unwrap(), tx.compute_txid());
}

/// The node was busy, so it cannot have taken the transaction: the error is news.
#[tokio::test]
async fn a_refused_request_leaves_no_doubt() {
    let node = FakeNode::start(|request| match request.before {
        0 => Reply::Text(503, ""),
        _ => request.answer(|_, _| Err(MINED)),
    })
    .await;
    let error = node.daemon().send_raw_transaction(&tx().1).await.unwrap_err();
    assert_eq!(error.code(), Some(-27));
}

#[tokio::test]
async fn a_node_that_stays_silent_leaves_the_outcome_open() {
    let node = FakeNode::start(|_| Reply::Silence).await;
    let error = node.daemon().send_raw_transaction(&tx().1).await.unwrap_err();
    assert!(matches!(error, DaemonError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_package_names_what_was_rejected() {
    let node = FakeNode::start(|request| {
        request.answer(|_, _| {
            Ok(json!({
                "package_msg": "transaction failed",
                "tx-results": {
                    "a": {"txid": "01".repeat(32), "vsize": 110},
                    "b": {"txid": "02".repeat(32), "error": "min relay fee not met"},
                    "c": {"txid": "03".repeat(32), "other-wtxid": "04".repeat(32)},
                },
            }))
        })
    })
    .await;
    let result = node.daemon().submit_package(&["00", "01"]).await.unwrap();
    assert!(!result.success);
    assert_eq!(result.accepted, ["01".repeat(32).parse().unwrap()]);
    assert_eq!(result.rejected.len(), 1);
    assert_eq!(result.rejected[0].txid.to_string(), "02".repeat(32));
    assert_eq!(result.rejected[0].error, "min relay fee not met");
    assert!(result.raw.get().contains("vsize"));
}
