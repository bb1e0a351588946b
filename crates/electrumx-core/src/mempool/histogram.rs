//! The fee histogram that wallets draw estimates from.

use std::collections::BTreeMap;

use super::state::Mempool;

/// Virtual size a bin must exceed to be closed, in vbytes, for the highest rates. Each closed bin
/// makes the next 10 % larger, as in ElectrumX.
const FIRST_BIN_VSIZE: u64 = 30_000;

/// A bin of the histogram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeeBin {
    /// Lowest rate in the bin, in tenths of a satoshi per vbyte, rounded down.
    pub decirate: u64,
    /// Size of the transactions that pay this rate or more, and less than the bin before, in
    /// vbytes.
    pub vsize: u64,
}

impl FeeBin {
    /// Returns the rate in sat/vB.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate above 2^53 is not met, and only shown")]
    pub fn rate(&self) -> f64 {
        self.decirate as f64 / 10.0
    }
}

/// Returns the histogram of a mempool, by strictly falling rate.
///
/// The bins together hold every transaction: unlike ElectrumX, the last one is reported although it
/// is not full.
#[must_use]
pub fn fee_histogram(mempool: &Mempool) -> Vec<FeeBin> {
    bins(mempool.rates(), FIRST_BIN_VSIZE)
}

fn bins(rates: &BTreeMap<u64, u64>, first_bin_vsize: u64) -> Vec<FeeBin> {
    let mut bins = Vec::new();
    let mut bin_vsize = first_bin_vsize;
    let mut open: Option<FeeBin> = None;
    let mut close = |bin: FeeBin, bin_vsize: &mut u64| {
        bins.push(bin);
        *bin_vsize = *bin_vsize * 11 / 10;
    };
    for (&decirate, &vsize) in rates.iter().rev() {
        // A rate that fills bins alone does not swallow what pays more.
        if let Some(bin) = open.take_if(|_| vsize > 2 * bin_vsize) {
            close(bin, &mut bin_vsize);
        }
        let bin = FeeBin { decirate, vsize: open.map_or(0, |bin| bin.vsize) + vsize };
        open = Some(bin);
        if let Some(bin) = open.take_if(|bin| bin.vsize > bin_vsize) {
            close(bin, &mut bin_vsize);
        }
    }
    bins.extend(open);
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mempool::MempoolTx;
    use bitcoin::Txid;
    use bitcoin::hashes::Hash as _;

    fn bins_of(rates: &[(u64, u64)], first_bin_vsize: u64) -> Vec<(u64, u64)> {
        let bins = bins(&rates.iter().copied().collect(), first_bin_vsize);
        bins.into_iter().map(|bin| (bin.decirate, bin.vsize)).collect()
    }

    #[test]
    fn bins_are_those_of_electrumx_and_the_remainder() {
        let rates = [(90, 12_000), (50, 40_000), (24, 45_000), (10, 200_000)];
        assert_eq!(bins_of(&rates, 30_000), [(50, 52_000), (24, 45_000), (10, 200_000)]);
        assert_eq!(bins_of(&rates, 100_000), [(10, 297_000)]);
        assert_eq!(bins_of(&[(90, 12_000)], 30_000), [(90, 12_000)]);
        assert_eq!(bins_of(&[(90, 12_000), (10, 70_000)], 30_000), [(90, 12_000), (10, 70_000)]);
        assert_eq!(bins_of(&[], 30_000), []);
    }

    #[test]
    fn a_mempool_gives_rates_rounded_down_to_tenths() {
        let mut mempool = Mempool::default();
        let tx = |fee, vsize| MempoolTx { inputs: [].into(), outputs: [].into(), fee, vsize };
        mempool.insert(vec![
            (Txid::from_byte_array([1; 32]), tx(199, 100)),
            (Txid::from_byte_array([2; 32]), tx(198, 100)),
            (Txid::from_byte_array([3; 32]), tx(u64::MAX, 0)),
        ]);
        let bins = fee_histogram(&mempool);
        assert_eq!(bins.len(), 1);
        assert_eq!(bins[0], FeeBin { decirate: 19, vsize: 201 });
        assert!((bins[0].rate() - 1.9).abs() < 1e-9);
        // What leaves leaves the histogram, too.
        mempool.remove(&[Txid::from_byte_array([3; 32]), Txid::from_byte_array([1; 32])]);
        assert_eq!(fee_histogram(&mempool), [FeeBin { decirate: 19, vsize: 100 }]);
        mempool.remove(&[Txid::from_byte_array([2; 32])]);
        assert_eq!(fee_histogram(&mempool), []);
    }
}
