//! What `MySqlStorage` promises beyond the contract of a storage: what it costs, what it waits for, what it says.

mod batches;
mod clock;
mod contention;
mod cost;
mod errors;
mod far;
mod fencing;
mod flights;
mod locks;
mod mistakes;
mod names;
mod operators;
mod poisoned;
mod rows;
mod settings;
mod silence;
mod support;
#[cfg(feature = "tls-rustls")]
mod tls;
mod versions;
