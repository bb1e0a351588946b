//! Sorting the records of one partition of the scripts.

use std::cmp::Ordering;

use super::record::{OrderedScript, ScriptRecord, part};

/// Records of a bucket, about: they fit into the first cache.
const BUCKET: usize = 128;

/// Sorts records into `sorted`, whose memory is used again.
///
/// They are dealt out into buckets by the 32 bits that `spread` returns, whose order must be the records' own, and
/// buckets are sorted one by one, as numbers.
pub(crate) fn sort(
    records: &[[u8; ScriptRecord::LEN]],
    spread: impl Fn(&[u8; ScriptRecord::LEN]) -> u32,
    sorted: &mut Vec<OrderedScript>,
) {
    let bits = (records.len() / BUCKET).max(1).ilog2().min(13);
    let bucket = |record| usize::try_from(u64::from(spread(record)) >> (32 - bits)).unwrap_or(0);
    let mut ends = vec![0_usize; 1 << bits];
    for record in records {
        ends[bucket(record)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    sorted.resize(records.len(), OrderedScript::default());
    for record in records {
        let end = &mut ends[bucket(record)];
        sorted[*end] = ScriptRecord(*record).ordered();
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        sorted[start..end].sort_unstable();
        start = end;
    }
}

/// Compares records by their bytes; most differ in the first eight, which compare as a number.
pub(crate) fn by_bytes<const LEN: usize>(one: &[u8; LEN], two: &[u8; LEN]) -> Ordering {
    let leading = |record: &[u8; LEN]| u64::from_be_bytes(part(record, 0));
    leading(one).cmp(&leading(two)).then_with(|| one[8..].cmp(&two[8..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts(records in prop::collection::vec(prop_oneof![any::<[u8; 30]>(), (0..3_u8, 0..30_usize).prop_map(|(byte, at)| {
            let mut record = [byte; 30];
            record[at] = 7;
            record
        })], 0..3000)) {
            let mut wanted = records.clone();
            wanted.sort_unstable();
            let wanted: Vec<_> = wanted.into_iter().map(|record| ScriptRecord(record).ordered()).collect();
            let spread = |record: &[u8; 30]| u32::from_be_bytes([record[0], record[1], record[2], record[3]]);
            let mut sorted = vec![OrderedScript::default(); 7];
            sort(&records, spread, &mut sorted);
            prop_assert_eq!(sorted, wanted);
            let mut by_bytes_sorted = records.clone();
            by_bytes_sorted.sort_unstable_by(by_bytes);
            let mut wanted = records;
            wanted.sort_unstable();
            prop_assert_eq!(by_bytes_sorted, wanted);
        }
    }
}
