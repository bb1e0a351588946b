//! What nodes answer, old and new, right and wrong.

use bitcoin::Txid;
use bitcoin::hashes::Hash as _;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_daemon::{Daemon, DaemonError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake::{FakeNode, Reply};

fn hash(n: u32) -> String {
    format!("{n:064x}")
}

/// A node with 7 blocks.
fn chain(method: &str, params: &Value) -> Result<Value, (i32, &'static str)> {
    match (method, &params[0]) {
        ("getblockhash", height) if height.as_u64() < Some(7) => {
            Ok(json!(hash(u32::try_from(height.as_u64().unwrap()).unwrap())))
        }
        ("getblockhash", _) => Err((-8, "Block height out of range")),
        ("getblock", known) if *known == json!(hash(1)) => Ok(json!("ab".repeat(100))),
        ("getblock", pruned) if *pruned == json!(hash(2)) => {
            Err((-1, "Block not available (pruned data)"))
        }
        ("getblock", _) => Err((-5, "Block not found")),
        ("getbestblockhash", _) => Ok(json!(hash(6))),
        ("ping", _) => Ok(Value::Null),
        _ => Err((-32601, "Method not found")),
    }
}

#[tokio::test]
async fn old_and_new_nodes_say_the_same() {
    let old = FakeNode::start(|request| match request.path.as_str() {
        "/" => request.answer_old(chain),
        _ => Reply::Text(404, ""),
    });
    let new = FakeNode::start(|request| match request.path.as_str() {
        "/" => request.answer(chain),
        _ => Reply::Text(404, ""),
    });
    for node in [old.await, new.await] {
        let daemon = node.daemon();
        assert_eq!(daemon.best_block_hash().await.unwrap().to_string(), hash(6));
        assert_eq!(daemon.block_hash(6).await.unwrap().unwrap().to_string(), hash(6));
        assert_eq!(daemon.block_hash(7).await.unwrap(), None);
        let hashes = daemon.block_hashes(2..10).await.unwrap();
        assert_eq!(hashes.len(), 5);
        assert_eq!(hashes[4].to_string(), hash(6));
        assert_eq!(daemon.block_hashes(7..9).await.unwrap(), []);
        daemon.call::<()>("ping", [(); 0]).await.unwrap();

        assert_eq!(daemon.raw_block(&hashes[4]).await.unwrap(), None);
        let known = daemon.block_hash(1).await.unwrap().unwrap();
        assert_eq!(daemon.raw_block(&known).await.unwrap(), Some(vec![0xab; 100]));
        let pruned = daemon.raw_block(&hashes[0]).await.unwrap_err();
        assert_eq!(pruned.code(), Some(-1));
        assert!(daemon.zmq_notifications().await.unwrap().is_empty());
        assert_eq!(daemon.test_mempool_accept(&["00"]).await.unwrap(), None);
        let error = daemon.call::<Value>("nosuch", [1]).await.unwrap_err();
        assert!(matches!(error, DaemonError::Rpc { code: -32601, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn replies_that_make_no_sense_are_errors() {
    let cases: [(&str, Value); 8] = [
        ("getbestblockhash", json!("abc")),
        ("getbestblockhash", json!(5)),
        ("getblockcount", json!(-1)),
        ("getblockcount", json!(u64::MAX)),
        ("getrawmempool", json!([hash(1), "x"])),
        ("getblockchaininfo", json!({"chain": "main"})),
        ("getblock", json!("zz".repeat(100))),
        ("getblock", json!("00")),
    ];
    for (method, reply) in cases {
        let shown = format!("{method} {reply}");
        let node = FakeNode::start(move |request| match request.path.as_str() {
            "/" => request.answer(|_, _| Ok(reply.clone())),
            _ => Reply::Text(404, ""),
        })
        .await;
        let daemon = node.daemon();
        let error = match method {
            "getbestblockhash" => daemon.best_block_hash().await.map(drop),
            "getblockcount" => daemon.block_count().await.map(drop),
            "getrawmempool" => daemon.raw_mempool().await.map(drop),
            "getblock" => daemon.raw_block(&bitcoin::BlockHash::all_zeros()).await.map(drop),
            _ => daemon.blockchain_info().await.map(drop),
        };
        assert!(matches!(error, Err(DaemonError::Invalid { .. })), "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn network_info_of_old_and_new_nodes() {
    for (warnings, count) in [(json!(""), 0), (json!("a"), 1), (json!(["a", "b"]), 2)] {
        let node = FakeNode::start(move |request| {
            let info = json!({
                "version": 290_500, "subversion": "/Satoshi:29.5.0/", "relayfee": 0.00001,
                "localservices": "0000000000000c09", "warnings": warnings,
            });
            request.answer(|_, _| Ok(info.clone()))
        })
        .await;
        let info = node.daemon().network_info().await.unwrap();
        assert_eq!(info.warnings.len(), count);
        assert_eq!((info.version, info.local_services), (290_500, 0xc09));
        assert!((node.daemon().relay_fee().await.unwrap() - 0.00001).abs() < 1e-12);
    }
}

/// With and without a length announced; the second one is an old node's, which is read in another place.
#[tokio::test]
async fn a_reply_over_the_limit_is_refused_and_not_repeated() {
    for old in [false, true] {
        let node = FakeNode::start(move |request| {
            let big = |_: &str, _: &Value| Ok(json!("00".repeat(5000)));
            if old { request.answer_old(big) } else { request.answer(big) }
        })
        .await;
        let mut config = node.config();
        config.max_response_bytes = 5000;
        let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
        let error = daemon.best_block_hash().await.unwrap_err();
        assert!(matches!(error, DaemonError::TooLarge { limit: 5000, .. }), "{error:?}");
        assert_eq!(node.requests(), 1);
    }
}

#[tokio::test]
async fn one_failing_element_does_not_fail_a_batch() {
    let node = FakeNode::start(|request| {
        request.answer(|_, params| match params[0].as_str() {
            Some(txid) if txid == hash(2) => Err((-5, "No such mempool transaction")),
            Some(txid) => Ok(json!(txid[60..])),
            None => Err((-3, "type")),
        })
    })
    .await;
    let txids: Vec<Txid> = (0..250).map(|n| hash(n).parse().unwrap()).collect();
    let txs = node.daemon().raw_transactions(&txids).await.unwrap();
    assert_eq!(txs.len(), 250);
    for (n, tx) in txs.into_iter().enumerate() {
        let n = u16::try_from(n).unwrap();
        assert_eq!(tx, (n != 2).then(|| n.to_be_bytes().to_vec()));
    }
    assert_eq!(node.requests(), 3);
}

#[tokio::test]
async fn a_batch_whose_reply_is_too_large_is_split() {
    let node = FakeNode::start(|request| request.answer(|_, _| Ok(json!("00".repeat(500))))).await;
    let mut config = node.config();
    config.max_response_bytes = 20_000;
    let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
    let txids = vec![Txid::all_zeros(); 120];
    let txs = daemon.raw_transactions(&txids).await.unwrap();
    assert!(txs.len() == 120 && txs.iter().all(|tx| tx.as_ref().is_some_and(|tx| tx.len() == 500)));
}

#[tokio::test]
async fn a_batch_with_missing_or_foreign_replies_is_tried_again() {
    let node = FakeNode::start(|request| {
        let Reply::Json(_, whole) = request.answer(chain) else { unreachable!() };
        let mut replies: Vec<Value> = serde_json::from_str(&whole).unwrap();
        match request.before {
            0 => drop(replies.pop()),
            1 => replies[1]["id"] = replies[0]["id"].clone(),
            2 => replies[1]["id"] = json!(12345),
            3 => return Reply::Json(200, r#"{"jsonrpc":"2.0","result":1,"id":0}"#.to_owned()),
            _ => replies.reverse(),
        }
        Reply::Json(200, json!(replies).to_string())
    })
    .await;
    let hashes = node.daemon().block_hashes(0..3).await.unwrap();
    assert_eq!(hashes.len(), 3);
    assert_eq!(hashes[2].to_string(), hash(2));
    assert_eq!(node.requests(), 5);
}

#[tokio::test]
async fn a_node_on_another_network_is_named() {
    let signet = Bitcoin::new(Network::Signet).chain();
    let node = FakeNode::start(move |request| {
        request.answer(|method, _| match method {
            "getblockhash" => Ok(json!(signet.genesis_hash().to_string())),
            "getnetworkinfo" => {
                Ok(json!({"version": 240_000, "subversion": "/x/", "relayfee": 0.1}))
            }
            _ => Ok(json!({
                "chain": "signet", "blocks": 3, "headers": 9, "bestblockhash": hash(3),
                "initialblockdownload": true, "pruned": true,
            })),
        })
    })
    .await;
    let daemon = node.daemon();
    let mainnet = Bitcoin::new(Network::Mainnet).chain();
    let text = daemon.check_chain(mainnet).await.unwrap_err().to_string();
    assert!(
        text.contains("follows signet") && text.contains("configured is Bitcoin mainnet"),
        "{text}"
    );

    let check = daemon.check_chain(signet).await.unwrap();
    assert!(check.chain.pruned && check.chain.initial_block_download);
    assert_eq!(check.warnings.len(), 3, "{:?}", check.warnings);
}
