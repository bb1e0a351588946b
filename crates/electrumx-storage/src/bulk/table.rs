//! The outputs that are unspent so far: a hash table of bounded size.

use electrumx_core::StoreError;

use super::arena::Arena;
use super::outpoint::{OutpointName, leading};
use super::pages::Pages;
use super::slot::Slot;
use crate::build::OUTPUT;

/// Places of the index of a table that is not yet in use much.
const LEAST: usize = 1 << 12;

/// Outputs that any table has room for.
const FEWEST: usize = 64;

/// Bytes of a place of the index.
const PLACE: usize = 8;

/// A place of the index: the leading 32 bits of a name, and above zero where its output lies in the arena.
///
/// Most of what is looked at on the way to an output is places, so they are small: eight share a cache line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place(u64);

impl Place {
    const EMPTY: Self = Self(0);

    fn new(tag: u32, number: u32) -> Self {
        Self(u64::from(tag) << 32 | (u64::from(number) + 1))
    }

    fn of_bytes(bytes: [u8; PLACE]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    fn bytes(self) -> [u8; PLACE] {
        self.0.to_le_bytes()
    }

    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Number in the arena of a place that is not empty.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half of 64 bits")]
    fn number(self) -> u32 {
        (self.0 as u32).wrapping_sub(1)
    }
}

/// Outputs in an arena, found by an index of open addressing with linear probing in the order of names: what is
/// taken out leaves no mark behind, because those after it move up.
///
/// The index grows by doubling, the arena never moves. What is full has its older half taken out.
#[derive(Debug)]
pub(super) struct OutputTable {
    index: Pages<PLACE>,
    arena: Arena,
    /// Bits of a name that are the same for all in this table.
    shared_bits: u32,
}

impl OutputTable {
    /// Makes a table for names that share their first bits, with at most so many bytes.
    pub(super) fn new(shared_bits: u32, bytes: usize) -> Result<Self, StoreError> {
        // Half of the places are in use at most. The arena may come to note four bytes for each slot.
        let limit = (bytes / (Slot::LEN + 4 + PLACE * 2)).max(FEWEST);
        Ok(Self { index: Pages::new(LEAST)?, arena: Arena::new(limit)?, shared_bits })
    }

    /// Returns how many outputs it holds.
    pub(super) fn len(&self) -> usize {
        self.arena.len()
    }

    /// Tells whether it holds as many as it may: time to take some out.
    pub(super) fn is_full(&self) -> bool {
        self.arena.is_full()
    }

