//! `LocalRPC`: the operator's view of a running server, as line-delimited JSON-RPC.
//!
//! It is up from the start of the process, while the index is built too. There is no login: it listens on loopback unless the
//! operator says otherwise. Names and shapes are those of ElectrumX; what is more stands beside them.

mod info;
mod json_rpc;
mod methods;
mod server;
mod state;
mod text;

pub use server::serve;
pub use state::{Group, Info, MempoolInfo, Phase, Session, State, Totals};
pub(crate) use text::{cache_line, duration, thousands};
