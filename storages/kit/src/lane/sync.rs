//! The lock of the hub: the standard library's, or loom's where every interleaving is tried.

#[cfg(all(test, lessor_loom))]
use loom::sync;
#[cfg(not(all(test, lessor_loom)))]
use std::sync;

use std::sync::PoisonError;

pub(super) use sync::MutexGuard as Guard;

#[derive(Debug)]
pub(super) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    /// What is behind it is never left half-changed, so a panic elsewhere does not spoil it.
    pub(super) fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
