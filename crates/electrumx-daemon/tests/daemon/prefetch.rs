//! The prefetcher on chains that are short, change, or have large blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use electrumx_core::{BlockSource as _, SourceError};
use electrumx_daemon::{Daemon, PrefetchConfig, Prefetcher};
use serde_json::json;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::fake::{FakeNode, Reply, Request};

/// A chain of `length` blocks of `size` bytes; `served` counts the bytes handed out.
fn chain(
    length: u64,
    size: usize,
    served: Arc<AtomicUsize>,
) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| {
        if request.path != "/" {
            return Reply::Text(404, "");
        }
        request.answer(|method, params| match method {
            "getblockhash" => match params[0].as_u64().unwrap() {
                height if height < length => Ok(json!(format!("{height:064x}"))),
                _ => Err((-8, "Block height out of range")),
            },
            "getblock" => {
                let height = u8::from_str_radix(&params[0].as_str().unwrap()[62..], 16).unwrap();
                served.fetch_add(size, Ordering::SeqCst);
                // The earlier ones take longer.
                std::thread::sleep(Duration::from_millis(4 - u64::from(height) % 4));
                Ok(json!(format!("{height:02x}").repeat(size)))
            }
            _ => Err((-32601, "Method not found")),
        })
    }
}

fn prefetcher(daemon: Daemon, config: PrefetchConfig) -> Prefetcher {
    Prefetcher::new(daemon, Handle::current(), config)
}

