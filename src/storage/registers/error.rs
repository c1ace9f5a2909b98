//! What can be wrong with a register.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;

use crate::debug::debug_as_displayed;
use crate::storage::{InvalidRecord, StorageError};
use crate::text::Key;

/// What a register holds is no record.
pub(super) fn invalid_register(store: &str, key: &Key, problem: InvalidRecord) -> StorageError {
    StorageError::permanent(InvalidRegister { store: store.into(), key: key.clone(), problem })
}

/// Others were faster, so many times.
pub(super) fn contended(store: &str, key: &Key, times: u32) -> StorageError {
    StorageError::transient(Contended { store: store.into(), key: key.clone(), times })
}

struct InvalidRegister {
    store: Box<str>,
    key: Key,
    problem: InvalidRecord,
}

impl fmt::Display for InvalidRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, key, problem } = self;
        write!(f, "what {store} has for the key {:?} cannot be used: {problem}", key.as_str())
    }
}

impl Error for InvalidRegister {}

debug_as_displayed!(InvalidRegister);

struct Contended {
    store: Box<str>,
    key: Key,
    times: u32,
}

impl fmt::Display for Contended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, key, times } = self;
        write!(f, "others have written to the key {:?} of {store} {times} times while this was tried", key.as_str())
    }
}

impl Error for Contended {}

debug_as_displayed!(Contended);
