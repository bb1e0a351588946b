//! The block processor.
