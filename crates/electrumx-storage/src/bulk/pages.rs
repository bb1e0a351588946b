//! Zeroed memory that is read at random.

use electrumx_core::StoreError;
use memmap2::MmapMut;

/// Items of `LEN` bytes in pages of the system that are taken when they are first written to.
///
/// Large pages are asked for (measured: a third less time of the table of outputs).
#[derive(Debug)]
pub(super) struct Pages<const LEN: usize>(MmapMut);

impl<const LEN: usize> Pages<LEN> {
    pub(super) fn new(count: usize) -> Result<Self, StoreError> {
        let map = MmapMut::map_anon(count * LEN).map_err(|error| StoreError::Backend {
            action: "get memory for the table of outputs",
            source: Box::new(error),
        })?;
        // A wish; without it the table is only slower.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(map))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len() / LEN
    }

    pub(super) fn get(&self) -> &[[u8; LEN]] {
        self.0.as_chunks().0
    }

    pub(super) fn get_mut(&mut self) -> &mut [[u8; LEN]] {
        self.0.as_chunks_mut().0
    }

    /// Has an item fetched for later.
    pub(super) fn prefetch(&self, item: usize) {
        prefetch(&self.get()[item]);
    }
}

/// An item may lie across two cache lines.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the intrinsic takes pointers; see the SAFETY comment")]
fn prefetch<const LEN: usize>(item: &[u8; LEN]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for byte in [&item[0], &item[LEN - 1]] {
        // SAFETY: a prefetch is a hint: it reads nothing and cannot fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
}

/// Elsewhere the memory is merely looked at.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch<const LEN: usize>(item: &[u8; LEN]) {
    std::hint::black_box(item[0] ^ item[LEN - 1]);
}
