//! Reading JSON. The platform parses it (JavaScript on WebAssembly), and serde takes it from there: `serde_json`'s reader, which writes floats into
//! its errors, would add a quarter to the Worker. Errors name the field.

use lessor::Key;
use lessor_wire::WireRequest;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

mod deserializer;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod script;
mod unread;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::parse;
#[cfg(target_family = "wasm")]
pub(crate) use script::parse;
pub use unread::Unread;

/// How deep lists and objects may lie in each other: deeper than anything that is read here.
const DEEPEST: u32 = 8;

/// What a text of JSON says.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Reads JSON.
///
/// # Errors
/// [`Unread`] names the field.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unread> {
    T::deserialize(parse(text)?)
}

/// Writes JSON. What is written here always can be: nothing is said of an error, whose texts would
/// make the Worker larger.
///
/// # Errors
/// What `error` makes of a text that says so.
pub fn write<E>(value: &(impl Serialize + ?Sized), error: impl FnOnce(&'static str) -> E) -> Result<String, E> {
    serde_json::to_string(value).map_err(|_| error("the answer could not be written"))
}

/// Reads a list: each of its items by itself, so that one which cannot be read is nobody else's trouble.
pub(crate) fn read_each<T: DeserializeOwned>(text: &str) -> Result<Vec<Result<T, Unread>>, Unread> {
    match parse(text)? {
        Json::List(items) => Ok(items.into_iter().map(T::deserialize).collect()),
        other => Err(other.unfit(&"an array")),
    }
}

/// Reads the body of an operation on a key, which says what the operation says in a batch, without the key: so both are read by the
/// same code. A claim is not in a field of its own there.
pub(crate) fn read_about(key: &Key, operation: &str, text: &str) -> Result<WireRequest, Unread> {
    let named = |name: &str, value| (name.to_owned(), value);
    let mut fields = match parse(text)? {
        Json::Object(fields) => fields,
        other => return Err(other.unfit(&"an object")),
    };
    if let "acquire" | "renew" = operation {
        let term = fields.iter().position(|(name, _)| operation == "renew" && name == "term");
        let term = term.map(|at| fields.swap_remove(at));
        fields = vec![named("claim", Json::Object(fields))];
        fields.extend(term);
    }
    fields.push(named("key", Json::Text(key.to_string())));
    WireRequest::deserialize(Json::Object(vec![named(operation, Json::Object(fields))]))
        .map_err(|error| error.without("claim"))
}

/// What nobody has a type for.
impl Json {
    /// The items, if it is a list.
    pub(crate) fn list(self) -> Result<Vec<Self>, Unread> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(other.unfit(&"an array")),
        }
    }

    /// Takes the field of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(fields) = self else { return None };
        let place = fields.iter().position(|(found, _)| found == name)?;
        Some(fields.swap_remove(place).1)
    }

    /// Takes the field of this name, a text. Nothing that is needed is empty.
    pub(crate) fn take_text(&mut self, name: &'static str) -> Result<String, Unread> {
        match self.take(name) {
            Some(Self::Text(text)) if !text.is_empty() => Ok(text),
            _ => Err(Unread::because("a string is needed that is not empty").within(name)),
        }
    }

    /// The field of this name: the last one, if there are many.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// Whether it is this text, or a list that has it.
    pub(crate) fn says(&self, text: &str) -> bool {
        match self {
            Self::List(items) => items.iter().any(|item| item.text() == Some(text)),
            other => other.text() == Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read::<Vec<WireRequest>>(text).unwrap_err().to_string()
    }

    const CLAIM: &str = r#"{"id": "a", "session": "000102030405060708090a0b0c0d0e0f", "ttl_ms": 30000}"#;

    /// The same as any other reader of JSON would read.
    #[test]
    fn reads_what_is_written() {
        let text = format!(
            r#"[{{"acquire": {{"key": "k", "claim": {CLAIM}}}}}, {{"get": {{"key": "ключ"}}}},
               {{"renew": {{"key": "j", "term": 7, "claim": {}}}}}]"#,
            CLAIM.replace('}', r#", "after": null, "value": "v", "takeover": {"unchanged": 9}}"#)
        );
        assert_eq!(read::<Vec<WireRequest>>(&text).unwrap(), serde_json::from_str::<Vec<WireRequest>>(&text).unwrap());
    }

    /// The body of an operation on a key is the operation in a batch, without the key; and a claim is the body itself.
    #[test]
    fn bodies_are_requests_without_their_key() {
        let key = Key::new("k").unwrap();
        let session = r#""session": "000102030405060708090a0b0c0d0e0f""#;
        let successor = format!(r#"{session}, "successor": {{"id": "b", "within_ms": 4000}}"#);
        for (operation, body, content) in [
            ("acquire", CLAIM.into(), format!(r#""claim": {CLAIM}"#)),
            ("renew", CLAIM.replace('}', r#", "term": 7}"#), format!(r#""claim": {CLAIM}, "term": 7"#)),
            ("release", format!("{{{session}}}"), session.into()),
            ("release", format!("{{{successor}}}"), successor.clone()),
            ("revoke", "{}".into(), String::new()),
            ("revoke", r#"{"term": 7}"#.into(), r#""term": 7"#.into()),
            ("revoke", r#"{"now": true}"#.into(), r#""now": true"#.into()),
        ] {
            let comma = if content.is_empty() { "" } else { ", " };
            let text = format!(r#"{{"{operation}": {{"key": "k"{comma}{content}}}}}"#);
            assert_eq!(read_about(&key, operation, &body).unwrap(), read(&text).unwrap(), "{text}");
        }
        for (operation, body, says) in [
            ("acquire", "[]".to_owned(), "it is an array, expected is an object"),
            ("acquire", CLAIM.replace("30000", "-1"), "ttl_ms: it is a number that is not whole"),
            ("acquire", CLAIM.replace('}', r#", "term": 7}"#), "unknown field `term`"),
            ("acquire", CLAIM.replace('}', r#", "key": "j"}"#), "unknown field `key`"),
            ("renew", CLAIM.to_owned(), "missing field `term`"),
            ("release", format!(r#"{{{session}, "key": "j"}}"#), "duplicate field `key`"),
            (
                "release",
                format!(r#"{{{session}, "successor": {{"id": "b"}}}}"#),
                "successor: missing field `within_ms`",
            ),
            ("release", format!(r#"{{{session}, "surprise": 1}}"#), "unknown field `surprise`"),
            ("revoke", r#"{"term": "7"}"#.into(), "term: it is a string"),
            ("revoke", r#"{"now": 1}"#.into(), "now: it is a whole number"),
        ] {
            let error = read_about(&key, operation, &body).unwrap_err().to_string();
            assert!(error.starts_with(says), "{operation} {body}: {error}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        let with =
            |old: &str, new: &str| format!(r#"[{{"acquire": {{"key": "k", "claim": {}}}}}]"#, CLAIM.replace(old, new));
        for (text, says) in [
            (with("30000", "-1"), "claim.ttl_ms: it is a number that is not whole"),
            (with("30000", "1.5"), "claim.ttl_ms: it is a number that is not whole"),
            (with("30000", "9007199254740993000"), "or too large"),
            (with("30000", "\"1\""), "claim.ttl_ms: it is a string"),
            (with("\"a\"", "[]"), "claim.id: it is an array, expected is a string"),
            (with("\"a\"", "\"\""), "claim.id: "),
            (with("\"id\"", "\"it\""), "unknown field `it`"),
            (with("\"id\": \"a\", ", ""), "missing field `id`"),
            (with("30000", "1, \"takeover\": \"soon\""), "claim.takeover: unknown variant `soon`"),
            ("[{\"acquire\": 1, \"get\": 2}]".into(), "an object with one field"),
            ("{".into(), "no JSON"),
            ("[".repeat(100) + &"]".repeat(100), "nested"),
        ] {
            assert!(error(&text).contains(says), "{text}: {}", error(&text));
        }
    }
}
