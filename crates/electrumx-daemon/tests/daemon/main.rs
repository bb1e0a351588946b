//! The client and the prefetcher against nodes that misbehave in every way, and against a real one.

#![expect(
    clippy::unwrap_used,
    clippy::type_complexity,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod block_files;
mod broadcast;
mod fake;
mod login;
mod made_up;
mod node_files;
mod prefetch;
mod real_node;
mod replies;
mod retry;
