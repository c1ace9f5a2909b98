//! What the SQLite storage promises beyond the contract of every storage.

mod admit;
mod batches;
mod contention;
mod database;
mod files;
mod lists;
mod locks;
mod rows;
mod setup;
mod together;
mod wakeups;
