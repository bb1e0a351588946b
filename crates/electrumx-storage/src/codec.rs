//! Bytes of keys and values.
//!
//! Keys keep the order of what they encode. Decoders return `None` for bytes that no encoder wrote,
//! and never panic.

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::{BlockId, HashX, OutputNum, OutputRow, TxNum};

#[cfg(test)]
mod tests;

/// A key on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Key {
    /// The longest key: `HashX`, `TxNum` and five bytes of `vout`.
    const MAX: usize = HashX::LEN + TxNum::LEN + 5;

    const fn new() -> Self {
        Self { bytes: [0; Self::MAX], len: 0 }
    }

    fn with(mut self, part: &[u8]) -> Self {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
        self
    }

    /// Appends a `vout`: one byte up to 252, else a length mark and 2, 3 or 4 big-endian bytes.
    ///
    /// The shortest form only, so that byte order is number order.
    fn with_vout(self, vout: u32) -> Self {
        let [a, b, c, d] = vout.to_be_bytes();
        match vout {
            0..=0xfc => self.with(&[d]),
            0xfd..=0xffff => self.with(&[0xfd, c, d]),
            0x1_0000..=0xff_ffff => self.with(&[0xfe, b, c, d]),
            0x100_0000.. => self.with(&[0xff, a, b, c, d]),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Key of a height, or of a row in a table of fixed-width rows.
pub(crate) fn u32_key(number: u32) -> Key {
    Key::new().with(&number.to_be_bytes())
}

/// Key of a part of a block: height, then part.
pub(crate) fn part_key(height: u32, part: u32) -> Key {
    u32_key(height).with(&part.to_be_bytes())
}

/// Key of a transaction.
pub(crate) fn tx_key(tx_num: u64) -> Key {
    Key::new().with(&TxNum(tx_num).to_be_bytes())
}

/// Key of an output.
pub(crate) fn output_key(output: OutputNum) -> Key {
    tx_key(output.tx_num.0).with_vout(output.vout)
}

/// Key of an output in its script's list.
pub(crate) fn script_key(hashx: &HashX, output: OutputNum) -> Key {
    let key = Key::new().with(hashx.as_bytes()).with(&output.tx_num.to_be_bytes());
    key.with_vout(output.vout)
}

/// Key of a transaction in the txid index.
pub(crate) fn txid_key(prefix: &[u8], tx_num: u64) -> Key {
    Key::new().with(prefix).with(&TxNum(tx_num).to_be_bytes())
}

/// Splits fixed-width bytes off the front.
pub(crate) fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(head)
}

/// Appends a block: height, then hash.
pub(crate) fn push_block_id(out: &mut Vec<u8>, block: BlockId) {
    out.extend_from_slice(&block.height.to_be_bytes());
    out.extend_from_slice(block.hash.as_byte_array());
}

/// Splits a block off the front.
pub(crate) fn take_block_id(bytes: &mut &[u8]) -> Option<BlockId> {
    let height = u32::from_be_bytes(*take(bytes)?);
    Some(BlockId { height, hash: BlockHash::from_byte_array(*take(bytes)?) })
}

/// Splits a transaction number off the front.
pub(crate) fn take_tx_num(bytes: &mut &[u8]) -> Option<TxNum> {
    take(bytes).map(|bytes| TxNum::from_be_bytes(*bytes))
}

/// Splits an output number off the front.
pub(crate) fn take_output(bytes: &mut &[u8]) -> Option<OutputNum> {
    let tx_num = take_tx_num(bytes)?;
    let [mark] = *take(bytes)?;
    let (vout, least) = match mark {
        0..=0xfc => (u32::from(mark), 0),
        0xfd => (u32::from(u16::from_be_bytes(*take(bytes)?)), 0xfd),
        0xfe => {
            let [b, c, d] = *take(bytes)?;
            (u32::from_be_bytes([0, b, c, d]), 0x1_0000)
        }
        0xff => (u32::from_be_bytes(*take(bytes)?), 0x100_0000),
    };
    (vout >= least).then_some(OutputNum { tx_num, vout })
}

/// Appends a number in base 128, least significant group first; the top bit says that more follow.
pub(crate) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Splits a base-128 number off the front.
#[inline]
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    match **bytes {
        [byte @ 0..=0x7f, ref rest @ ..] => {
            *bytes = rest;
            Some(byte.into())
        }
        _ => take_long_varint(bytes),
    }
}

/// Passes over a base-128 number, in whatever form.
#[inline]
pub(crate) fn skip_varint(bytes: &mut &[u8]) -> Option<()> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    *bytes = bytes.get(last + 1..)?;
    Some(())
}

fn take_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = *take(bytes)?;
        let group = u64::from(byte & 0x7f);
        if group << shift >> shift != group {
            return None;
        }
        number |= group << shift;
        if byte & 0x80 == 0 {
            // A zero last group would be a second form of the same number.
            return (byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

/// Appends script and value of an output.
pub(crate) fn push_output_row(out: &mut Vec<u8>, row: &OutputRow) {
    out.extend_from_slice(row.hashx.as_bytes());
    push_varint(out, row.value);
}

/// Decodes script and value of an output.
pub(crate) fn output_row(mut bytes: &[u8]) -> Option<OutputRow> {
    let hashx = HashX::from_bytes(*take(&mut bytes)?);
    let value = varint(bytes)?;
    Some(OutputRow { hashx, value })
}

/// Decodes bytes that are exactly one number.
pub(crate) fn varint(mut bytes: &[u8]) -> Option<u64> {
    let number = take_varint(&mut bytes)?;
    bytes.is_empty().then_some(number)
}

/// Decodes bytes that are exactly one output number.
pub(crate) fn output(mut bytes: &[u8]) -> Option<OutputNum> {
    let output = take_output(&mut bytes)?;
    bytes.is_empty().then_some(output)
}

/// Decodes bytes that are exactly one transaction number.
pub(crate) fn tx_num(bytes: &[u8]) -> Option<TxNum> {
    bytes.try_into().ok().map(TxNum::from_be_bytes)
}
