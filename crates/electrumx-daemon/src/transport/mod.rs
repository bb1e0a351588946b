//! HTTP to one node: login, reply formats, and what can go wrong.

mod credentials;
mod failure;
mod layer;
mod legacy;
mod node;
mod rest;

pub(crate) use self::failure::{Failure, Trouble};
pub(crate) use self::node::Node;
