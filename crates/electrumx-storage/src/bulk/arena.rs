//! Where the outputs of a table lie.

use electrumx_core::StoreError;

use super::pages::Pages;
use super::slot::Slot;

/// Slots by number. One that was left is the first to be used again: it is still in a cache, and those in use
/// stay together.
#[derive(Debug)]
pub(super) struct Arena {
    slots: Pages<{ Slot::LEN }>,
    /// Slots that were ever in use: the first ones.
    used: usize,
    len: usize,
    /// Most slots.
    limit: usize,
    /// Slots that were left, the last at the end.
    free: Vec<u32>,
}

impl Arena {
    pub(super) fn new(limit: usize) -> Result<Self, StoreError> {
        let limit = limit.min(u32::MAX as usize);
        Ok(Self { slots: Pages::new(limit)?, used: 0, len: 0, limit, free: Vec::new() })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    pub(super) fn get(&self, number: u32) -> Slot {
        Slot(self.slots.get()[number as usize])
    }

    pub(super) fn prefetch(&self, number: u32) {
        self.slots.prefetch(number as usize);
    }

    /// Has the slot fetched that will be used after so many others.
    pub(super) fn prefetch_free(&self, ahead: usize) {
        let place = self.free.len().checked_sub(ahead + 1);
        if let Some(number) = place.and_then(|place| self.free.get(place)) {
            self.prefetch(*number);
        }
    }

    pub(super) fn replace(&mut self, number: u32, slot: Slot) -> Slot {
        Slot(std::mem::replace(&mut self.slots.get_mut()[number as usize], slot.0))
    }

    /// Puts an output in and returns its number. The arena must not be full.
    #[inline]
    pub(super) fn insert(&mut self, slot: Slot) -> u32 {
        self.len += 1;
        if let Some(number) = self.free.pop() {
            self.replace(number, slot);
            return number;
        }
        self.slots.get_mut()[self.used] = slot.0;
        self.used += 1;
        // The limit fits.
        u32::try_from(self.used - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.len -= 1;
        self.free.push(number);
        self.slots.get_mut()[number as usize] = Slot::EMPTY.0;
    }

    /// Removes those that `keep` does not want.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Slot) -> bool) {
        // Backwards, so that they are used again in ascending order.
        for number in (0..u32::try_from(self.used).unwrap_or(u32::MAX)).rev() {
            let slot = self.get(number);
            if !slot.is_empty() && !keep(&slot) {
                self.remove(number);
            }
        }
    }

    /// Iterates over the outputs and their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Slot)> {
        let slots = self.slots.get()[..self.used].iter().copied().map(Slot);
        (0..).zip(slots).filter(|(_, slot)| !slot.is_empty())
    }
}
