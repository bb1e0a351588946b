//! How many transactions Bitcoin's main network has up to a height.
//!
//! Early blocks are nearly empty: a share of blocks says nothing about how much of the work is done.

/// Heights and transactions up to there, rounded; from 400,000 on the figures Bitcoin Core's releases carry
/// (`chainTxData` of `kernel/chainparams.cpp`).
const KNOWN: &[(u32, f64)] = &[
    (0, 0.0),
    (100_000, 0.2e6),
    (150_000, 1.8e6),
    (200_000, 7.3e6),
    (250_000, 21.0e6),
    (300_000, 38.5e6),
    (350_000, 64.0e6),
    (400_000, 113.0e6),
    (446_482, 184.5e6),
    (534_292, 331.3e6),
    (597_379, 460.6e6),
    (654_683, 582.1e6),
    (691_719, 656.5e6),
    (751_565, 760.1e6),
    (824_000, 946.7e6),
    (856_760, 1059.3e6),
    (886_157, 1161.9e6),
];

/// Estimates the number of transactions up to a height; above the last known height the last growth goes on.
pub(crate) fn txs_up_to(height: u32) -> f64 {
    let next = KNOWN.partition_point(|&(known, _)| known < height).clamp(1, KNOWN.len() - 1);
    let ((from, txs), (to, more)) = (KNOWN[next - 1], KNOWN[next]);
    let share = (f64::from(height) - f64::from(from)) / f64::from(to - from);
    txs + share * (more - txs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_and_meets_what_is_known() {
        for &(height, txs) in KNOWN {
            assert!((txs_up_to(height) - txs).abs() < 1.0, "{height}");
        }
        let all: Vec<_> = (0..120).map(|n| txs_up_to(n * 10_000)).collect();
        assert!(all.is_sorted());
        // 2,000 to 5,000 transactions a block.
        let beyond = (txs_up_to(986_157) - txs_up_to(886_157)) / 100_000.0;
        assert!((2000.0..5000.0).contains(&beyond), "{beyond}");
    }
}
