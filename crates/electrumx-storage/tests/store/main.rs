//! Tests of the store as its users see it.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod blocks;
mod bulk;
mod check;
mod common;
mod compact;
mod conformance;
mod crash;
mod disk_full;
mod growth;
mod lifetime;
mod open;
mod property;
mod schema;
