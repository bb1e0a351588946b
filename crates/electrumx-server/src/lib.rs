#![doc = include_str!("../README.md")]

pub mod controller;
pub mod env;
mod follower;
mod index_thread;
mod listener;
mod mempool_view;
mod node;
pub mod signals;
pub mod telemetry;
