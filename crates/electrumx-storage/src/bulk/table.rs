//! The outputs that are unspent so far: a hash table of bounded size.

use super::outpoint::{OutpointName, leading};
use super::slot::Slot;

/// Slots of a table that is not yet in use much.
const LEAST: usize = 1 << 12;

/// Open addressing with linear probing, in the order of names: what is taken out leaves no mark behind,
/// because those after it move up. `HashMap` leaves marks, and would double its memory for them.
///
/// It grows by halves up to its limit, and then says that it is full.
#[derive(Debug)]
pub(super) struct OutputTable {
    slots: Vec<Slot>,
    len: usize,
    /// Most slots.
    limit: usize,
    /// Bits of a name that are the same for all in this table.
    shared_bits: u32,
}

impl OutputTable {
    /// Makes a table for names that share their first bits, with at most so many bytes.
    pub(super) fn new(shared_bits: u32, bytes: usize) -> Self {
        let limit = (bytes / Slot::LEN).max(LEAST);
        Self { slots: vec![Slot::EMPTY; LEAST], len: 0, limit, shared_bits }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    /// Tells whether it has grown to its limit and is three quarters full: time to take some out.
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.limit / 4 * 3
    }

    /// Where a name belongs.
    fn home(&self, name: &OutpointName) -> usize {
        let hash = leading(name) << self.shared_bits;
        // The product's upper half is below the number of slots.
        usize::try_from((u128::from(hash) * self.slots.len() as u128) >> 64).unwrap_or(0)
    }

    /// Starts to fetch what a later call will need from memory: looks at the names' homes.
    pub(super) fn touch<'a>(&self, names: impl Iterator<Item = &'a OutpointName>) -> u8 {
        names.fold(0, |sum, name| sum ^ self.slots[self.home(name)].0[0])
    }

    /// Puts an output in; returns the one of the same name that it replaces.
    pub(super) fn insert(&mut self, slot: Slot) -> Option<Slot> {
        if self.len >= self.slots.len() / 4 * 3 && self.slots.len() < self.limit {
            self.grow();
        }
        let name = slot.name();
        let mut place = self.home(&name);
        loop {
            let found = &mut self.slots[place];
            if found.is_empty() {
                *found = slot;
                self.len += 1;
                return None;
            }
            if found.name() == name {
                return Some(std::mem::replace(found, slot));
            }
            place = self.next(place);
        }
    }

    /// Takes an output out.
    pub(super) fn remove(&mut self, name: &OutpointName) -> Option<Slot> {
        let mut place = self.home(name);
        let found = loop {
            let slot = self.slots[place];
            if slot.is_empty() {
                return None;
            }
            if slot.name() == *name {
                break slot;
            }
            place = self.next(place);
        };
        self.close_gap(place);
        self.len -= 1;
        Some(found)
    }

    /// Moves those up that would not be found any more.
    fn close_gap(&mut self, mut gap: usize) {
        let mut place = gap;
        loop {
            place = self.next(place);
            let slot = self.slots[place];
            if slot.is_empty() {
                break;
            }
            // How far it is from its home to here and to the gap, going forward around the end.
            let home = self.home(&slot.name());
            if self.distance(home, place) >= self.distance(gap, place) {
                self.slots[gap] = slot;
                gap = place;
            }
        }
        self.slots[gap] = Slot::EMPTY;
    }

    fn next(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots.len() - from }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).min(self.limit);
        self.refill(size, |_| true, |_| {});
    }

    /// Hands out the older half, by number.
    pub(super) fn take_older_half(&mut self, mut take: impl FnMut(&Slot)) {
        // Any slots are a fair sample, for names are random.
        let mut sample: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| !slot.is_empty())
            .take(4096)
            .map(Slot::output)
            .collect();
        if sample.is_empty() {
            return;
        }
        let middle = sample.len() / 2;
        let (_, median, _) = sample.select_nth_unstable(middle);
        let median = *median;
        self.refill(self.slots.len(), |slot| slot.output() > median, |slot| take(slot));
    }

    fn refill(&mut self, size: usize, keep: impl Fn(&Slot) -> bool, mut take: impl FnMut(&Slot)) {
        // What is kept lies in the order of names, so it can be moved in place only with care; the other half of the
        // memory is had for a moment instead, one table after the other.
        let old = std::mem::replace(&mut self.slots, vec![Slot::EMPTY; size]);
        self.len = 0;
        for slot in old.iter().filter(|slot| !slot.is_empty()) {
            if keep(slot) {
                self.insert(*slot);
            } else {
                take(slot);
            }
        }
    }

    /// Iterates over the outputs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.is_empty())
    }
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
            let mut table = OutputTable::new(0, 0);
            let mut model = BTreeMap::new();
            for (insert, number, value) in operations {
                if insert {
                    prop_assert_eq!(table.insert(slot(number, value)), model.insert(name(number), slot(number, value)));
                } else {
                    prop_assert_eq!(table.remove(&name(number)), model.remove(&name(number)));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let mut left: Vec<_> = table.iter().copied().collect();
            left.sort_unstable();
            prop_assert_eq!(left, model.values().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_grows_to_its_limit_and_then_gives_its_older_half_away() {
        let mut table = OutputTable::new(0, 20_000 * Slot::LEN);
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
            assert_eq!(table.insert(slot(count)), None);
        }
        assert_eq!(count, 15_000);
        assert_eq!(table.slots.len(), 20_000);
        let mut taken = Vec::new();
        table.take_older_half(|slot| taken.push(*slot));
        assert_eq!(taken.len() + table.len(), 15_000);
        assert!((6_000..9_000).contains(&taken.len()), "{}", taken.len());
        let youngest_taken = taken.iter().map(Slot::output).max();
        let oldest_left = table.iter().map(Slot::output).min();
        assert!(youngest_taken < oldest_left);
        for number in 1..=count {
            let slot = slot(number);
            assert_eq!(table.remove(&slot.name()).is_some(), !taken.contains(&slot));
        }
        assert_eq!(table.len(), 0);
    }
}
