//! lessor under every fault, in virtual time.
//!
//! Candidates of the shipped code, each with clocks of its own, campaign over a storage that runs the shipped
//! `Record`, across a network that delays, loses, doubles and reorders; processes pause, crash and come back. A seed
//! draws who takes part and what goes wrong, and is the whole run: the same seed shows the same run again.
//!
//! Read in this order: `maybe_send`, `random` and `clock`; `plan` (what a seed means); `sim` (true time and who is in it), `process`,
//! `seat`, `team`, `rendezvous` and `view` (what a process that shares its keys knows), `timer`; `message`, `network`, `store`, `cells` (registers, and the handles of those who judge by them), `trouble`, `operator`; `candidate` (the shipped code as it is used) and `reference` (the
//! protocols of others); `fault`; `model` (the storage's half as the proof has it) and `invariant` (what must hold); `run`, `many`, `report`. `log` is for the model of `tests/proof`; `trace`, `story` and `timeline` make
//! texts and pictures.
#![cfg_attr(target_family = "wasm", allow(clippy::arc_with_non_send_sync, reason = "natively they are both"))]

mod candidate;
mod cells;
mod clock;
pub mod counts;
mod fault;
mod handle;
mod hint;
mod invariant;
mod log;
mod many;
mod maybe_send;
mod message;
pub mod model;
mod network;
mod operator;
mod outcome;
mod plan;
mod port;
mod process;
pub mod random;
pub mod reached;
pub mod reference;
mod rendezvous;
pub mod report;
mod run;
mod seat;
mod sim;
mod store;
pub mod story;
mod team;
pub mod timeline;
mod timer;
pub mod trace;
mod trouble;
mod view;

pub use log::{Judged, Logged};
pub use many::{Summary, many};
pub use maybe_send::MaybeSend;
pub use outcome::{Broken, Outcome};
pub use plan::{Misuse, Plan, Protocol};
pub use run::{logged, run};
