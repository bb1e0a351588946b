//! Nodes that are away, starting, busy or talking nonsense.

use std::time::{Duration, Instant};

use electrumx_daemon::{Daemon, DaemonError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fake::{FakeNode, Reply, config, daemon, dead_url};

const STARTING: (i32, &str) = (-28, "Loading block index…");

#[tokio::test]
async fn patient_calls_wait_for_a_node_that_starts_or_is_busy() {
    let node = FakeNode::start(|request| match request.before {
        0 => request.answer(|_, _| Err(STARTING)),
        1 => request.answer_old(|_, _| Err(STARTING)),
        2 => Reply::Text(503, "Work queue depth exceeded"),
        _ => request.answer(|_, _| Ok(json!(9))),
    })
    .await;
    assert_eq!(node.daemon().block_count().await.unwrap(), 9);
    assert_eq!(node.requests(), 4);
}

#[tokio::test]
async fn a_starting_node_delays_a_whole_batch() {
    let node = FakeNode::start(|request| {
        let starting = request.before == 0;
        request
            .answer(move |_, _| if starting { Err(STARTING) } else { Ok(json!("00".repeat(32))) })
    })
    .await;
    assert_eq!(node.daemon().block_hashes(0..3).await.unwrap().len(), 3);
    assert_eq!(node.requests(), 2);
}

#[tokio::test]
async fn bounded_calls_give_up_after_two_tries() {
    let node = FakeNode::start(|request| request.answer(|_, _| Err(STARTING))).await;
    let error = node.daemon().network_info().await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().ends_with("is starting: Loading block index…"), "{error}");
    assert_eq!(node.requests(), 2);

    let error = daemon(&[&dead_url()]).network_info().await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached: Connection refused"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_silent_node_costs_a_bounded_call_no_more_than_the_deadline() {
    let node = FakeNode::start(|_| Reply::Silence).await;
    let mut config = node.config();
    config.timeout = Duration::from_secs(60);
    config.deadline = Duration::from_millis(200);
    let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
    let start = Instant::now();
    let error = daemon.mempool_info().await.unwrap_err();
    assert!(error.to_string().contains("did not answer within 200ms"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn patient_calls_survive_silence_cuts_nonsense_and_odd_statuses() {
    let node = FakeNode::start(|request| match request.before {
        0 => Reply::Silence,
        1 => Reply::Cut(r#"{"jsonrpc":"2.0","result":1,"id":0}"#.to_owned()),
        2 => Reply::Close,
        3 => Reply::Json(200, r#"{"jsonrpc":"2.0","result":1,"#.to_owned()),
        4 => Reply::Json(200, String::new()),
        _ => request.answer(|_, _| Ok(json!(9))),
    })
    .await;
    assert_eq!(node.daemon().block_count().await.unwrap(), 9);
    assert_eq!(node.requests(), 6);
}

#[tokio::test]
async fn what_is_no_node_is_recognised() {
    let replies: [(fn() -> Reply, &str); 4] = [
        (|| Reply::Text(404, "nothing here"), "answers with HTTP status 404"),
        (|| Reply::Text(200, "<html>"), "answers with something that is not JSON-RPC"),
        (|| Reply::Json(200, "<html>".into()), "answers with something that is not JSON-RPC"),
        (|| Reply::Json(200, r#"{"jsonrpc":"2.0","result":1,"id":77}"#.into()), "not JSON-RPC"),
    ];
    for (reply, text) in replies {
        let node = FakeNode::start(move |_| reply()).await;
        let error = node.daemon().network_info().await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_no_trouble() {
    let node = FakeNode::start(|request| match request.before {
        1 => Reply::Close,
        before => request.answer(|_, _| Ok(json!(before))),
    })
    .await;
    let daemon = node.daemon();
    let start = Instant::now();
    assert_eq!(daemon.block_count().await.unwrap(), 0);
    assert_eq!(daemon.block_count().await.unwrap(), 2);
    assert!(start.elapsed() < Duration::from_millis(200), "no pause");
}

#[tokio::test]
async fn the_next_node_stands_in_and_stays() {
    let busy = FakeNode::start(|_| Reply::Text(503, "")).await;
    let good = FakeNode::start(|request| request.answer(|_, _| Ok(json!(5)))).await;
    let daemon = daemon(&[&dead_url(), &busy.url, &good.url]);
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(daemon.block_count().await.unwrap(), 5);
    }
    assert!(start.elapsed() < Duration::from_millis(200), "no pause before all were tried");
    assert_eq!((busy.requests(), good.requests()), (1, 3));
    assert!(good.url.contains(&daemon.url().unwrap().port().to_string()));
}

#[tokio::test]
async fn a_silent_node_leaves_time_for_the_next_one() {
    let silent = FakeNode::start(|_| Reply::Silence).await;
    let good = FakeNode::start(|request| request.answer(|_, _| Ok(json!([])))).await;
    let mut config = config(&[&silent.url, &good.url]);
    config.timeout = Duration::from_secs(60);
    config.deadline = Duration::from_secs(1);
    let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
    assert_eq!(daemon.zmq_notifications().await.unwrap(), []);
}

#[tokio::test]
async fn a_node_error_is_passed_on_and_not_repeated() {
    let good = FakeNode::start(|request| request.answer(|_, _| Err((-1, "no")))).await;
    let error = good.daemon().block_count().await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (Some(-1), false));
    assert_eq!(good.requests(), 1);
}

#[tokio::test]
async fn cancelling_ends_pauses_and_requests_at_once() {
    let silent = FakeNode::start(|_| Reply::Silence).await;
    let mut silent_config = silent.config();
    silent_config.timeout = Duration::from_secs(60);
    for config in [silent_config, config(&[&dead_url()])] {
        let token = CancellationToken::new();
        let daemon = Daemon::new(config, token.clone()).unwrap();
        let call = tokio::spawn(async move { daemon.block_count().await });
        tokio::time::sleep(Duration::from_millis(1000)).await; // in the third pause
        let start = Instant::now();
        token.cancel();
        assert!(matches!(call.await.unwrap(), Err(DaemonError::Cancelled)));
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    }
}
