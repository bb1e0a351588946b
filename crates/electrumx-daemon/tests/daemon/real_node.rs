//! Against a real node.

use std::time::Duration;

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash as _;
use bitcoin::{Block, BlockHash, Transaction, Txid};
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::{BlockSource as _, SourceTip};
use electrumx_daemon::{Auth, Daemon, DaemonConfig, DaemonError, EstimateMode, NodeUrl};
use electrumx_daemon::{PrefetchConfig, Prefetcher, ZmqConfig, ZmqEvent, ZmqFeed};
use electrumx_testkit::{Coins, Regtest, Replacement};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn config(node: &Regtest) -> DaemonConfig {
    let urls = NodeUrl::parse_list(&node.daemon_url().unwrap(), 1).unwrap();
    DaemonConfig::new(urls)
}

fn daemon(node: &Regtest) -> Daemon {
    Daemon::new(config(node), CancellationToken::new()).unwrap()
}

#[test]
fn a_new_transaction_is_told_and_its_bytes_come_with_it() {
    let node = Regtest::builder().zmq(true).start().unwrap();
    let mut coins = Coins::new(&node, 5);
    coins.mature(3).unwrap();
    let daemon = daemon(&node);
    runtime().block_on(async {
        let regtest = Bitcoin::new(Network::Regtest);
        let mut feed = ZmqFeed::spawn(regtest, daemon, ZmqConfig::Auto);
        assert_eq!(feed.next().await, ZmqEvent::Gap);
        // Either subscription may be in force a moment later than the feed can tell: what is published before is lost.
        for _ in 0..100 {
            let tx = coins.split(2, 10_000).unwrap();
            let id = tx.compute_txid();
            let told = async {
                while !matches!(feed.next().await, ZmqEvent::Added { txid, .. } if txid == id) {}
            };
            if tokio::time::timeout(Duration::from_secs(1), told).await.is_ok()
                && let [Some(raw)] = &feed.recent().take(&[id]).await[..]
            {
                assert_eq!(*raw, bitcoin::consensus::serialize(&tx));
                return;
            }
            node.mine(1).unwrap();
        }
        panic!("the bytes never came");
    });
}

#[test]
fn every_method_on_a_real_node() {
    let node = Regtest::builder().zmq(true).start().unwrap();
    let mut coins = Coins::new(&node, 1);
    coins.mature(3).unwrap();
    let pooled = coins.split(3, 10_000).unwrap();
    let tip = node.best_block_hash().unwrap();
    let height = node.block_count().unwrap();
    let (daemon, mined) = (daemon(&node), node.block_at(1).unwrap());

    runtime().block_on(async {
        let regtest = Bitcoin::new(Network::Regtest).chain();
        let check = daemon.check_chain(regtest).await.unwrap();
        assert!(!check.chain.pruned && check.network.version >= 250_000);
        let wrong = daemon.check_chain(Bitcoin::new(Network::Mainnet).chain()).await;
        assert!(matches!(wrong, Err(DaemonError::WrongChain { .. })));

        let info = daemon.blockchain_info().await.unwrap();
        assert_eq!((info.tip.height, info.tip.hash, info.chain.as_str()), (height, tip, "regtest"));
        assert_eq!(daemon.best_block_hash().await.unwrap(), tip);
        assert_eq!(daemon.block_count().await.unwrap(), height);
        assert_eq!(daemon.block_hash(height).await.unwrap(), Some(tip));
        assert_eq!(daemon.block_hash(height + 1).await.unwrap(), None);
        assert_eq!(daemon.block_hash(u32::MAX).await.unwrap(), None);
        let hashes = daemon.block_hashes(0..height + 5).await.unwrap();
        assert_eq!(hashes.len() as u64, u64::from(height) + 1);
        assert_eq!(hashes.last(), Some(&tip));
        assert_eq!(daemon.block_header_height(&tip).await.unwrap(), Some(height));
        assert_eq!(daemon.block_header_height(&BlockHash::all_zeros()).await.unwrap(), None);

        let coinbase = mined.txdata[0].compute_txid();
        let hash = mined.block_hash();
        let raw = daemon.raw_transaction(&coinbase, Some(&hash)).await.unwrap().unwrap();
        assert_eq!(bitcoin::consensus::deserialize::<Transaction>(&raw).unwrap(), mined.txdata[0]);
        assert_eq!(daemon.raw_transaction(&coinbase, Some(&tip)).await.unwrap(), None);
        assert_eq!(daemon.raw_transaction(&coinbase, None).await.unwrap(), None, "no txindex");
        let verbose = daemon.raw_transaction_verbose(&coinbase, Some(&hash)).await.unwrap();
        assert!(verbose.get().contains(&coinbase.to_string()));

        let txid = pooled.compute_txid();
        assert!(daemon.raw_mempool().await.unwrap().contains(&txid));
        let txs = daemon.raw_transactions(&[Txid::all_zeros(), txid, coinbase]).await.unwrap();
        assert_eq!(txs, [None, Some(bitcoin::consensus::serialize(&pooled)), None]);
        let info = daemon.mempool_info().await.unwrap();
        assert!(
            info.size >= 1 && info.min_relay_fee.is_some() && info.incremental_relay_fee.is_some()
        );
        assert!(daemon.relay_fee().await.unwrap() > 0.0);
        for mode in [None, Some(EstimateMode::Conservative), Some(EstimateMode::Economical)] {
            assert_eq!(daemon.estimate_smart_fee(6, mode).await.unwrap(), None);
        }
        assert_eq!(daemon.estimate_smart_fee(0, None).await.unwrap_err().code(), Some(-8));
        let kinds: Vec<_> = daemon.zmq_notifications().await.unwrap();
        assert!(
            kinds.iter().any(|zmq| zmq.kind == "pubhashblock" && zmq.address.starts_with("tcp://"))
        );
    });
}

