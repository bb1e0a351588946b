//! Scripts in the shapes and sizes of main network's that anybody may spend.
//!
//! | looks like | is | why it can be spent |
//! |---|---|---|
//! | P2WPKH, P2TR | a witness program of version 2, 20 or 32 bytes | consensus leaves unknown versions alone |
//! | P2PKH | a push of 22 bytes, `OP_DROP`, `OP_TRUE`: 25 bytes as well | more may be left on the stack |
//! | P2SH of P2WPKH | real, of a witness program of version 2 | as above |
//! | P2SH of 2-of-3 multisig | real, of a long push, `OP_DROP`, `OP_TRUE` | as above |
//! | P2WSH of 2-of-3 multisig | real, of drops, a long push, `OP_DROP`, `OP_TRUE` | leaves exactly "true" |
//!
//! Spends carry random bytes where main network's have signatures and keys, of the same length. No script has
//! a signature operation.

use bitcoin::hashes::{Hash as _, hash160, sha256};

const OP_PUSHDATA1: u8 = 0x4c;
const OP_TRUE: u8 = 0x51;
const OP_2: u8 = 0x52;
const OP_2DROP: u8 = 0x6d;
const OP_DROP: u8 = 0x75;
const OP_EQUAL: u8 = 0x87;
const OP_HASH160: u8 = 0xa9;

/// Length of a compressed public key.
const KEY_LEN: usize = 33;
/// Length of a signature, its type included: ECDSA (most of them) and Schnorr.
const ECDSA_LEN: usize = 72;
const SCHNORR_LEN: usize = 64;
/// Length of what stands for a 2-of-3 multisig script.
const MULTISIG_LEN: u8 = 105;

/// What a script looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Wpkh,
    Tr,
    Pkh,
    ShWpkh,
    ShMultisig,
    Wsh,
}

/// A script of the chain, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Script(u64);

impl Script {
    pub(super) const fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// About what main network's blocks of the last years hold.
    const fn kind(self) -> Kind {
        match mix(self.0) % 100 {
            0..40 => Kind::Wpkh,
            40..74 => Kind::Tr,
            74..87 => Kind::Pkh,
            87..95 => Kind::ShWpkh,
            95..97 => Kind::ShMultisig,
            _ => Kind::Wsh,
        }
    }

    /// Appends the scriptPubKey, without its length.
    pub(super) fn write_script_pubkey(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Wpkh => self.write_program(20, out),
            Kind::Tr => self.write_program(32, out),
            Kind::Pkh => {
                out.push(22);
                self.write_bytes(22, out);
                out.extend([OP_DROP, OP_TRUE]);
            }
            Kind::ShWpkh | Kind::ShMultisig => {
                let mut redeem = Vec::with_capacity(MULTISIG_LEN.into());
                self.write_inner(&mut redeem);
                out.extend([OP_HASH160, 20]);
                out.extend(hash160::Hash::hash(&redeem).to_byte_array());
                out.push(OP_EQUAL);
            }
            Kind::Wsh => {
                let mut inner = Vec::with_capacity(MULTISIG_LEN.into());
                self.write_inner(&mut inner);
                out.extend([0, 32]);
                out.extend(sha256::Hash::hash(&inner).to_byte_array());
            }
        }
    }

    /// Appends what spends the script: the scriptSig with its length, and the witness with its count.
    /// Returns whether there is a witness.
    pub(super) fn write_spend(
        self,
        rng: &mut fastrand::Rng,
        script_sig: &mut Vec<u8>,
        witness: &mut Vec<u8>,
    ) -> bool {
        match self.kind() {
            Kind::Wpkh => {
                script_sig.push(0);
                write_signature_and_key(rng, 2, witness);
            }
            Kind::Tr => {
                script_sig.push(0);
                witness.push(1);
                write_push(rng, SCHNORR_LEN, witness);
            }
            Kind::Pkh => {
                // The pushes' own lengths are the two further bytes.
                write_signature_and_key(rng, ECDSA_LEN + KEY_LEN + 2, script_sig);
                witness.push(0);
            }
            Kind::ShWpkh => {
                // The scriptSig is one push of the witness program.
                script_sig.extend([23, 22]);
                self.write_inner(script_sig);
                write_signature_and_key(rng, 2, witness);
            }
            Kind::ShMultisig => {
                // OP_0, two signatures, a push of the script: 254 bytes, a length of three bytes.
                script_sig.extend([0xfd, 254, 0, 0]);
                write_push(rng, ECDSA_LEN, script_sig);
                write_push(rng, ECDSA_LEN, script_sig);
                script_sig.extend([OP_PUSHDATA1, MULTISIG_LEN]);
                self.write_inner(script_sig);
                witness.push(0);
            }
            Kind::Wsh => {
                script_sig.push(0);
                witness.extend([4, 0]);
                write_push(rng, ECDSA_LEN, witness);
                write_push(rng, ECDSA_LEN, witness);
                witness.push(MULTISIG_LEN);
                self.write_inner(witness);
            }
        }
        !matches!(self.kind(), Kind::Pkh | Kind::ShMultisig)
    }

    /// Appends the script that a P2SH or P2WSH output is the hash of.
    fn write_inner(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Wsh => {
                // Segwit wants a clean stack: both signatures and the empty element go.
                out.extend([OP_2DROP, OP_DROP]);
                self.write_dropped(MULTISIG_LEN - 2, out);
            }
            Kind::ShMultisig => self.write_dropped(MULTISIG_LEN, out),
            Kind::Wpkh | Kind::Tr | Kind::Pkh | Kind::ShWpkh => self.write_program(20, out),
        }
    }

    /// Appends `len` bytes of script that push, drop, and push "true".
    fn write_dropped(self, len: u8, out: &mut Vec<u8>) {
        let pushed = len - 4;
        out.extend([OP_PUSHDATA1, pushed]);
        self.write_bytes(pushed.into(), out);
        out.extend([OP_DROP, OP_TRUE]);
    }

    fn write_program(self, len: u8, out: &mut Vec<u8>) {
        out.extend([OP_2, len]);
        self.write_bytes(len.into(), out);
    }

    /// Appends bytes that belong to the script alone.
    fn write_bytes(self, len: usize, out: &mut Vec<u8>) {
        let end = out.len() + len;
        let mut word = self.0;
        while out.len() < end {
            word = mix(word);
            let bytes = word.to_le_bytes();
            out.extend_from_slice(&bytes[..bytes.len().min(end - out.len())]);
        }
    }
}

/// Appends `first`, then a signature and a key, each with its length.
fn write_signature_and_key(rng: &mut fastrand::Rng, first: usize, out: &mut Vec<u8>) {
    out.push(first.to_le_bytes()[0]);
    write_push(rng, ECDSA_LEN, out);
    write_push(rng, KEY_LEN, out);
}

/// Appends `len`, below 76, and as many random bytes.
fn write_push(rng: &mut fastrand::Rng, len: usize, out: &mut Vec<u8>) {
    out.push(len.to_le_bytes()[0]);
    let start = out.len();
    out.resize(start + len, 0);
    rng.fill(&mut out[start..]);
}

/// The finaliser of splitmix64 after one step: a bijection that looks random.
const fn mix(number: u64) -> u64 {
    let word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
