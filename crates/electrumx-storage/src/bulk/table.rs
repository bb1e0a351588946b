//! The outputs that are unspent so far: a hash table of bounded size.

use electrumx_core::StoreError;
use memmap2::MmapMut;

use super::outpoint::{OutpointName, leading};
use super::slot::Slot;
use crate::build::part;

/// Slots of a table that is not yet in use much.
const LEAST: usize = 1 << 12;

/// Open addressing with linear probing, in the order of names: what is taken out leaves no mark behind,
/// because those after it move up. `HashMap` leaves marks, and would double its memory for them.
///
/// It grows by halves up to its limit, and then says that it is full.
#[derive(Debug)]
pub(super) struct OutputTable {
    slots: Slots,
    len: usize,
    /// Most slots.
    limit: usize,
    /// Bits of a name that are the same for all in this table.
    shared_bits: u32,
}

/// Zeroed memory. It is read at random, so large pages are asked for (measured: a third less time).
#[derive(Debug)]
struct Slots(MmapMut);

impl Slots {
    fn new(count: usize) -> Result<Self, StoreError> {
        let map = MmapMut::map_anon(count * Slot::LEN).map_err(|error| StoreError::Backend {
            action: "get memory for the table of outputs",
            source: Box::new(error),
        })?;
        // A wish; without it the table is only slower.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(map))
    }

    fn get(&self) -> &[[u8; Slot::LEN]] {
        self.0.as_chunks().0
    }

    fn get_mut(&mut self) -> &mut [[u8; Slot::LEN]] {
        self.0.as_chunks_mut().0
    }

    fn used(&self) -> impl Iterator<Item = Slot> {
        self.get().iter().copied().map(Slot).filter(|slot| !slot.is_empty())
    }
}

impl OutputTable {
    /// Makes a table for names that share their first bits, with at most so many bytes.
    pub(super) fn new(shared_bits: u32, bytes: usize) -> Result<Self, StoreError> {
        let limit = (bytes / Slot::LEN).max(LEAST);
        Ok(Self { slots: Slots::new(LEAST)?, len: 0, limit, shared_bits })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    fn size(&self) -> usize {
        self.slots.get().len()
    }

    /// Tells whether it has grown to its limit and is three quarters full: time to take some out.
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.limit / 4 * 3
    }

    /// Where a name belongs.
    fn home(&self, name: &OutpointName) -> usize {
        let hash = leading(name) << self.shared_bits;
        // The product's upper half is below the number of slots.
        usize::try_from((u128::from(hash) * self.size() as u128) >> 64).unwrap_or(0)
    }

    /// Has the memory that a later call will need fetched meanwhile.
    pub(super) fn prefetch(&self, name: &OutpointName) {
        prefetch(&self.slots.get()[self.home(name)]);
    }

    /// Puts an output in; returns the one of the same name that it replaces.
    ///
    /// # Errors
    /// When there is no memory to grow.
    pub(super) fn insert(&mut self, slot: Slot) -> Result<Option<Slot>, StoreError> {
        if self.len >= self.size() / 4 * 3 && self.size() < self.limit {
            let size = (self.size() * 2).min(self.limit);
            self.refill(size, |_| true, |_| {})?;
        }
        let name = slot.name();
        let mut place = self.home(&name);
        let slots = self.slots.get_mut();
        loop {
            let found = &mut slots[place];
            if name_of(found) == [0; 12] {
                *found = slot.0;
                self.len += 1;
                return Ok(None);
            }
            if name_of(found) == name {
                return Ok(Some(Slot(std::mem::replace(found, slot.0))));
            }
            place = next(place, slots.len());
        }
    }

    /// Takes an output out.
    pub(super) fn remove(&mut self, name: &OutpointName) -> Option<Slot> {
        let mut place = self.home(name);
        let slots = self.slots.get();
        let found = loop {
            let slot = &slots[place];
            let found = name_of(slot);
            if found == *name {
                break Slot(*slot);
            }
            if found == [0; 12] {
                return None;
            }
            place = next(place, slots.len());
        };
        self.close_gap(place);
        self.len -= 1;
        Some(found)
    }

    /// Moves those up that would not be found any more.
    fn close_gap(&mut self, mut gap: usize) {
        let (mut place, size) = (gap, self.size());
        loop {
            place = next(place, size);
            let slot = self.slots.get()[place];
            let name = name_of(&slot);
            if name == [0; 12] {
                break;
            }
            // How far it is from its home to here and to the gap, going forward around the end.
            let home = self.home(&name);
            if distance(home, place, size) >= distance(gap, place, size) {
                self.slots.get_mut()[gap] = slot;
                gap = place;
            }
        }
        self.slots.get_mut()[gap] = Slot::EMPTY.0;
    }

