//! Right calls of each method, and calls at the edge, with what the node alone says of them.

mod blocks;
mod fees;
mod outpoints;
mod places;
mod scripts;
mod server;
mod transactions;

use std::rc::Rc;

use anyhow::{Result, bail, ensure};
use electrumx_protocol::ProtocolVersion;
use serde_json::Value;

use super::world::World;
pub(crate) use outpoints::state as outpoint_state;
pub(crate) use server::banner;

/// A call and what is to be answered.
pub(crate) struct Case {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
    pub(crate) expected: Expected,
}

/// Fails when an answer is wrong.
pub(crate) type Check = Rc<dyn Fn(&Value) -> Result<()>>;

/// What is to be answered.
#[derive(Clone)]
pub(crate) enum Expected {
    Result(Value),
    /// The same, but in words of the node that differ between its versions.
    Opaque(Value),
    /// What is left open in part.
    Check(Check),
    Error(i64, String),
    /// An error with the node's words in its text.
    Refused {
        code: i64,
        text: String,
        words: String,
    },
}

/// Collects the calls of a method.
struct Cases {
    method: &'static str,
    list: Vec<Case>,
}

impl Cases {
    fn add(&mut self, params: Value, expected: Expected) {
        self.list.push(Case { method: self.method, params, expected });
    }

    fn result(&mut self, params: Value, result: Value) {
        self.add(params, Expected::Result(result));
    }

    fn error(&mut self, params: Value, code: i64, text: impl Into<String>) {
        self.add(params, Expected::Error(code, text.into()));
    }

    /// A boolean of which nothing is known.
    fn boolean(&mut self, params: Value) {
        self.check(params, |answer| {
            ensure!(answer.is_boolean(), "no boolean");
            Ok(())
        });
    }

    fn check(&mut self, params: Value, check: impl Fn(&Value) -> Result<()> + 'static) {
        self.add(params, Expected::Check(Rc::new(check)));
    }
}

/// Returns the calls of a method. The arguments of the first are right, and by position.
pub(crate) fn of(
    world: &World,
    method: &'static str,
    version: ProtocolVersion,
) -> Result<Vec<Case>> {
    let mut cases = Cases { method, list: Vec::new() };
    let family = [
        ("blockchain.address.", scripts::fill as Fill),
        ("blockchain.block.", blocks::fill),
        ("blockchain.header.", places::fill),
        ("blockchain.headers.", blocks::fill),
        ("blockchain.estimatefee", fees::fill),
        ("blockchain.relayfee", fees::fill),
        ("blockchain.outpoint.", outpoints::fill),
        ("blockchain.scripthash.", scripts::fill),
        ("blockchain.scriptpubkey.", scripts::fill),
        ("blockchain.transaction.", transactions::fill),
        ("blockchain.utxo.", places::fill),
        ("daemon.", places::fill),
        ("mempool.", fees::fill),
        ("server.", server::fill),
    ];
    let Some((_, fill)) = family.iter().find(|(prefix, _)| method.starts_with(prefix)) else {
        bail!("{method} is of no family that there are cases for");
    };
    fill(world, version, &mut cases)?;
    Ok(cases.list)
}

type Fill = fn(&World, ProtocolVersion, &mut Cases) -> Result<()>;

/// Fails for a method that a family does not know.
fn unknown(cases: &Cases) -> Result<()> {
    bail!("write cases for {}", cases.method)
}
