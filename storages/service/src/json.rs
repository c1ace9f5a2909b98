//! Reading JSON. The platform parses it (JavaScript on WebAssembly), and serde takes it from there: `serde_json`'s reader, which writes floats into
//! its errors, would add a quarter to the Worker. Errors name the field.

use core::fmt;

use lessor::Key;
use lessor_wire::WireRequest;
use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
};
use serde::de::{Unexpected, VariantAccess, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod script;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::parse;
#[cfg(target_family = "wasm")]
pub(crate) use script::parse;

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

/// Why JSON could not be read: what is wrong, and in which field.
#[derive(Debug, Default)]
pub struct Unread {
    /// The field, innermost first.
    path: Vec<String>,
    what: String,
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
    WireRequest::deserialize(Json::Object(vec![named(operation, Json::Object(fields))])).map_err(|mut error| {
        error.path.pop_if(|field| field == "claim");
        error
    })
}

impl Unread {
    /// Where, if that is known.
    pub(crate) fn place(&self) -> String {
        self.path.iter().rev().map(|field| format!(", in {field}")).collect()
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, field) in self.path.iter().rev().enumerate() {
            f.write_str(if number == 0 { "" } else { "." })?;
            f.write_str(field)?;
        }
        f.write_str(if self.path.is_empty() { "" } else { ": " })?;
        f.write_str(&self.what)
    }
}

impl core::error::Error for Unread {}

impl Unread {
    pub(crate) fn because(what: impl Into<String>) -> Self {
        Self { path: Vec::new(), what: what.into() }
    }

    pub(crate) fn within(mut self, field: &str) -> Self {
        self.path.push(field.to_owned());
        self
    }
}

impl de::Error for Unread {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::because(what.to_string())
    }

    // Without the number that was there: to write floats takes more room than everything else here.
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
            Unexpected::Float(_) => "a number that is not whole, or too large",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "an array",
            _ => "an object",
        };
        Self::because(format!("it is {found}, expected is {expected}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
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

impl Json {
    /// The number, if it is whole and not negative: no other one is read here.
    fn whole(&self) -> Option<u64> {
        match self {
            Self::Number(number) if (0.0..=MOST).contains(number) && number.fract() == 0.0 => Some(*number as u64),
            _ => None,
        }
    }

    /// It is something else than was expected.
    fn unfit(&self, expected: &dyn Expected) -> Unread {
        let found = match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(number) => self.whole().map_or(Unexpected::Float(*number), Unexpected::Unsigned),
            Self::Text(text) => Unexpected::Str(text),
            Self::List(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        };
        de::Error::invalid_type(found, expected)
    }
}

macro_rules! whole_numbers {
    ($($deserialize:ident)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
            match self.whole() {
                Some(number) => visitor.visit_u64(number),
                None => Err(self.unfit(&visitor)),
            }
        }
    )*};
}

/// Whoever asks for a kind of value is given that kind or an error. To offer every visitor every kind would do, too, and
/// make the Worker a tenth larger.
impl<'de> de::Deserializer<'de> for Json {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match self.whole() {
                Some(number) => visitor.visit_u64(number),
                None => visitor.visit_f64(number),
            },
            Self::Text(text) => visitor.visit_string(text),
            list @ Self::List(_) => list.deserialize_seq(visitor),
            object @ Self::Object(_) => object.deserialize_map(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::Text(text) => visitor.visit_string(text),
            other => Err(other.unfit(&visitor)),
        }
    }

    whole_numbers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::List(list) => visitor.visit_seq(Items(list.into_iter())),
            other => Err(other.unfit(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::Object(fields) => visitor.visit_map(Fields { fields: fields.into_iter(), next: None }),
            other => Err(other.unfit(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_map(visitor)
    }

    /// What nobody wants to know.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if matches!(self, Self::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        match self {
            Self::Text(variant) => visitor.visit_enum(Variant(variant, Self::Null)),
            Self::Object(mut fields) if fields.len() == 1 => match fields.pop() {
                Some((variant, content)) => visitor.visit_enum(Variant(variant, content)),
                None => Err(Unread::default()),
            },
            _ => Err(Unread::because("expected is a word, or an object with one field")),
        }
    }

    forward_to_deserialize_any! {
        bool f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// Numbers of JavaScript are exact up to here.
const MOST: f64 = 9_007_199_254_740_991.0;

struct Items(std::vec::IntoIter<Json>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Unread;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unread> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }
}

struct Fields {
    fields: std::vec::IntoIter<(String, Json)>,
    next: Option<(String, Json)>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        self.next = self.fields.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let name: StrDeserializer<'_, Unread> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unread> {
        let (name, value) = self.next.take().ok_or_else(Unread::default)?;
        seed.deserialize(value).map_err(|error| error.within(&name))
    }
}

struct Variant(String, Json);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unread;
    type Variant = Json;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Json), Unread> {
        let Self(name, content) = self;
        let name: StrDeserializer<'_, Unread> = name.as_str().into_deserializer();
        Ok((seed.deserialize(name)?, content))
    }
}

impl<'de> VariantAccess<'de> for Json {
    type Error = Unread;

    fn unit_variant(self) -> Result<(), Unread> {
        if matches!(self, Self::Null) { Ok(()) } else { Err(Unread::because("expected is a word alone")) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unread> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unread> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Unread> {
        de::Deserializer::deserialize_map(self, visitor)
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
