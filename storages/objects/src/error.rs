//! What the store says, sorted by whether waiting may help.

use std::error::Error;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use object_store::Error as StoreError;

/// A request that is about an object failed.
pub(crate) fn explain(error: StoreError) -> StorageError {
    match error {
        StoreError::Unauthenticated { source, .. } => AdapterError::refused(
            "the object store",
            "401",
            &said(&*source),
            ErrorKind::Permanent,
        )
        .advising("correct the credentials")
        .into(),
        StoreError::PermissionDenied { source, .. } => AdapterError::forbidden(said(&*source))
            .advising("candidates get and put objects under the prefix, and operators list them")
            .into(),
        StoreError::NotFound { source, .. } => AdapterError::refused(
            "the object store",
            "404",
            &said(&*source),
            ErrorKind::Permanent,
        )
        .advising("create the bucket (the container), or correct its name")
        .into(),
        StoreError::NotImplemented { .. } | StoreError::NotSupported { .. } => unconditional(&error).into(),
        StoreError::InvalidPath { .. } | StoreError::UnknownConfigurationKey { .. } => StorageError::permanent(error),
        error => StorageError::transient(error),
    }
}

/// A store that cannot write on a condition.
pub(crate) fn unconditional(found: &dyn std::fmt::Display) -> AdapterError {
    AdapterError::wrong_setup(
        "conditional writes",
        found.to_string(),
        "this store does not write on the condition that an object is unchanged, so two candidates would lead",
        "take a store that keeps If-Match and If-None-Match, or switch that on (a file system cannot: take lessor-sqlite)",
    )
}

/// The innermost cause, which has what the store said.
fn said(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
