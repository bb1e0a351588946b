//! The client and the prefetcher against nodes that misbehave in every way, and against a real one.

#![expect(clippy::unwrap_used, clippy::type_complexity, reason = "tests")]

mod broadcast;
mod fake;
mod login;
mod prefetch;
mod real_node;
mod replies;
mod retry;