    fn tag(&self, name: &OutpointName) -> u32 {
        let [a, b, c, d, ..] = (leading(name) << self.shared_bits).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Where a tag belongs.
    fn home(&self, tag: u32) -> usize {
        // The product's upper half is below the number of places.
        usize::try_from((u64::from(tag) * self.index.len() as u64) >> 32).unwrap_or(0)
    }

    fn at(&self, place: usize) -> Place {
        Place::of_bytes(self.index.get()[place])
    }

    /// Has the part of the index fetched that a later call will need.
    pub(super) fn prefetch(&self, name: &OutpointName) {
        self.index.prefetch(self.home(self.tag(name)));
    }

    /// Has the memory fetched that an output will take which comes after so many others.
    pub(super) fn prefetch_free(&self, ahead: usize) {
        self.arena.prefetch_free(ahead);
    }

    /// Has the output fetched that a later call will take out; the index should be at hand already.
    pub(super) fn prefetch_output(&self, name: &OutpointName) {
        let tag = self.tag(name);
        let mut place = self.home(tag);
        loop {
            let found = self.at(place);
            if found == Place::EMPTY {
                return;
            }
            if found.tag() == tag {
                return self.arena.prefetch(found.number());
            }
            place = next(place, self.index.len());
        }
    }

    /// Puts an output in; returns the one of the same name that it replaces. The table must not be full.
    ///
    /// # Errors
    /// When there is no memory to grow.
    #[inline(always)]
    pub(super) fn insert(&mut self, slot: Slot) -> Result<Option<Slot>, StoreError> {
        if self.arena.len() >= self.index.len() / 2 {
            self.grow()?;
        }
        let (name, tag) = (slot.name(), self.tag(&slot.name()));
        let mut place = self.home(tag);
        loop {
            let found = self.at(place);
            if found == Place::EMPTY {
                let number = self.arena.insert(slot);
                self.index.get_mut()[place] = Place::new(tag, number).bytes();
                return Ok(None);
            }
            if found.tag() == tag && self.arena.get(found.number()).name() == name {
                return Ok(Some(self.arena.replace(found.number(), slot)));
            }
            place = next(place, self.index.len());
        }
    }

    #[cold]
    fn grow(&mut self) -> Result<(), StoreError> {
        self.index = Pages::new(self.index.len() * 2)?;
        self.fill_index();
        Ok(())
    }

    /// Makes an empty index hold all that is in the arena.
    fn fill_index(&mut self) {
        for (number, slot) in self.arena.iter() {
            let tag = self.tag(&slot.name());
            let mut place = self.home(tag);
            while self.at(place) != Place::EMPTY {
                place = next(place, self.index.len());
            }
            self.index.get_mut()[place] = Place::new(tag, number).bytes();
        }
    }

    /// Takes an output out and returns what `visit` makes of it.
    pub(super) fn remove<T>(
        &mut self,
        name: &OutpointName,
        visit: impl FnOnce(&Slot) -> T,
    ) -> Option<T> {
        let tag = self.tag(name);
        let mut place = self.home(tag);
        loop {
            let found = self.at(place);
            if found == Place::EMPTY {
                return None;
            }
            if found.tag() == tag && self.arena.get(found.number()).name() == *name {
                // Visited where it lies, see OrderedScript.
                let made = visit(&self.arena.get(found.number()));
                self.arena.remove(found.number());
                self.close_gap(place);
                return Some(made);
            }
            place = next(place, self.index.len());
        }
    }

    /// Moves those up that would not be found any more.
    fn close_gap(&mut self, mut gap: usize) {
        let (mut place, size) = (gap, self.index.len());
        loop {
            place = next(place, size);
            let found = self.at(place);
            if found == Place::EMPTY {
                break;
            }
            // How far it is from its home to here and to the gap, going forward around the end.
            let home = self.home(found.tag());
            if distance(home, place, size) >= distance(gap, place, size) {
                self.index.get_mut()[gap] = found.bytes();
                gap = place;
            }
        }
        self.index.get_mut()[gap] = Place::EMPTY.bytes();
    }

    /// Hands out the older half, by number.
    pub(super) fn take_older_half(&mut self, mut take: impl FnMut(Slot)) -> Result<(), StoreError> {
        let Some(median) = self.median() else { return Ok(()) };
        self.arena.retain(|slot| {
            let stays = slot.output() > median;
            if !stays {
                take(*slot);
            }
            stays
        });
        self.index = Pages::new(self.index.len())?;
        self.fill_index();
        Ok(())
    }

    /// Returns about the middle one of the outputs' numbers.
    fn median(&self) -> Option<[u8; OUTPUT]> {
        let step = (self.arena.len() / 4096).max(1);
        let slots = self.arena.iter().step_by(step);
        let mut sample: Vec<_> = slots.map(|(_, slot)| slot.output()).collect();
        let middle = sample.len() / 2;
        (middle < sample.len()).then(|| *sample.select_nth_unstable(middle).1)
    }

    /// Iterates over the outputs.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.arena.iter().map(|(_, slot)| slot)
    }
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
            // More than there are names.
            let mut table = OutputTable::new(0, 40_000).unwrap();
            let mut model = BTreeMap::new();
            for (insert, number, value) in operations {
                if insert {
                    prop_assert_eq!(table.insert(slot(number, value)).unwrap(), model.insert(name(number), slot(number, value)));
                } else {
                    prop_assert_eq!(table.remove(&name(number), |slot| *slot), model.remove(&name(number)));
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
        let mut table = OutputTable::new(0, 1_000_000).unwrap();
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
        assert_eq!(count, 1_000_000 / 61, "an output takes 41 + 4 bytes and two places of 8");
        let mut taken = Vec::new();
        table.take_older_half(|slot| taken.push(slot)).unwrap();
        assert_eq!(taken.len() as u64 + table.len() as u64, count);
        assert!((7_000..9_500).contains(&taken.len()), "{}", taken.len());
        let youngest_taken = taken.iter().map(Slot::output).max();
        let oldest_left = table.iter().map(|slot| slot.output()).min();
        assert!(youngest_taken < oldest_left);
        for number in 1..=count {
            let slot = slot(number);
            assert_eq!(table.remove(&slot.name(), |_| ()).is_some(), !taken.contains(&slot));
        }
        assert_eq!(table.len(), 0);
    }
}
