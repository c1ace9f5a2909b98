//! The SQL of a Durable Object, which is synchronous: what is read and written without an await in between is one step.

use js_sys::Error;
#[cfg(feature = "service")]
use js_sys::JsString;
#[cfg(feature = "service")]
use lessor::{Value, storage::Record};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `ctx.storage.sql` of a Durable Object whose class is backed by SQLite.
    #[wasm_bindgen(typescript_type = "SqlStorage")]
    #[derive(Debug)]
    pub type Sql;

    #[cfg(feature = "service")]
    #[wasm_bindgen(method, catch, js_name = exec)]
    fn exec_one(this: &Sql, query: &JsString, value: &str) -> core::result::Result<Cursor, JsValue>;

    #[cfg(feature = "service")]
    #[allow(clippy::too_many_arguments, reason = "a list would cost as much as the statement")]
    #[wasm_bindgen(method, catch, js_name = exec)]
    fn exec_write(
        this: &Sql,
        query: &JsString,
        key: &str,
        session: &JsValue,
        id: &str,
        term: f64,
        version: f64,
        ttl_ms: f64,
        expires_ms: f64,
        since_ms: f64,
        value: &JsValue,
    ) -> core::result::Result<Cursor, JsValue>;

    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &Sql, query: &str, values: Vec<JsValue>) -> core::result::Result<Cursor, JsValue>;

    type Cursor;

    #[wasm_bindgen(method)]
    fn raw(this: &Cursor) -> Rows;

    type Rows;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    fn to_array(this: &Rows) -> core::result::Result<Vec<js_sys::Array>, JsValue>;
}

/// What stops a request to an object: an exception, on its way back into JavaScript.
pub(crate) type Result<T> = core::result::Result<T, JsValue>;

impl Sql {
    pub(crate) fn run(&self, query: &str, values: Vec<JsValue>) -> Result<()> {
        self.exec(query, values).map(drop)
    }

    pub(crate) fn rows(&self, query: &str, values: Vec<JsValue>) -> Result<impl Iterator<Item = Row>> {
        Ok(self.exec(query, values)?.raw().to_array()?.into_iter().map(|values| Row { values, read: 0 }))
    }
}

/// The two statements of every renewal. Each crossing into JavaScript costs as much as a look into the table: there are
/// as few as can be.
#[cfg(feature = "service")]
impl Sql {
    /// The one text that the statement selects by this value.
    pub(crate) fn text(&self, query: &JsString, value: &str) -> Result<Option<String>> {
        let rows = self.exec_one(query, value)?.raw().to_array()?;
        rows.first().map(|row| row.get(0).as_string().ok_or_else(|| damaged("text"))).transpose()
    }

    pub(crate) fn write(&self, query: &JsString, key: &str, record: &Record) -> Result<()> {
        let Record { session, id, term, version, ttl_ms, expires_ms, since_ms, value, .. } = record;
        let session = session.map(|session| format!("{:032x}", session.to_bits()));
        let (session, value) = (optional(session.as_deref()), optional(value.as_ref().map(Value::as_str)));
        let (term, version, ttl_ms) = (exact(term.get())?, exact(version.get())?, exact(*ttl_ms)?);
        let (expires_ms, since_ms) = (exact(*expires_ms)?, exact(*since_ms)?);
        let id = id.as_str();
        self.exec_write(query, key, &session, id, term, version, ttl_ms, expires_ms, since_ms, &value).map(drop)
    }
}

/// A row, read from its first column on.
pub(crate) struct Row {
    values: js_sys::Array,
    read: u32,
}

impl Row {
    fn next(&mut self) -> JsValue {
        self.read += 1;
        self.values.get(self.read - 1)
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        self.optional_text()?.ok_or_else(|| damaged("text"))
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>> {
        let value = self.next();
        if value.is_null() { Ok(None) } else { value.as_string().map(Some).ok_or_else(|| damaged("text")) }
    }

    #[cfg(feature = "service")]
    pub(crate) fn number(&mut self) -> Result<u64> {
        let number = self.next().as_f64().filter(|number| (0.0..=MOST).contains(number));
        number.map(|number| number as u64).ok_or_else(|| damaged("number"))
    }
}

/// Numbers of JavaScript are exact up to here, and terms, versions and ms stay below.
#[cfg(feature = "service")]
const MOST: f64 = 9_007_199_254_740_991.0;

#[cfg(feature = "service")]
fn exact(number: u64) -> Result<f64> {
    let number = number as f64;
    if number <= MOST { Ok(number) } else { Err(damaged("number")) }
}

#[cfg(feature = "service")]
pub(crate) fn number(number: u64) -> Result<JsValue> {
    exact(number).map(JsValue::from)
}

#[cfg(feature = "service")]
pub(crate) fn optional(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from)
}

pub(crate) fn damaged(what: &str) -> JsValue {
    Error::new(&format!("a row has no valid {what}")).into()
}

/// An exception that says this.
#[cfg(feature = "service")]
pub(crate) fn exception(what: impl core::fmt::Display) -> JsValue {
    Error::new(&what.to_string()).into()
}
