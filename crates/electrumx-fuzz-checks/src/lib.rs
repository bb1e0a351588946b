#![doc = include_str!("../README.md")]

mod block;
mod lines;
mod params;
mod proxy;
mod request;
mod served;
mod session;
mod websocket;

pub use block::parse_block;
pub use lines::lines;
pub use params::params;
pub use proxy::proxy;
pub use request::request;
pub use session::session;
pub use websocket::websocket;

/// A check: it panics when something is wrong.
pub type Check = fn(&[u8]);

/// All of them, by the name of the target and of the folder with its seeds.
pub const CHECKS: &[(&str, Check)] = &[
    ("lines", lines),
    ("params", params),
    ("parse_block", parse_block),
    ("proxy", proxy),
    ("request", request),
    ("session", session),
    ("websocket", websocket),
];
