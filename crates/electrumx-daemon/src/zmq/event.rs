//! What the node tells.

use bitcoin::Txid;
use bitcoin::hashes::Hash as _;

/// What the node tells.
///
/// Transactions come with their number in the count that
/// [`Daemon::sequenced_mempool`](crate::Daemon::sequenced_mempool) states too: it tells which of them a listing
/// includes, and whether one is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZmqEvent {
    /// Messages may have been missed: the feed is new, it was interrupted, or a number is skipped.
    Gap,
    /// The feed has ended for now; another attempt follows by itself.
    Lost,
    /// The tip moved: a block was connected or disconnected.
    Block,
    /// A transaction entered the mempool.
    Added {
        /// Its id.
        txid: Txid,
        /// Its number.
        sequence: u64,
    },
    /// A transaction left the mempool otherwise than in a block.
    Removed {
        /// Its id.
        txid: Txid,
        /// Its number.
        sequence: u64,
    },
    /// Something happened to a transaction; the node's publishers do not tell what (`hashtx`, `rawtx`).
    Transaction,
}

/// What a publisher publishes, as far as it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// All there is to know, in one.
    Sequence,
    HashBlock,
    RawBlock,
    HashTx,
    RawTx,
}

impl Topic {
    /// Returns its name on the wire.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sequence => "sequence",
            Self::HashBlock => "hashblock",
            Self::RawBlock => "rawblock",
            Self::HashTx => "hashtx",
            Self::RawTx => "rawtx",
        }
    }

    /// Reads a message's body; `None` when it is not one of bitcoind.
    pub(super) fn event(self, body: &[u8]) -> Option<ZmqEvent> {
        match self {
            Self::Sequence => sequence_event(body),
            Self::HashBlock | Self::RawBlock => Some(ZmqEvent::Block),
            Self::HashTx | Self::RawTx => Some(ZmqEvent::Transaction),
        }
    }
}

/// Hash as displayed, a letter, and for transactions the number.
fn sequence_event(body: &[u8]) -> Option<ZmqEvent> {
    let (hash, rest) = body.split_first_chunk::<32>()?;
    let (letter, number) = rest.split_first()?;
    let mut hash = *hash;
    hash.reverse();
    let txid = Txid::from_byte_array(hash);
    let sequence = || number.try_into().map(u64::from_le_bytes).ok();
    match letter {
        b'C' | b'D' => Some(ZmqEvent::Block),
        b'A' => Some(ZmqEvent::Added { txid, sequence: sequence()? }),
        b'R' => Some(ZmqEvent::Removed { txid, sequence: sequence()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_messages_are_read_to_the_byte() {
        let mut body: Vec<u8> = (0..32).collect();
        body.push(b'C');
        assert_eq!(Topic::Sequence.event(&body), Some(ZmqEvent::Block));
        let _ = body.pop();
        body.push(b'A');
        assert_eq!(Topic::Sequence.event(&body), None);
        body.extend(7_u64.to_le_bytes());
        let Some(ZmqEvent::Added { txid, sequence: 7 }) = Topic::Sequence.event(&body) else {
            panic!("not read")
        };
        assert!(txid.to_string().starts_with("000102030405"), "{txid}");
        body[32] = b'R';
        assert_eq!(Topic::Sequence.event(&body), Some(ZmqEvent::Removed { txid, sequence: 7 }));
        body[32] = b'X';
        assert_eq!(Topic::Sequence.event(&body), None);
        assert_eq!(Topic::Sequence.event(&body[..31]), None);
    }
}