/// Runs `work` on a plain thread, as the block processor does.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_come_in_order_and_end_with_the_range() {
    let node = FakeNode::start(chain(200, 100, Arc::default())).await;
    let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
    on_thread(move || {
        assert_eq!(source.next_block().unwrap(), None, "nothing was started");
        source.start(3, 150);
        for height in 3..=150_u8 {
            let block = source.next_block().unwrap().unwrap();
            assert_eq!(
                (block.height, block.bytes[0], block.bytes.len()),
                (height.into(), height, 100)
            );
        }
        assert_eq!(source.next_block().unwrap(), None);
        assert_eq!(source.next_block().unwrap(), None);
        source.start(9, 8);
        assert_eq!(source.next_block().unwrap(), None, "an empty range");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_ends_early_ends_the_range() {
    let node = FakeNode::start(chain(5, 100, Arc::default())).await;
    let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
    on_thread(move || {
        source.start(2, u32::MAX);
        let heights: Vec<_> =
            std::iter::from_fn(|| source.next_block().unwrap()).map(|b| b.height).collect();
        assert_eq!(heights, [2, 3, 4]);
        assert_eq!(source.block_hash(5).unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_is_gone_ends_the_range() {
    let whole = chain(50, 100, Arc::default());
    let node = FakeNode::start(move |request| {
        if request.body["params"][0] == json!(format!("{:064x}", 7)) {
            return request.answer(|_, _| Err((-5, "Block not found")));
        }
        whole(request)
    })
    .await;
    let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
    on_thread(move || {
        source.start(5, 40);
        assert_eq!(source.next_block().unwrap().unwrap().height, 5);
        assert_eq!(source.next_block().unwrap().unwrap().height, 6);
        assert_eq!(source.next_block().unwrap(), None);
        // The processor starts over, here with another part.
        source.start(8, 9);
        assert_eq!(source.next_block().unwrap().unwrap().height, 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hash_of_the_tip_is_asked_for_once() {
    let whole = chain(8, 100, Arc::default());
    let node = FakeNode::start(move |request| match request.body["method"].as_str() {
        Some("getblockchaininfo") => request.answer(|_, _| {
            Ok(json!({
                "chain": "regtest", "blocks": 7, "headers": 7, "bestblockhash": format!("{:064x}", 7),
                "initialblockdownload": false,
            }))
        }),
        _ => whole(request),
    })
    .await;
    let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
    let count = move || node.requests();
    on_thread(move || {
        // Which way a block comes, and how many requests that takes, turns out first.
        source.start(6, 6);
        assert_eq!(source.next_block().unwrap().unwrap().height, 6);
        for (asks, fewer) in [(true, 0), (true, 1), (false, 0)] {
            let before = count();
            if asks {
                assert_eq!(source.tip().unwrap().id.height, 7);
            }
            // Another block than the tip, or a tip of some time ago, is not the known one.
            let height = 7 - u8::from(asks && fewer == 0);
            source.start(height.into(), height.into());
            assert_eq!(source.next_block().unwrap().unwrap().bytes[0], height);
            assert_eq!(count() - before, 2 + usize::from(asks) - fewer, "{asks} {fewer}");
            assert_eq!(source.next_block().unwrap(), None);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_processor_bounds_what_is_fetched() {
    const SIZE: usize = 50_000;
    for (bound, most) in [(10 * SIZE, 10), (SIZE / 2, 1)] {
        let served = Arc::new(AtomicUsize::new(0));
        let node = FakeNode::start(chain(250, SIZE, served.clone())).await;
        let config = PrefetchConfig { parallel: 4, queue_bytes: bound };
        let mut source = prefetcher(node.daemon(), config);
        on_thread(move || {
            source.start(0, 249);
            for taken in 1..=60 {
                assert!(source.next_block().unwrap().is_some());
                if taken % 20 == 0 {
                    std::thread::sleep(Duration::from_millis(300));
                    let ahead = served.load(Ordering::SeqCst) / SIZE - taken;
                    assert!((1..=most).contains(&ahead), "{ahead} blocks ahead, bound {bound}");
                }
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_over_gives_up_what_is_under_way() {
    let node = FakeNode::start(chain(200, 100, Arc::default())).await;
    let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
    on_thread(move || {
        source.start(0, 199);
        assert_eq!(source.next_block().unwrap().unwrap().height, 0);
        source.start(100, 110);
        assert_eq!(source.next_block().unwrap().unwrap().height, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_ends_a_wait_at_once() {
    let node = FakeNode::start(|_| Reply::Silence).await;
    let token = CancellationToken::new();
    let daemon = Daemon::new(node.config(), token.clone()).unwrap();
    let mut source = prefetcher(daemon, PrefetchConfig::default());
    let wait = on_thread(move || {
        source.start(0, 9);
        let block = source.next_block();
        (block, source.next_block(), source.tip(), Instant::now())
    });
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel();
        Instant::now()
    };
    let ((first, second, tip, end), start) = tokio::join!(wait, stop);
    assert!(matches!(first, Err(SourceError::Cancelled)), "{first:?}");
    assert!(matches!(second, Err(SourceError::Cancelled)), "{second:?}");
    assert!(matches!(tip, Err(SourceError::Cancelled)), "{tip:?}");
    assert!(end - start < Duration::from_millis(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_replies_and_pruned_blocks_are_errors() {
    let errors: [(&str, fn(&SourceError) -> bool); 2] = [
        ("Block not available (pruned data)", |error| matches!(error, SourceError::Fatal(_))),
        ("something else", |error| matches!(error, SourceError::Unavailable { .. })),
    ];
    for (message, is_right) in errors {
        let whole = chain(50, 100, Arc::default());
        let node = FakeNode::start(move |request| match request.body["method"].as_str() {
            Some("getblock") => request.answer(|_, _| Err((-1, message))),
            _ => whole(request),
        })
        .await;
        let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
        on_thread(move || {
            source.start(5, 40);
            let error = source.next_block().unwrap_err();
            assert!(is_right(&error), "{error:?}");
            assert_eq!(source.next_block().unwrap(), None);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_is_used_where_it_is_offered_and_replaced_where_it_fails() {
    let rpc = Arc::new(AtomicUsize::new(0));
    let (count, whole) = (rpc.clone(), chain(200, 100, Arc::default()));
    let node = FakeNode::start(move |request| {
        if request.body["method"] == json!("getblock") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        match request.path.strip_prefix("/rest/") {
            None => whole(request),
            Some("chaininfo.json") => Reply::Json(200, r#"{"chain":"main"}"#.to_owned()),
            Some(block) => {
                let height = u8::from_str_radix(&block[68..70], 16).unwrap();
                if height == 9 { Reply::Text(500, "") } else { Reply::Bytes(vec![height; 100]) }
            }
        }
    })
    .await;
    let mut source = prefetcher(node.daemon(), PrefetchConfig::default());
    on_thread(move || {
        source.start(0, 99);
        for height in 0..100_u8 {
            let block = source.next_block().unwrap().unwrap();
            assert_eq!(block.bytes, [height; 100]);
        }
    })
    .await;
    assert_eq!(rpc.load(Ordering::SeqCst), 1);
}
