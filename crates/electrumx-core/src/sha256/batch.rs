//! Many messages that are hashed together.

use sha2::compress256;
use sha2::digest::generic_array::GenericArray;

use super::{INITIAL, bytes, of_short};

/// Gathers messages, short ones as a rule, and hashes them two at a time where the processor is faster so (x86-64
/// with SHA extensions).
#[derive(Default, Debug)]
pub struct Batch {
    /// The messages' blocks, one after the other, padded.
    blocks: Vec<[u8; 64]>,
    /// Where the blocks of each end.
    ends: Vec<usize>,
}

impl Batch {
    /// Adds a message, in pieces that follow each other.
    #[inline]
    pub fn push<const N: usize>(&mut self, pieces: [&[u8]; N]) {
        let len = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let start = self.blocks.len();
        let end = start + (len + 9).div_ceil(64);
        self.blocks.resize(end, [0; 64]);
        let room = self.blocks[start..].as_flattened_mut();
        let mut at = 0;
        for piece in pieces {
            room[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        room[at] = 0x80;
        if let Some(bits) = room.last_chunk_mut() {
            *bits = (len as u64 * 8).to_be_bytes();
        }
        self.ends.push(end);
    }

    /// Returns how many bytes the messages take here.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.blocks.len() * 64
    }

    /// Appends the hashes of all messages in the order they came in, and forgets the messages.
    pub fn finish(&mut self, hashes: &mut Vec<[u8; 32]>) {
        self.hash(false, hashes);
    }

    /// Does the same with the hashes of the hashes.
    pub fn finish_twice(&mut self, hashes: &mut Vec<[u8; 32]>) {
        self.hash(true, hashes);
    }

    fn hash(&mut self, twice: bool, hashes: &mut Vec<[u8; 32]>) {
        let before = hashes.len();
        hashes.resize(before + self.ends.len(), [0; 32]);
        hash_all(&self.blocks, &self.ends, twice, &mut hashes[before..]);
        self.clear();
    }

    /// Forgets the messages.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.ends.clear();
    }
}

fn hash_all(blocks: &[[u8; 64]], ends: &[usize], twice: bool, hashes: &mut [[u8; 32]]) {
    #[cfg(target_arch = "x86_64")]
    if super::pair::hash_all(blocks, ends, twice, hashes).is_some() {
        return;
    }
    one_by_one(blocks, ends, twice, hashes);
}

/// Does the same on any processor.
fn one_by_one(blocks: &[[u8; 64]], ends: &[usize], twice: bool, hashes: &mut [[u8; 32]]) {
    let mut start = 0;
    for (end, hash) in ends.iter().zip(hashes) {
        let mut state = INITIAL;
        for block in &blocks[start..*end] {
            compress256(&mut state, std::slice::from_ref(GenericArray::from_slice(block)));
        }
        start = *end;
        *hash = bytes(&state);
        if twice {
            *hash = of_short(hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn wanted(message: &[u8], twice: bool) -> [u8; 32] {
        let once = Sha256::digest(message);
        if twice { Sha256::digest(once).into() } else { once.into() }
    }

    proptest! {
        #[test]
        fn hashes_are_those_of_the_messages_in_their_order(
            messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<u8>()), 0..40),
        ) {
            let mut batch = Batch::default();
            for twice in [false, true] {
                for (message, cut) in &messages {
                    let (head, tail) = message.split_at(usize::from(*cut).min(message.len()));
                    batch.push([head, &[], tail]);
                }
                let wanted: Vec<_> = messages.iter().map(|(message, _)| wanted(message, twice)).collect();
                let mut same = vec![[0; 32]; messages.len()];
                one_by_one(&batch.blocks, &batch.ends, twice, &mut same);
                prop_assert_eq!(&same, &wanted);
                // What is there stays.
                let mut hashes = vec![[7; 32]];
                if twice { batch.finish_twice(&mut hashes) } else { batch.finish(&mut hashes) }
                prop_assert_eq!(hashes, [vec![[7; 32]], wanted].concat());
            }
        }
    }

    #[test]
    fn every_length_is_padded_right() {
        let mut batch = Batch::default();
        let message: Vec<u8> = (0..=255).cycle().take(1100).collect();
        for twice in [false, true] {
            for len in 0..message.len() {
                batch.push([&message[..len / 3], &message[len / 3..len]]);
            }
            let mut hashes = Vec::new();
            if twice {
                batch.finish_twice(&mut hashes);
            } else {
                batch.finish(&mut hashes);
            }
            for (len, hash) in hashes.iter().enumerate() {
                assert_eq!(*hash, wanted(&message[..len], twice), "{len} bytes");
            }
        }
    }
}
