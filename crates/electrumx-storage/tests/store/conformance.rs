//! The suite that every store passes.

use electrumx_core::store_conformance;
use electrumx_storage::Options;

use crate::common::{options, temp, temp_with};

store_conformance!(temp);

/// The same with so short a txid prefix that most look-ups meet other transactions.
mod colliding_prefixes {
    use super::*;

    store_conformance!(|| temp_with(Options { txid_prefix_len: 1, ..options() }));
}
