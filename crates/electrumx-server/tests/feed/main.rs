//! The node's feed, SIGUSR1, and what they are worth. The server polls so rarely here that nothing else can have told it.

#![expect(clippy::print_stderr, reason = "measurements are printed")]

mod common;
mod follow;
mod latency;
mod look_now;
mod two_wallets;
