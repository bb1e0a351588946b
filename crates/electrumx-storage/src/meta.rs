//! The `meta` table: what the database is.
//!
//! | name | value |
//! |---|---|
//! | `schema` | u32, big-endian |
//! | `coin`, `net` | UTF-8 |
//! | `genesis` | hash of block 0, in hash order |
//! | `hashx_key` | 16 secret bytes |
//! | `txid_prefix` | u8: bytes of a txid in `txid_index` |
//! | `base` | height and hash of the base's last block; absent without a base |
//!
//! Tip and counts are not here: they are the last rows of `blocks` and `counts`, so they cannot disagree.
//! A base has the same rows but the last, and some of its own.

use std::path::Path;

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::{BlockId, HashXKey, StoreError};
use heed::types::Bytes;
use heed::{AnyTls, Database, RoTxn, RwTxn};

use crate::codec::{push_block_id, take_block_id};
use crate::identity::Identity;
use crate::open_error::OpenError;
use crate::options::Options;
use crate::tables::Table;

/// Version of the byte layout; see `docs/schema.md` for its history.
pub(crate) const SCHEMA: u32 = 2;

/// The row that names the base.
const BASE: &[u8] = b"base";

/// Longest txid prefix, and the one in use outside tests.
const MAX_PREFIX: u8 = 8;

/// What `meta` says beyond the identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) hashx_key: HashXKey,
    pub(crate) prefix_len: usize,
    /// Last block of the base; the tip tier goes on from there.
    pub(crate) base: Option<BlockId>,
}

impl Meta {
    /// Makes up the rows of a new database.
    pub(crate) fn draw(options: &Options) -> Result<Self, getrandom::Error> {
        let hashx_key = match options.hashx_key {
            Some(key) => key,
            None => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                HashXKey::from_bytes(bytes)
            }
        };
        let prefix_len = options.txid_prefix_len.clamp(1, MAX_PREFIX).into();
        Ok(Self { hashx_key, prefix_len, base: None })
    }

    /// Writes the rows.
    pub(crate) fn write(
        &self,
        txn: &mut RwTxn<'_>,
        table: Database<Bytes, Bytes>,
        identity: &Identity,
    ) -> heed::Result<()> {
        // A prefix has at most eight bytes.
        let prefix_len = u8::try_from(self.prefix_len).unwrap_or(MAX_PREFIX);
        let rows: [(&str, &[u8]); 6] = [
            ("schema", &SCHEMA.to_be_bytes()),
            ("coin", identity.coin.as_bytes()),
            ("net", identity.net.as_bytes()),
            ("genesis", &identity.genesis.to_byte_array()),
            ("hashx_key", self.hashx_key.as_bytes()),
            ("txid_prefix", &[prefix_len]),
        ];
        for (name, value) in rows {
            table.put(txn, name.as_bytes(), value)?;
        }
        if let Some(base) = self.base {
            let mut row = Vec::new();
            push_block_id(&mut row, base);
            table.put(txn, BASE, &row)?;
        }
        Ok(())
    }

    /// Returns the secret of a database.
    pub(crate) fn hashx_key_of(
        txn: &RoTxn<'_, AnyTls>,
        table: Table,
    ) -> Result<Option<HashXKey>, StoreError> {
        let row = table.get(txn, b"hashx_key")?;
        Ok(row.and_then(|row| row.try_into().ok()).map(HashXKey::from_bytes))
    }

    /// Reads the rows and compares them with what the caller wants.
    ///
    /// The schema comes first: a newer one may mean anything by the other rows.
    pub(crate) fn check(
        txn: &RoTxn<'_, AnyTls>,
        table: Database<Bytes, Bytes>,
        dir: &Path,
        identity: &Identity,
    ) -> Result<Self, OpenError> {
        let rows = Rows { txn, table, dir };
        let supported = SCHEMA;
        match u32::from_be_bytes(rows.array("schema")?) {
            found if found > SCHEMA => {
                return Err(OpenError::NewerSchema { dir: dir.into(), found, supported });
            }
            found if found < SCHEMA => {
                return Err(OpenError::OlderSchema { dir: dir.into(), found, supported });
            }
            _ => {}
        }
        let (found, wanted) = (rows.text("coin")?, identity.coin.clone());
        if found != wanted {
            return Err(OpenError::WrongCoin { dir: dir.into(), found, wanted });
        }
        let (found, wanted) = (rows.text("net")?, identity.net.clone());
        if found != wanted {
            return Err(OpenError::WrongNet { dir: dir.into(), found, wanted });
        }
        let (found, wanted) =
            (BlockHash::from_byte_array(rows.array("genesis")?), identity.genesis);
        if found != wanted {
            return Err(OpenError::WrongGenesis { dir: dir.into(), found, wanted });
        }
        let [prefix_len @ 1..=MAX_PREFIX] = rows.array("txid_prefix")? else {
            return Err(rows.damaged("txid_prefix"));
        };
        let hashx_key = HashXKey::from_bytes(rows.array("hashx_key")?);
        let base = rows.base()?;
        Ok(Self { hashx_key, prefix_len: prefix_len.into(), base })
    }
}

struct Rows<'a> {
    txn: &'a RoTxn<'a, AnyTls>,
    table: Database<'a, Bytes, Bytes>,
    dir: &'a Path,
}

impl Rows<'_> {
    fn damaged(&self, name: &str) -> OpenError {
        let what = format!("meta row {name:?} is missing or malformed");
        OpenError::Damaged { dir: self.dir.into(), what }
    }

    fn get(&self, name: &[u8]) -> Result<Option<&[u8]>, OpenError> {
        self.table.get(self.txn, name).map_err(|source| OpenError::Engine {
            action: "read",
            dir: self.dir.into(),
            source: Box::new(source),
        })
    }

    fn bytes(&self, name: &str) -> Result<&[u8], OpenError> {
        self.get(name.as_bytes())?.ok_or_else(|| self.damaged(name))
    }

    fn base(&self) -> Result<Option<BlockId>, OpenError> {
        let Some(mut row) = self.get(BASE)? else { return Ok(None) };
        let base = take_block_id(&mut row).filter(|_| row.is_empty());
        base.map(Some).ok_or_else(|| self.damaged("base"))
    }

    fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], OpenError> {
        self.bytes(name)?.try_into().map_err(|_| self.damaged(name))
    }

    fn text(&self, name: &str) -> Result<String, OpenError> {
        String::from_utf8(self.bytes(name)?.into()).map_err(|_| self.damaged(name))
    }
}