#[test]
fn transactions_are_handed_over() {
    let node = Regtest::start().unwrap();
    let mut coins = Coins::new(&node, 2);
    coins.mature(3).unwrap();
    let tx = coins.build(&[(electrumx_testkit::fresh_script(), 20_000)]).unwrap();
    let (daemon, hex) = (daemon(&node), serialize_hex(&tx));
    runtime().block_on(async {
        let accepts = daemon.test_mempool_accept(&[&hex]).await.unwrap().unwrap();
        assert!(accepts[0].allowed && accepts[0].txid == tx.compute_txid());
        assert_eq!(daemon.send_raw_transaction(&hex).await.unwrap(), tx.compute_txid());
        assert_eq!(daemon.send_raw_transaction(&hex).await.unwrap(), tx.compute_txid());
        assert_eq!(daemon.send_raw_transaction("00").await.unwrap_err().code(), Some(-22));
        node.mine(1).unwrap();
        assert_eq!(daemon.send_raw_transaction(&hex).await.unwrap_err().code(), Some(-27));
        let accepts = daemon.test_mempool_accept(&[&hex]).await.unwrap().unwrap();
        assert!(!accepts[0].allowed && accepts[0].reject_reason.is_some());
    });
}

#[test]
fn a_restart_with_another_cookie_is_survived() {
    let node = Regtest::builder().cookie().start().unwrap();
    let url = node.rpc_url();
    let url = NodeUrl::parse(url.rsplit('@').next().unwrap(), 1).unwrap();
    let mut config = config(&node);
    config.urls = vec![url.or_auth(Auth::Cookie(node.cookie_file().clone()))];
    let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
    let runtime = runtime();
    assert_eq!(runtime.block_on(daemon.block_count()).unwrap(), 0);

    node.stop().unwrap();
    let error = runtime.block_on(daemon.network_info()).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let patient = runtime.spawn({
        let daemon = daemon.clone();
        async move { daemon.block_count().await }
    });
    node.restart().unwrap();
    node.mine(1).unwrap();
    let waited =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), patient).await });
    assert!(waited.unwrap().unwrap().is_ok());
    assert_eq!(runtime.block_on(daemon.block_count()).unwrap(), 1);
}

#[test]
fn a_wrong_password_is_refused_by_a_real_node() {
    let node = Regtest::start().unwrap();
    let mut config = config(&node);
    let place = config.urls[0].to_string().replace("http://", "");
    config.urls = vec![NodeUrl::parse(&format!("testkit:wrong@{place}"), 1).unwrap()];
    let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
    let error = runtime().block_on(daemon.block_count()).unwrap_err();
    assert!(matches!(error, DaemonError::Auth { .. }), "{error:?}");
}

/// Over REST and over RPC; across a reorg that the processor meets as a block which does not connect.
#[test]
fn blocks_are_prefetched_over_rest_and_rpc_and_through_a_reorg() {
    let node = Regtest::start().unwrap();
    node.mine(2100).unwrap();
    let runtime = runtime();
    for rest in [true, false] {
        let mut config = config(&node);
        config.rest = rest;
        let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
        let prefetch = PrefetchConfig { queue_bytes: 20_000, ..PrefetchConfig::default() };
        let mut source = Prefetcher::new(daemon, runtime.handle().clone(), prefetch);

        let SourceTip { id: tip, .. } = source.tip().unwrap();
        source.start(0, tip.height);
        let mut previous = BlockHash::all_zeros();
        for height in 0..=tip.height {
            let raw = source.next_block().unwrap().unwrap();
            let block: Block = bitcoin::consensus::deserialize(&raw.bytes).unwrap();
            assert_eq!((raw.height, block.header.prev_blockhash), (height, previous));
            previous = block.block_hash();
        }
        assert_eq!(previous, tip.hash);
        assert_eq!(source.next_block().unwrap(), None);

        source.start(tip.height - 1500, tip.height);
        let first = source.next_block().unwrap().unwrap();
        node.reorg(5, 3, Replacement::Empty).unwrap();
        let rest_of_it = std::iter::from_fn(|| source.next_block().unwrap()).count();
        // The hashes were fetched ahead, and the node keeps the blocks of its old branch.
        assert!((1490..=1500).contains(&rest_of_it), "{rest_of_it}");
        assert_eq!(first.height, tip.height - 1500);
        let new_tip = source.tip().unwrap().id;
        assert_eq!(new_tip.height, tip.height - 2);
        source.start(tip.height - 4, tip.height);
        assert_eq!(std::iter::from_fn(|| source.next_block().unwrap()).count(), 3);
    }
}
