//! SHA-256 of short messages of known length.
//!
//! The hasher of the `sha2` crate gathers what it is fed in a buffer, which costs a third of the time of a
//! short message (measured: 61 instead of 43 ns a script, 210 instead of 150 ns a node of a merkle tree). Scripts and
//! merkle nodes are hashed by the billion.

use sha2::digest::generic_array::GenericArray;
use sha2::{Digest as _, Sha256, compress256};

/// The state before the first block (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Most bytes whose padding still fits into the same block.
const ONE_BLOCK: usize = 55;

/// The second block of a message of 64 bytes: padding alone.
const PADDING_OF_64: [u8; 64] = {
    let mut block = [0; 64];
    block[0] = 0x80;
    block[62] = 2; // 512 bits
    block
};

/// Hashes a message that is mostly short.
pub(crate) fn of_short(message: &[u8]) -> [u8; 32] {
    let len = message.len();
    if len > ONE_BLOCK {
        return Sha256::digest(message).into();
    }
    let mut block = [0; 64];
    block[..len].copy_from_slice(message);
    block[len] = 0x80;
    // At most 440 bits.
    let [high, low] = u16::try_from(len * 8).unwrap_or(0).to_be_bytes();
    (block[62], block[63]) = (high, low);
    let mut state = INITIAL;
    compress256(&mut state, &[GenericArray::from(block)]);
    bytes(&state)
}

/// Hashes two halves of 32 bytes.
pub(crate) fn of_two(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(left);
    block[32..].copy_from_slice(right);
    let mut state = INITIAL;
    compress256(&mut state, &[GenericArray::from(block), GenericArray::from(PADDING_OF_64)]);
    bytes(&state)
}

fn bytes(state: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_equal_the_hashers() {
        let message: Vec<u8> = (0..200).collect();
        for len in 0..message.len() {
            let wanted: [u8; 32] = Sha256::digest(&message[..len]).into();
            assert_eq!(of_short(&message[..len]), wanted, "{len} bytes");
        }
        let (left, right) = ([7; 32], [9; 32]);
        let wanted: [u8; 32] = Sha256::digest([left, right].concat()).into();
        assert_eq!(of_two(&left, &right), wanted);
    }
}
