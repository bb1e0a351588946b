use electrumx_core::BlockId;
use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::coin::{Bitcoin, Coin as _};

use super::*;

fn block(height: u32, target: u32, txs: u64) -> Progress {
    let tip = BlockId { height, hash: BlockHash::all_zeros() };
    Progress { tip, target, tx_count: txs, block_bytes: 1_000_000 }
}

fn meter(network: Network) -> Meter {
    Meter::new(Bitcoin::new(network).chain())
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6 * b.abs().max(1.0)
}

#[test]
fn steady_blocks_have_a_steady_rate() {
    let mut meter = meter(Network::Signet);
    let start = Instant::now();
    let mut reports = Vec::new();
    // Ten blocks a second for 200 seconds.
    for n in 0..2000_u32 {
        let now = start + Duration::from_millis(100) * n;
        reports.extend(meter.advanced(&block(n, 3999, u64::from(n) * 20), now));
    }
    // One a second, the first one needs another to compare with.
    assert_eq!(reports.len(), 199);
    let last = reports.last().unwrap();
    assert!(near(last.blocks_per_sec, 10.0), "{last:?}");
    assert!(near(last.txs_per_sec, 200.0), "{last:?}");
    assert!(near(last.bytes_per_sec, 10e6), "{last:?}");
    assert!(near(last.fraction, 1991.0 / 4000.0), "{last:?}");
    assert!(near(last.time_left.unwrap().as_secs_f64(), 200.9), "{last:?}");
    let line = "height 1,990 of 3,999 (49.8 %), 10 blocks/s, 200 txs/s, 10.0 MB/s, 03m 20s left";
    assert_eq!(last.to_string(), line);
}

#[test]
fn a_change_of_speed_is_seen_within_a_minute() {
    let mut meter = meter(Network::Regtest);
    let mut now = Instant::now();
    let mut last = None;
    for n in 0..1000_u32 {
        now += Duration::from_millis(if n < 800 { 10 } else { 1000 });
        last = meter.advanced(&block(n, 5000, 0), now).or(last);
    }
    assert!(near(last.unwrap().blocks_per_sec, 1.0), "{last:?}");
}

#[test]
fn rates_begin_anew_after_a_pause_and_after_a_reorg() {
    let mut meter = meter(Network::Regtest);
    let start = Instant::now();
    let at = |secs| start + Duration::from_secs(secs);
    assert_eq!(meter.advanced(&block(10, 20, 10), at(0)), None);
    assert!(meter.advanced(&block(11, 20, 11), at(1)).is_some());
    assert_eq!(meter.advanced(&block(12, 20, 12), at(600)), None);
    let after = meter.advanced(&block(13, 20, 13), at(602)).unwrap();
    assert!(near(after.blocks_per_sec, 0.5), "{after:?}");
    assert_eq!(meter.advanced(&block(12, 20, 12), at(604)), None);
    assert!(meter.advanced(&block(13, 20, 13), at(606)).is_some());
}

#[test]
fn on_the_main_network_transactions_count_and_not_blocks() {
    let mut meter = meter(Network::Mainnet);
    let start = Instant::now();
    meter.advanced(&block(200_000, 900_000, 7_300_000), start);
    let later = start + Duration::from_secs(10);
    let progress = meter.advanced(&block(201_000, 900_000, 7_400_000), later).unwrap();
    assert!(progress.fraction < 0.01, "{progress:?}");
    // A thousand million transactions at ten thousand a second: more than a day; by blocks it would be two hours.
    assert!(progress.time_left.unwrap() > Duration::from_secs(86_400), "{progress:?}");
}

#[test]
fn nothing_is_divided_by_zero() {
    let mut meter = meter(Network::Mainnet);
    let start = Instant::now();
    meter.advanced(&block(0, 0, 1), start);
    let progress = meter.advanced(&block(1, 1, 1), start + SAMPLE).unwrap();
    assert!(progress.fraction.is_finite());
    assert!(!progress.to_string().contains("NaN"), "{progress}");
}
