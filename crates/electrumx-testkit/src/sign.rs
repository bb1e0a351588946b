//! Signing an input, whatever it spends.

use anyhow::{Context, Result, bail};
use bitcoin::hashes::Hash;
use bitcoin::key::{TapTweak, TweakedKeypair};
use bitcoin::opcodes::all::{OP_PUSHBYTES_0, OP_PUSHNUM_1};
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::taproot::LeafVersion;
use bitcoin::{
    EcdsaSighashType, Script, ScriptBuf, TapLeafHash, TapSighashType, Transaction, TxOut, Witness,
};

use crate::scripts::{KeySet, ScriptKind};

/// What makes the input `index` of `tx` valid, given the outputs that all inputs spend.
pub(crate) fn unlock(
    tx: &Transaction,
    index: usize,
    spent: &[TxOut],
    keys: &KeySet,
) -> Result<(ScriptBuf, Witness)> {
    let input = Input { tx, index, spent, keys };
    let nothing = Witness::new();
    let one_key_hash = || keys.public(0).to_bytes();
    Ok(match keys.kind {
        ScriptKind::P2pk | ScriptKind::P2pkUncompressed => {
            let sig = input.legacy(&keys.script(), 0)?;
            (pushes(&[&sig])?.into_script(), nothing)
        }
        ScriptKind::P2pkh => {
            let sig = input.legacy(&keys.script(), 0)?;
            (pushes(&[&sig, &one_key_hash()])?.into_script(), nothing)
        }
        ScriptKind::Multisig => {
            let sig = input.legacy(&keys.script(), 0)?;
            (pushes(&[&[], &sig])?.into_script(), nothing)
        }
        ScriptKind::P2sh => {
            let redeem = keys.two_of_three();
            let sigs = [input.legacy(&redeem, 0)?, input.legacy(&redeem, 1)?];
            (pushes(&[&[], &sigs[0], &sigs[1], redeem.as_bytes()])?.into_script(), nothing)
        }
        ScriptKind::P2wpkh => (ScriptBuf::new(), input.witness_key()?),
        ScriptKind::P2shP2wpkh => {
            (pushes(&[keys.redeem_p2wpkh().as_bytes()])?.into_script(), input.witness_key()?)
        }
        ScriptKind::P2wsh => (ScriptBuf::new(), input.witness_script()?),
        ScriptKind::P2shP2wsh => {
            let redeem = keys.two_of_three().to_p2wsh();
            (pushes(&[redeem.as_bytes()])?.into_script(), input.witness_script()?)
        }
        ScriptKind::P2tr => (ScriptBuf::new(), input.taproot_key()?),
        ScriptKind::P2trScript => (ScriptBuf::new(), input.taproot_script()?),
        ScriptKind::OpTrue | ScriptKind::Tagged | ScriptKind::Anchor => (ScriptBuf::new(), nothing),
        ScriptKind::Empty => (Builder::new().push_opcode(OP_PUSHNUM_1).into_script(), nothing),
        ScriptKind::OpReturn => bail!("nobody can spend an OP_RETURN output"),
    })
}

struct Input<'a> {
    tx: &'a Transaction,
    index: usize,
    spent: &'a [TxOut],
    keys: &'a KeySet,
}

impl Input<'_> {
    fn ecdsa(&self, hash: [u8; 32], key: usize) -> Vec<u8> {
        let secret = &self.keys.secrets[key];
        let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash), secret);
        bitcoin::ecdsa::Signature::sighash_all(signature).to_vec()
    }

    fn legacy(&self, code: &Script, key: usize) -> Result<Vec<u8>> {
        let all = EcdsaSighashType::All.to_u32();
        let hash = SighashCache::new(self.tx).legacy_signature_hash(self.index, code, all)?;
        Ok(self.ecdsa(hash.to_byte_array(), key))
    }

    fn witness_key(&self) -> Result<Witness> {
        let hash = SighashCache::new(self.tx).p2wpkh_signature_hash(
            self.index,
            &self.keys.redeem_p2wpkh(),
            self.spent[self.index].value,
            EcdsaSighashType::All,
        )?;
        let sig = self.ecdsa(hash.to_byte_array(), 0);
        Ok(Witness::from_slice(&[sig, self.keys.public(0).to_bytes()]))
    }

    fn witness_script(&self) -> Result<Witness> {
        let script = self.keys.two_of_three();
        let hash = SighashCache::new(self.tx).p2wsh_signature_hash(
            self.index,
            &script,
            self.spent[self.index].value,
            EcdsaSighashType::All,
        )?;
        let sigs = [0, 1].map(|key| self.ecdsa(hash.to_byte_array(), key));
        Ok(Witness::from_slice(&[&[], &sigs[0][..], &sigs[1], script.as_bytes()]))
    }

    fn taproot_key(&self) -> Result<Witness> {
        let hash = SighashCache::new(self.tx).taproot_key_spend_signature_hash(
            self.index,
            &Prevouts::All(self.spent),
            TapSighashType::Default,
        )?;
        let secp = Secp256k1::new();
        let root = self.keys.taproot().merkle_root();
        let pair: TweakedKeypair = self.keys.keypair().tap_tweak(&secp, root);
        let message = Message::from_digest(hash.to_byte_array());
        let signature = secp.sign_schnorr_no_aux_rand(&message, &pair.to_keypair());
        Ok(Witness::from_slice(&[signature.as_ref()]))
    }

    fn taproot_script(&self) -> Result<Witness> {
        let leaf = self.keys.leaf();
        let hash = SighashCache::new(self.tx).taproot_script_spend_signature_hash(
            self.index,
            &Prevouts::All(self.spent),
            TapLeafHash::from_script(&leaf, LeafVersion::TapScript),
            TapSighashType::Default,
        )?;
        let message = Message::from_digest(hash.to_byte_array());
        let signature = Secp256k1::new().sign_schnorr_no_aux_rand(&message, &self.keys.keypair());
        let info = self.keys.taproot();
        let control = info.control_block(&(leaf.clone(), LeafVersion::TapScript));
        let control = control.context("the leaf is in the tree")?.serialize();
        Ok(Witness::from_slice(&[&signature.as_ref()[..], leaf.as_bytes(), &control]))
    }
}

fn pushes(items: &[&[u8]]) -> Result<Builder> {
    let mut builder = Builder::new();
    for item in items {
        builder = if item.is_empty() {
            builder.push_opcode(OP_PUSHBYTES_0)
        } else {
            builder.push_slice(PushBytesBuf::try_from(item.to_vec())?)
        };
    }
    Ok(builder)
}
