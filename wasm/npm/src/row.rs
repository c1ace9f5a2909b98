//! Rows: arrays of JavaScript, whose places are known on both sides.

use core::fmt::Display;
use core::time::Duration;

use js_sys::{Array, Error};
use wasm_bindgen::JsValue;

/// What is thrown for what does not fit; JavaScript gives it its name.
pub(crate) fn refused(why: &impl Display) -> JsValue {
    Error::new(&why.to_string()).into()
}

/// What is read, one after the other.
pub(crate) struct Row<'a>(&'a Array, u32);

impl<'a> Row<'a> {
    pub(crate) const fn new(row: &'a Array) -> Self {
        Self(row, 0)
    }

    pub(crate) fn next(&mut self) -> JsValue {
        self.1 += 1;
        self.0.get(self.1 - 1)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        self.next().as_string()
    }

    /// A text that JavaScript has made sure of.
    pub(crate) fn known(&mut self) -> String {
        self.text().unwrap_or_default()
    }

    pub(crate) fn number(&mut self) -> Option<f64> {
        self.next().as_f64()
    }

    pub(crate) fn whole(&mut self) -> Option<u64> {
        self.number().map(|number| number as u64)
    }

    pub(crate) fn ms(&mut self) -> Option<Duration> {
        self.number().and_then(duration)
    }
}

/// So many ms. What is none, or too long, is the longest: it is refused by name.
pub(crate) fn duration(ms: f64) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX))
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// What is written.
pub(crate) fn row(items: &[JsValue]) -> Array {
    items.iter().collect()
}

pub(crate) fn text(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from_str)
}

pub(crate) fn number(number: Option<f64>) -> JsValue {
    number.map_or(JsValue::NULL, JsValue::from_f64)
}
