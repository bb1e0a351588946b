//! Output scripts of every type, with the keys to spend them.

use bitcoin::hashes::{Hash, sha256};
use bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKSIG, OP_DROP, OP_PUSHNUM_1, OP_PUSHNUM_2, OP_PUSHNUM_3, OP_RETURN,
};
use bitcoin::script::Builder;
use bitcoin::secp256k1::{Keypair, Secp256k1, SecretKey};
use bitcoin::taproot::{TaprootBuilder, TaprootSpendInfo};
use bitcoin::{PublicKey, ScriptBuf, XOnlyPublicKey};

/// A type of output script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScriptKind {
    /// Public key, compressed.
    P2pk,
    /// Public key of 65 bytes, as in the oldest blocks.
    P2pkUncompressed,
    /// Hash of a public key.
    P2pkh,
    /// Hash of a script: two of three keys.
    P2sh,
    /// Witness key hash inside a script hash.
    P2shP2wpkh,
    /// Witness script hash (two of three keys) inside a script hash.
    P2shP2wsh,
    /// Witness key hash.
    P2wpkh,
    /// Witness script hash: two of three keys.
    P2wsh,
    /// Taproot, spent with the key.
    P2tr,
    /// Taproot, spent with a script.
    P2trScript,
    /// One of two keys, in the open.
    Multisig,
    /// Anyone can spend it; the same script always.
    OpTrue,
    /// Anyone can spend it; a script of its own each.
    Tagged,
    /// Pay to anchor: anyone can spend it; the same script always.
    Anchor,
    /// No script at all: anyone can spend it.
    Empty,
    /// Nobody can spend it, and servers do not index it.
    OpReturn,
}

impl ScriptKind {
    /// All that can be spent.
    pub const SPENDABLE: [Self; 15] = [
        Self::P2pk,
        Self::P2pkUncompressed,
        Self::P2pkh,
        Self::P2sh,
        Self::P2shP2wpkh,
        Self::P2shP2wsh,
        Self::P2wpkh,
        Self::P2wsh,
        Self::P2tr,
        Self::P2trScript,
        Self::Multisig,
        Self::OpTrue,
        Self::Tagged,
        Self::Anchor,
        Self::Empty,
    ];

    /// Those of [`Self::SPENDABLE`] that any node takes into its mempool. Knots refuses to relay outputs with
    /// scripts of more than 34 bytes, whatever its settings; they are valid in blocks, and spending them is
    /// allowed: see [`crate::Coins::build`] with [`crate::Content::Raw`].
    pub const POOLED: [Self; 12] = [
        Self::P2pkh,
        Self::P2sh,
        Self::P2shP2wpkh,
        Self::P2shP2wsh,
        Self::P2wpkh,
        Self::P2wsh,
        Self::P2tr,
        Self::P2trScript,
        Self::OpTrue,
        Self::Tagged,
        Self::Anchor,
        Self::Empty,
    ];

    /// Those of [`Self::SPENDABLE`] that are not in [`Self::POOLED`].
    pub const BARE: [Self; 3] = [Self::P2pk, Self::P2pkUncompressed, Self::Multisig];
}

/// The keys of one script, from a seed; the same seed gives the same keys.
#[derive(Debug, Clone)]
pub(crate) struct KeySet {
    pub(crate) kind: ScriptKind,
    tag: [u8; 8],
    pub(crate) secrets: [SecretKey; 3],
}

impl KeySet {
    pub(crate) fn new(seed: u64, kind: ScriptKind, index: u32) -> Self {
        let hash = |n: u8| {
            let text = format!("electrumx-testkit {seed} {kind:?} {index} {n}");
            sha256::Hash::hash(text.as_bytes()).to_byte_array()
        };
        let secret =
            |n| SecretKey::from_slice(&hash(n)).expect("a hash out of range is beyond all odds");
        let mut tag = [0; 8];
        tag.copy_from_slice(&hash(9)[..8]);
        Self { kind, tag, secrets: [secret(0), secret(1), secret(2)] }
    }

    pub(crate) fn public(&self, n: usize) -> PublicKey {
        let key = self.secrets[n].public_key(&Secp256k1::new());
        match self.kind {
            ScriptKind::P2pkUncompressed => PublicKey::new_uncompressed(key),
            _ => PublicKey::new(key),
        }
    }

    pub(crate) fn keypair(&self) -> Keypair {
        self.secrets[0].keypair(&Secp256k1::new())
    }

    fn x_only(&self) -> XOnlyPublicKey {
        self.keypair().x_only_public_key().0
    }

    pub(crate) fn two_of_three(&self) -> ScriptBuf {
        Builder::new()
            .push_opcode(OP_PUSHNUM_2)
            .push_key(&self.public(0))
            .push_key(&self.public(1))
            .push_key(&self.public(2))
            .push_opcode(OP_PUSHNUM_3)
            .push_opcode(OP_CHECKMULTISIG)
            .into_script()
    }

    /// The witness program inside a script hash.
    pub(crate) fn redeem_p2wpkh(&self) -> ScriptBuf {
        let hash = self.public(0).wpubkey_hash().expect("the key is compressed");
        ScriptBuf::new_p2wpkh(&hash)
    }

    /// The script in the taproot tree.
    pub(crate) fn leaf(&self) -> ScriptBuf {
        Builder::new().push_x_only_key(&self.x_only()).push_opcode(OP_CHECKSIG).into_script()
    }

    pub(crate) fn taproot(&self) -> TaprootSpendInfo {
        let mut builder = TaprootBuilder::new();
        if self.kind == ScriptKind::P2trScript {
            builder = builder.add_leaf(0, self.leaf()).expect("one leaf fits");
        }
        builder.finalize(&Secp256k1::new(), self.x_only()).expect("the tree is complete")
    }

    pub(crate) fn script(&self) -> ScriptBuf {
        match self.kind {
            ScriptKind::P2pk | ScriptKind::P2pkUncompressed => ScriptBuf::new_p2pk(&self.public(0)),
            ScriptKind::P2pkh => ScriptBuf::new_p2pkh(&self.public(0).pubkey_hash()),
            ScriptKind::P2sh => self.two_of_three().to_p2sh(),
            ScriptKind::P2shP2wpkh => self.redeem_p2wpkh().to_p2sh(),
            ScriptKind::P2shP2wsh => self.two_of_three().to_p2wsh().to_p2sh(),
            ScriptKind::P2wpkh => self.redeem_p2wpkh(),
            ScriptKind::P2wsh => self.two_of_three().to_p2wsh(),
            ScriptKind::P2tr | ScriptKind::P2trScript => {
                ScriptBuf::new_p2tr_tweaked(self.taproot().output_key())
            }
            ScriptKind::Multisig => Builder::new()
                .push_opcode(OP_PUSHNUM_1)
                .push_key(&self.public(0))
                .push_key(&self.public(1))
                .push_opcode(OP_PUSHNUM_2)
                .push_opcode(OP_CHECKMULTISIG)
                .into_script(),
            ScriptKind::OpTrue => Builder::new().push_opcode(OP_PUSHNUM_1).into_script(),
            ScriptKind::Tagged => Builder::new()
                .push_slice(self.tag)
                .push_opcode(OP_DROP)
                .push_opcode(OP_PUSHNUM_1)
                .into_script(),
            ScriptKind::Anchor => ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73]),
            ScriptKind::Empty => ScriptBuf::new(),
            ScriptKind::OpReturn => {
                Builder::new().push_opcode(OP_RETURN).push_slice(self.tag).into_script()
            }
        }
    }
}
