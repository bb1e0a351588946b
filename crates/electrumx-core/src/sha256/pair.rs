//! SHA-256 of two messages at once, with the SHA extensions of x86-64.
//!
//! A round has to wait for the one before, which leaves the unit for rounds idle half of the time: two messages side by side take
//! hardly longer than one (measured: 22 instead of 45 to 60 ns a block on a Zen 3).

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_cvtsi128_si64, _mm_extract_epi64, _mm_set_epi32,
    _mm_set_epi64x, _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32,
    _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_unpackhi_epi64,
    _mm_unpacklo_epi64,
};

use super::INITIAL;

/// The constants of the rounds (FIPS 180-4, 4.2.2).
const ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Tells whether this processor can.
pub(super) fn is_supported() -> bool {
    std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("ssse3")
        && std::arch::is_x86_feature_detected!("sse4.1")
}

/// Hashes the messages that lie one after the other in `blocks`, padded, and end where `ends` says; the hashes are hashed once more if
/// `twice`. `None` if this processor cannot.
pub(super) fn hash_all(
    blocks: &[[u8; 64]],
    ends: &[usize],
    twice: bool,
    hashes: &mut [[u8; 32]],
) -> Option<()> {
    if !is_supported() {
        return None;
    }
    #[expect(unsafe_code, reason = "see the SAFETY comment")]
    // SAFETY: the processor has what the function is compiled for.
    unsafe {
        hash_all_supported(blocks, ends, twice, hashes);
    }
    Some(())
}

/// Hashes the hashes of two messages of 64 bytes; `None` if this processor cannot.
pub(super) fn twice_of_64(messages: [&[u8; 64]; 2]) -> Option<[[u8; 32]; 2]> {
    if !is_supported() {
        return None;
    }
    #[expect(unsafe_code, reason = "see the SAFETY comment")]
    // SAFETY: the processor has what the function is compiled for.
    let hashes = unsafe { twice_of_64_supported(messages) };
    Some(hashes)
}

/// A, B, E, F and C, D, G, H, the last ones in the lowest lanes: as the instructions want them.
type State = [__m128i; 2];

/// The sixteen words of a block.
type Words = [__m128i; 4];

