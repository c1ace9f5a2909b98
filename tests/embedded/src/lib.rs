//! The firmware of `examples/embedded`, built as it is for a microcontroller:
//! `cargo build -p lessor-embedded --target thumbv7em-none-eabihf`.
#![no_std]

extern crate alloc;

#[path = "../../../examples/embedded/firmware/mod.rs"]
pub mod firmware;
