//! What is in a Lease: for people, and for candidates.
//!
//! ```console
//! $ kubectl get lease -l app.kubernetes.io/managed-by=lessor
//! NAME      HOLDER              AGE
//! example   report-7d4b9-x2kzq  5m
//! ```
//!
//! What decides is the record, in an annotation; the fields are for people. `leaseTransitions` is the term, as far as it goes.
//! Nothing but candidates may write these Leases, and nobody may delete them: they keep the terms. A session is a secret, so
//! whoever can read the Leases of the namespace can act for a leader.

use chrono::{SecondsFormat, Utc};
use lessor::storage::Record;
use lessor::storage::registers::{Stored, Swap};
use lessor::{Key, StorageError};
use serde_json::{Value, json};

use crate::lease_name::lease_name;

pub(crate) const API: &str = "coordination.k8s.io/v1";
/// The annotation of the key: not every key is a name.
const KEY: &str = "lessor/key";
/// The annotation of the record.
const RECORD: &str = "lessor/record";

/// Which write of a Lease is meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revision {
    version: String,
    /// Without it an update whose Lease was deleted meanwhile would create it: to Kubernetes, that is no conflict.
    uid: String,
    term: u64,
    /// When the term began, by the clock of who began it.
    acquired: String,
}

/// What is written.
pub(crate) fn lease(swap: &Swap<Revision>) -> Result<Value, StorageError> {
    let record = Record::from_bytes(&swap.bytes).map_err(StorageError::permanent)?;
    let (now, expected) = (Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true), swap.expected.as_ref());
    let began = expected.filter(|expected| expected.term == record.term.get());
    let is_held = record.session.is_some() && record.expires_ms > 0;
    Ok(json!({
        "apiVersion": API,
        "kind": "Lease",
        "metadata": {
            "name": lease_name(&swap.key),
            "uid": expected.map(|expected| &expected.uid),
            "resourceVersion": expected.map(|expected| &expected.version),
            "labels": {"app.kubernetes.io/managed-by": "lessor"},
            "annotations": {KEY: swap.key.as_str(), RECORD: String::from_utf8_lossy(&swap.bytes)},
        },
        "spec": {
            "holderIdentity": is_held.then(|| record.id.as_str()),
            "leaseDurationSeconds": i32::try_from(record.ttl_ms.div_ceil(1_000)).unwrap_or(i32::MAX).max(1),
            "leaseTransitions": i32::try_from(record.term.get()).unwrap_or(i32::MAX),
            "acquireTime": began.map_or(&now, |began| &began.acquired),
            "renewTime": now,
        },
    }))
}

/// What is in a Lease. One of somebody else has no record: that is not a record's text, and nothing is written over it.
pub(crate) fn stored(lease: &Value) -> Result<Stored<Revision>, StorageError> {
    let record = lease["metadata"]["annotations"][RECORD].as_str().unwrap_or_default();
    Ok(Stored::new(record.into(), revision(lease)?))
}

/// The write that this Lease is of.
pub(crate) fn revision(lease: &Value) -> Result<Revision, StorageError> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let metadata = &lease["metadata"];
    let record = Record::from_bytes(metadata["annotations"][RECORD].as_str().unwrap_or_default().as_bytes());
    let revision = || {
        Some(Revision {
            version: text(&metadata["resourceVersion"])?,
            uid: text(&metadata["uid"])?,
            term: record.map_or(0, |record| record.term.get()),
            acquired: text(&lease["spec"]["acquireTime"]).unwrap_or_default(),
        })
    };
    revision().ok_or_else(|| StorageError::permanent("this is no Lease of Kubernetes: check the URL"))
}

/// The key of a Lease. `None`: no candidate wrote it; a copy under another name, say.
pub(crate) fn key(lease: &Value) -> Option<Key> {
    let key = Key::new(lease["metadata"]["annotations"][KEY].as_str()?).ok()?;
    (lease["metadata"]["name"] == lease_name(&key)).then_some(key)
}