    /// Hands out the older half, by number.
    pub(super) fn take_older_half(&mut self, take: impl FnMut(Slot)) -> Result<(), StoreError> {
        // Any slots are a fair sample, for names are random.
        let mut sample: Vec<_> = self.slots.used().take(4096).map(|slot| slot.output()).collect();
        if sample.is_empty() {
            return Ok(());
        }
        let middle = sample.len() / 2;
        let (_, median, _) = sample.select_nth_unstable(middle);
        let median = *median;
        self.refill(self.size(), |slot| slot.output() > median, take)
    }

    /// Moves what is kept into other memory, one table after the other.
    fn refill(
        &mut self,
        size: usize,
        keep: impl Fn(&Slot) -> bool,
        mut take: impl FnMut(Slot),
    ) -> Result<(), StoreError> {
        let old = std::mem::replace(&mut self.slots, Slots::new(size)?);
        self.len = 0;
        for slot in old.used() {
            if keep(&slot) {
                self.insert(slot)?;
            } else {
                take(slot);
            }
        }
        Ok(())
    }

    /// Iterates over the outputs.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.slots.used()
    }
}

/// A slot may lie across two cache lines.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the intrinsic takes pointers; see the SAFETY comment")]
fn prefetch(slot: &[u8; Slot::LEN]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for byte in [&slot[0], &slot[Slot::LEN - 1]] {
        // SAFETY: a prefetch is a hint: it reads nothing and cannot fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
}

/// Elsewhere the memory is merely looked at.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch(slot: &[u8; Slot::LEN]) {
    std::hint::black_box(slot[0] ^ slot[Slot::LEN - 1]);
}

fn name_of(slot: &[u8; Slot::LEN]) -> OutpointName {
    part(slot, 0)
}

const fn next(place: usize, size: usize) -> usize {
    if place + 1 == size { 0 } else { place + 1 }
}

const fn distance(from: usize, to: usize, size: usize) -> usize {
    if to >= from { to - from } else { to + size - from }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use electrumx_core::HashX;
    use proptest::prelude::*;

    use super::*;

    /// Few homes, so that runs are long and wrap around the end.
    fn name(number: u16) -> OutpointName {
        let mut name = [0xff; 12];
        name[0] = if number.is_multiple_of(3) { 0xff } else { 0 };
        name[10..].copy_from_slice(&number.to_be_bytes());
        name
    }

    fn slot(number: u16, value: u64) -> Slot {
        let output = [value.to_be_bytes()[7]; 9];
        Slot::new(name(number), output, &HashX::from_bytes([1; 12]), value)
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_map(operations in prop::collection::vec((any::<bool>(), 0..400_u16, any::<u64>()), 0..3000)) {
            let mut table = OutputTable::new(0, 0).unwrap();
            let mut model = BTreeMap::new();
            for (insert, number, value) in operations {
                if insert {
                    prop_assert_eq!(table.insert(slot(number, value)).unwrap(), model.insert(name(number), slot(number, value)));
                } else {
                    prop_assert_eq!(table.remove(&name(number)), model.remove(&name(number)));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let mut left: Vec<_> = table.iter().collect();
            left.sort_unstable();
            prop_assert_eq!(left, model.values().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_grows_to_its_limit_and_then_gives_its_older_half_away() {
        let mut table = OutputTable::new(0, 20_000 * Slot::LEN).unwrap();
        let slot = |number: u64| {
            let mut output = [0; 9];
            output[..8].copy_from_slice(&number.to_be_bytes());
            let mut name = [0; 12];
            name[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            Slot::new(name, output, &HashX::from_bytes([1; 12]), number)
        };
        let mut count = 0;
        while !table.is_full() {
            count += 1;
            assert_eq!(table.insert(slot(count)).unwrap(), None);
        }
        assert_eq!(count, 15_000);
        assert_eq!(table.size(), 20_000);
        let mut taken = Vec::new();
        table.take_older_half(|slot| taken.push(slot)).unwrap();
        assert_eq!(taken.len() + table.len(), 15_000);
        assert!((6_000..9_000).contains(&taken.len()), "{}", taken.len());
        let youngest_taken = taken.iter().map(Slot::output).max();
        let oldest_left = table.iter().map(|slot| slot.output()).min();
        assert!(youngest_taken < oldest_left);
        for number in 1..=count {
            let slot = slot(number);
            assert_eq!(table.remove(&slot.name()).is_some(), !taken.contains(&slot));
        }
        assert_eq!(table.len(), 0);
    }
}
