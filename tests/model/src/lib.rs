//! Model checking of the shipped code: [`Election`](lessor::election::Election), the candidate's half of the protocol, against
//! [`Record`](lessor::storage::Record), the storage's half, through every order of events within a [`Scope`].
//!
//! Nothing of the protocol is written down here a second time. A transition hands an input to an election, or a
//! request to a record, and puts what comes out into a bag of messages. Each may be delivered in any order, late,
//! twice or never; time goes on at any moment; every candidate may be slow.
//!
//! Over a register, which only compares and swaps, observers judge: there a request goes to the shipped
//! [`RegisterStorage`](lessor::storage::registers::RegisterStorage) of its candidate, and what that asks of the register are messages.
//!
//! A [`Fault`] takes one rule of the protocol away, in the layer between model and code, to show that the model bites.

mod action;
mod check;
mod clock;
mod describe;
mod fault;
mod fingerprint;
mod memo;
mod model;
mod network;
mod news;
mod property;
mod registers;
mod scope;
mod seat;
mod state;
mod store;
mod transition;

pub use action::Action;
pub use check::{Check, Finding, Report, Search};
pub use fault::Fault;
pub use model::ElectionModel;
pub use scope::Scope;
pub use seat::SetUpError;
pub use state::State;
