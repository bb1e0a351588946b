//! The `meta` table: what the database is.
//!
//! | name | value |
//! |---|---|
//! | `schema` | u32, big-endian |
//! | `coin`, `net` | UTF-8 |
//! | `genesis` | hash of block 0, in hash order |
//! | `hashx_key` | 16 secret bytes |
//! | `txid_prefix` | u8: bytes of a txid in `txid_index` |
//!
//! Tip and counts are not here: they are the last rows of `blocks` and `counts`, so they cannot disagree.

use std::path::Path;

use electrumx_core::HashXKey;
use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use heed::types::Bytes;
use heed::{AnyTls, Database, RoTxn, RwTxn};

use crate::identity::Identity;
use crate::open_error::OpenError;
use crate::options::Options;

/// Version of the byte layout; see `docs/schema.md` for its history.
pub(crate) const SCHEMA: u32 = 1;

/// Longest txid prefix, and the one in use outside tests.
const MAX_PREFIX: u8 = 8;

/// What `meta` says beyond the identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) hashx_key: HashXKey,
    pub(crate) prefix_len: usize,
}

impl Meta {
    /// Writes the rows of a new database.
    pub(crate) fn create(
        txn: &mut RwTxn<'_>,
        table: Database<Bytes, Bytes>,
        identity: &Identity,
        options: &Options,
    ) -> Result<(), CreateError> {
        let hashx_key = match options.hashx_key {
            Some(key) => *key.as_bytes(),
            None => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).map_err(CreateError::Random)?;
                bytes
            }
        };
        let rows: [(&str, &[u8]); 6] = [
            ("schema", &SCHEMA.to_be_bytes()),
            ("coin", identity.coin.as_bytes()),
            ("net", identity.net.as_bytes()),
            ("genesis", &identity.genesis.to_byte_array()),
            ("hashx_key", &hashx_key),
            ("txid_prefix", &[options.txid_prefix_len.clamp(1, MAX_PREFIX)]),
        ];
        for (name, value) in rows {
            table.put(txn, name.as_bytes(), value).map_err(CreateError::Engine)?;
        }
        Ok(())
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
        Ok(Self { hashx_key, prefix_len: prefix_len.into() })
    }
}

/// Why the rows could not be written.
pub(crate) enum CreateError {
    Random(getrandom::Error),
    Engine(heed::Error),
}

impl From<heed::Error> for CreateError {
    fn from(error: heed::Error) -> Self {
        Self::Engine(error)
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

    fn bytes(&self, name: &str) -> Result<&[u8], OpenError> {
        let row = self.table.get(self.txn, name.as_bytes()).map_err(|source| {
            OpenError::Engine { action: "read", dir: self.dir.into(), source: Box::new(source) }
        })?;
        row.ok_or_else(|| self.damaged(name))
    }

    fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], OpenError> {
        self.bytes(name)?.try_into().map_err(|_| self.damaged(name))
    }

    fn text(&self, name: &str) -> Result<String, OpenError> {
        String::from_utf8(self.bytes(name)?.into()).map_err(|_| self.damaged(name))
    }
}
