//! JSON as JavaScript parses it.

use js_sys::{Array, JSON, Object};
use wasm_bindgen::{JsCast, JsValue};

use super::{DEEPEST, Json, Unread};

pub(crate) fn parse(text: &str) -> Result<Json, Unread> {
    // The exception may repeat what it was given, and that may be a secret.
    let value = JSON::parse(text).map_err(|_| Unread::because("it is no JSON"))?;
    of(value, DEEPEST)
}

fn of(value: JsValue, deepest: u32) -> Result<Json, Unread> {
    if let Some(text) = value.as_string() {
        return Ok(Json::Text(text));
    }
    if let Some(number) = value.as_f64() {
        return Ok(Json::Number(number));
    }
    if let Some(value) = value.as_bool() {
        return Ok(Json::Bool(value));
    }
    if value.is_null() {
        return Ok(Json::Null);
    }
    let deeper = deepest.checked_sub(1).ok_or_else(|| Unread::because("it is nested too deeply"))?;
    if Array::is_array(&value) {
        return value
            .unchecked_into::<Array>()
            .iter()
            .map(|item| of(item, deeper))
            .collect::<Result<_, _>>()
            .map(Json::List);
    }
    let fields = Object::entries(&value.unchecked_into()).into_iter().map(|field| {
        let field: Array = field.unchecked_into();
        Ok((field.get(0).as_string().unwrap_or_default(), of(field.get(1), deeper)?))
    });
    fields.collect::<Result<_, _>>().map(Json::Object)
}
