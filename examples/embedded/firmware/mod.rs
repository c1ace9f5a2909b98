//! What runs on the boards: no operating system, no standard library, no executor, no threads.
//!
//! Needed of a chip: a tick interrupt, 32-bit atomics, critical sections, a heap, and a source of randomness.
//!
//! Read on in `ticks.rs` (the timer), `bus.rs` (the storage), `arbiter.rs` (where the leases are), `valve.rs` (what is
//! controlled) and `board.rs` (the main loop).

pub mod arbiter;
pub mod board;
pub mod bus;
pub mod ticks;
pub mod valve;
