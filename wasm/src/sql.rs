//! The SQL of a Durable Object, which is synchronous: what is read and written without an await in between is one step.

use js_sys::Error;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `ctx.storage.sql` of a Durable Object whose class is backed by SQLite.
    #[wasm_bindgen(typescript_type = "SqlStorage")]
    #[derive(Debug)]
    pub type Sql;

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

    pub(crate) fn number(&mut self) -> Result<u64> {
        let number = self.next().as_f64().filter(|number| (0.0..=MOST).contains(number));
        number.map(|number| number as u64).ok_or_else(|| damaged("number"))
    }
}

/// Numbers of JavaScript are exact up to here, and terms, versions and ms stay below.
const MOST: f64 = 9_007_199_254_740_991.0;

pub(crate) fn number(number: u64) -> Result<JsValue> {
    let number = number as f64;
    if number <= MOST { Ok(number.into()) } else { Err(damaged("number")) }
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
