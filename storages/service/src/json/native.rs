//! JSON where there is no JavaScript.

use serde_json::Value;

use super::{DEEPEST, Json, Unread};

pub(crate) fn parse(text: &str) -> Result<Json, Unread> {
    // Without its words: they may repeat what it was given, and that may be a secret.
    let unread = |error: serde_json::Error| {
        let too_large = error.to_string().starts_with("number out of range");
        Unread::because(if too_large { "it has a number that is too large" } else { "it is no JSON" })
    };
    of(serde_json::from_str(text).map_err(unread)?, DEEPEST)
}

fn of(value: Value, deepest: u32) -> Result<Json, Unread> {
    let deeper = || deepest.checked_sub(1).ok_or_else(|| Unread::because("it is nested too deeply"));
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Number(number) => Json::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Json::Text(text),
        Value::Array(items) => {
            let deeper = deeper()?;
            Json::List(items.into_iter().map(|item| of(item, deeper)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let deeper = deeper()?;
            let fields = fields.into_iter().map(|(name, value)| Ok((name, of(value, deeper)?)));
            Json::Object(fields.collect::<Result<_, Unread>>()?)
        }
    })
}
