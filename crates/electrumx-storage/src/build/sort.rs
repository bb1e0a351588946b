//! Sorting the records of one partition of the scripts.

use std::cmp::Ordering;

use super::record::{OrderedScript, ScriptRecord, part};

/// Records of a bucket, about: they fit into the first cache.
const BUCKET: usize = 128;

/// Binary logarithm of the parts that a bucket is dealt out into: most then hold one record or none.
const PARTS_OF_BUCKET: u32 = 8;

/// Sorts records into `sorted`, whose memory is used again.
///
/// They are dealt out by the 32 bits that follow the first `skipped` ones, which are the same for all: into
/// buckets, then bucket by bucket into parts, and what is in one part is sorted as numbers.
pub(crate) fn sort(
    records: &[[u8; ScriptRecord::LEN]],
    skipped: u32,
    sorted: &mut Vec<OrderedScript>,
) {
    let bits = (records.len() / BUCKET).max(1).ilog2().min(13);
    let bucket = |record: &_| {
        usize::try_from(u64::from(spread(record, skipped)) >> (32 - bits)).unwrap_or(0)
    };
    let mut ends = vec![0_usize; 1 << bits];
    for record in records {
        ends[bucket(record)] += 1;
    }
    begin(&mut ends);
    sorted.resize(records.len(), OrderedScript::default());
    for record in records {
        let end = &mut ends[bucket(record)];
        sorted[*end] = ScriptRecord(*record).ordered();
        *end += 1;
    }
    let mut scratch = Vec::new();
    let mut start = 0;
    for end in ends {
        sort_bucket(&mut sorted[start..end], skipped + bits, &mut scratch);
        start = end;
    }
}

/// Sorts records that have the first `skipped` bits in common.
fn sort_bucket(records: &mut [OrderedScript], skipped: u32, scratch: &mut Vec<OrderedScript>) {
    let part = |record: &OrderedScript| {
        usize::try_from(record.bits(skipped) >> (64 - PARTS_OF_BUCKET)).unwrap_or(0)
    };
    let mut ends = [0_usize; 1 << PARTS_OF_BUCKET];
    for record in &*records {
        ends[part(record)] += 1;
    }
    begin(&mut ends);
    if scratch.len() < records.len() {
        scratch.resize(records.len(), OrderedScript::default());
    }
    for record in &*records {
        let end = &mut ends[part(record)];
        scratch[*end] = *record;
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        if end - start > 1 {
            scratch[start..end].sort_unstable();
        }
        start = end;
    }
    records.copy_from_slice(&scratch[..records.len()]);
}

/// Turns counts into where each begins.
fn begin(counts: &mut [usize]) {
    let mut start = 0;
    for count in counts {
        start += std::mem::replace(count, start);
    }
}

/// Returns the 32 bits of a record that follow the first ones, of which there are 32 at most.
#[inline]
pub(crate) fn spread(record: &[u8; ScriptRecord::LEN], skipped: u32) -> u32 {
    let [a, b, c, d, ..] = (u64::from_be_bytes(part(record, 0)) << skipped).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
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
        })], 0..3000), skipped in 0..=10_u32) {
            let mut records = records;
            for record in &mut records {
                let first = u16::from_be_bytes([record[0], record[1]]);
                record[..2].copy_from_slice(&(first >> skipped).to_be_bytes());
            }
            let mut wanted = records.clone();
            wanted.sort_unstable();
            let wanted: Vec<_> = wanted.into_iter().map(|record| ScriptRecord(record).ordered()).collect();
            let mut sorted = vec![OrderedScript::default(); 7];
            sort(&records, skipped, &mut sorted);
            prop_assert_eq!(sorted, wanted);
            let mut by_bytes_sorted = records.clone();
            by_bytes_sorted.sort_unstable_by(by_bytes);
            let mut wanted = records;
            wanted.sort_unstable();
            prop_assert_eq!(by_bytes_sorted, wanted);
        }
    }
}
