//! Is an index as good as new, whenever the process that makes it is killed?
//!
//! A child process makes an index and says which stage it is at ([`make`]); its parent kills it, again and again, and compares
//! what comes out with the index of a child that was left in peace ([`Killer`]).

mod killer;
mod make;
mod report;
mod stage;
mod waits;

pub use killer::Killer;
pub use make::{Making, make};
pub use report::{Kill, KillReport};
pub use stage::Stage;