/// One of the two messages under way.
struct Lane<'b> {
    /// Which message it is.
    message: usize,
    state: State,
    /// Blocks that are left.
    blocks: &'b [[u8; 64]],
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn hash_all_supported(blocks: &[[u8; 64]], ends: &[usize], twice: bool, hashes: &mut [[u8; 32]]) {
    let mut start = 0;
    let mut messages = ends.iter().enumerate().map(|(message, end)| {
        let blocks = &blocks[start..*end];
        start = *end;
        Lane { message, state: initial(), blocks }
    });
    let (mut one, mut other) = (messages.next(), messages.next());
    while let (Some(one_lane), Some(other_lane)) = (&mut one, &mut other) {
        let steps = one_lane.blocks.len().min(other_lane.blocks.len());
        let mut states = [one_lane.state, other_lane.state];
        for (block, other) in one_lane.blocks[..steps].iter().zip(&other_lane.blocks[..steps]) {
            compress(&mut states, [load(block), load(other)]);
        }
        for (lane, state) in [&mut one, &mut other].into_iter().zip(states) {
            if let Some(Lane { message, blocks, .. }) = lane {
                if blocks.len() == steps {
                    hashes[*message] = bytes(state);
                    *lane = messages.next();
                } else {
                    *lane = Some(Lane { message: *message, state, blocks: &blocks[steps..] });
                }
            }
        }
    }
    if let Some(Lane { message, state, blocks }) = one.or(other) {
        let mut states = [state; 2];
        for block in blocks {
            // The other place does the same work over again.
            compress(&mut states, [load(block); 2]);
        }
        hashes[message] = bytes(states[0]);
    }
    if twice {
        for two in hashes.chunks_mut(2) {
            let last = two.len() - 1;
            let mut states = [initial(); 2];
            compress(&mut states, [of_hash(&two[0]), of_hash(&two[last])]);
            two[0] = bytes(states[0]);
            two[last] = bytes(states[last]);
        }
    }
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn twice_of_64_supported(messages: [&[u8; 64]; 2]) -> [[u8; 32]; 2] {
    let mut states = [initial(); 2];
    compress(&mut states, messages.map(|message| load(message)));
    // The second block of a message of 64 bytes is padding alone.
    let zero = _mm_setzero_si128();
    let padding = [_mm_set_epi32(0, 0, 0, i32::MIN), zero, zero, _mm_set_epi32(512, 0, 0, 0)];
    compress(&mut states, [padding; 2]);
    let words = states.map(|state| padded(in_order(state)));
    let mut states = [initial(); 2];
    compress(&mut states, words);
    states.map(|state| bytes(state))
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn compress(states: &mut [State; 2], mut words: [Words; 2]) {
    let [mut one, mut other] = *states;
    for (index, constants) in ROUNDS.iter().enumerate() {
        let constants = vector(*constants);
        let [next_of_one, next_of_other] = &mut words;
        rounds(&mut one, _mm_add_epi32(next_words(next_of_one, index), constants));
        rounds(&mut other, _mm_add_epi32(next_words(next_of_other, index), constants));
    }
    for (state, rounds) in states.iter_mut().zip([one, other]) {
        *state = [_mm_add_epi32(state[0], rounds[0]), _mm_add_epi32(state[1], rounds[1])];
    }
}

/// Returns the four words for the next rounds; from the fifth time on they are made of the sixteen before.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn next_words(words: &mut Words, index: usize) -> __m128i {
    if index < 4 {
        return words[index];
    }
    let [a, b, c, d] = *words;
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4));
    let next = _mm_sha256msg2_epu32(sum, d);
    *words = [b, c, d, next];
    next
}

/// Four rounds.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn rounds(state: &mut State, words: __m128i) {
    let [abef, cdgh] = *state;
    let cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
    *state = [_mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0b1110)), cdgh];
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn initial() -> State {
    let [a, b, c, d, e, f, g, h] = INITIAL;
    [vector([f, e, b, a]), vector([h, g, d, c])]
}

/// Reads big-endian words.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn load<const LEN: usize, const VECTORS: usize>(block: &[u8; LEN]) -> [__m128i; VECTORS] {
    let (halves, _) = block.as_chunks();
    std::array::from_fn(|index| {
        let [low, high] = [halves[2 * index], halves[2 * index + 1]].map(i64::from_le_bytes);
        swap(_mm_set_epi64x(high, low))
    })
}

/// Returns the block of a message that is a hash.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn of_hash(hash: &[u8; 32]) -> Words {
    padded(load(hash))
}

/// Returns the block of a message of eight words.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn padded([one, two]: [__m128i; 2]) -> Words {
    [one, two, _mm_set_epi32(0, 0, 0, i32::MIN), _mm_set_epi32(256, 0, 0, 0)]
}

/// Returns A, B, C, D and E, F, G, H, the first ones in the lowest lanes.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn in_order([abef, cdgh]: State) -> [__m128i; 2] {
    let pairs = [_mm_unpackhi_epi64(abef, cdgh), _mm_unpacklo_epi64(abef, cdgh)];
    pairs.map(|pair| _mm_shuffle_epi32(pair, 0b1011_0001))
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn bytes(hash: State) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (half, words) in bytes.chunks_exact_mut(16).zip(in_order(hash)) {
        let words = swap(words);
        half[..8].copy_from_slice(&_mm_cvtsi128_si64(words).to_le_bytes());
        half[8..].copy_from_slice(&_mm_extract_epi64(words, 1).to_le_bytes());
    }
    bytes
}

/// Turns the bytes of each word around.
#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn swap(words: __m128i) -> __m128i {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(words, order)
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[inline]
fn vector(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_set_epi32(d, c, b, a)
}
