//! What is particular to object stores.

mod costs;
mod elections;
mod errors;
mod refused;
mod spy;
mod support;
