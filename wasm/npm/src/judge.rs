//! What a storage in JavaScript decides by, under a lock or in a transaction of its own.

use js_sys::{Array, Uint8Array};
use lessor::Term;
use lessor::storage::Record;
use wasm_bindgen::prelude::*;

use crate::row::{refused, row};
use crate::wire;

fn read(bytes: Option<Vec<u8>>) -> Result<Option<Record>, JsValue> {
    bytes.map(|bytes| Record::from_bytes(&bytes)).transpose().map_err(|error| refused(&error))
}

/// Judges a request by the record of its key: the reply, what is to be written (or `null`), and whether followers are to be woken when it is.
/// `may_lose`: the storage may lose what it has acknowledged.
#[wasm_bindgen]
pub fn judge(record: Option<Vec<u8>>, request: &Array, now_ms: f64, may_lose: bool) -> Result<Array, JsValue> {
    let (before, now_ms) = (read(record)?, now_ms as u64);
    let seed = Term::new(now_ms).filter(|_| may_lose).unwrap_or(Term::FIRST);
    let verdict = Record::judge(before.as_ref(), &wire::request(request)?, now_ms, seed);
    let wakes = verdict.write.as_ref().is_some_and(|written| written.wakes_followers(before.as_ref()));
    let written = |record: Record| Uint8Array::from(record.to_bytes().as_slice()).into();
    let write = verdict.write.map_or(JsValue::NULL, written);
    Ok(row(&[wire::reply(&verdict.reply).into(), write, wakes.into()]))
}

/// What can be seen of a record.
#[wasm_bindgen]
pub fn lease_of(record: Vec<u8>, now_ms: f64) -> Result<JsValue, JsValue> {
    Ok(read(Some(record))?.map_or(JsValue::NULL, |record| wire::lease(&record.lease(now_ms as u64))))
}
