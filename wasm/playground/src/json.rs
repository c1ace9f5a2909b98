//! JSON as a page needs it: what is written is never read here.

use std::fmt::{Display, Write as _};
use std::time::Duration;

/// Something that can be written.
pub(crate) trait Json {
    fn write(&self, out: &mut String);
}

/// A number, or whatever else is JSON as it is displayed.
pub(crate) struct Plain<T>(pub(crate) T);

/// An array.
pub(crate) struct List<I>(pub(crate) I);

/// An object: names, which need no escapes, and values.
pub(crate) struct Object<'a>(pub(crate) &'a [(&'static str, &'a dyn Json)]);

impl<T: Display> Json for Plain<T> {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "{}", self.0);
    }
}

/// In ms, and exact to the µs: all digits of a moment are a number that JavaScript has too.
impl Json for Duration {
    fn write(&self, out: &mut String) {
        let micros = self.as_micros();
        let _ = write!(out, "{}.{:03}", micros / 1000, micros % 1000);
    }
}

impl Json for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl Json for usize {
    fn write(&self, out: &mut String) {
        Plain(self).write(out);
    }
}

impl Json for str {
    fn write(&self, out: &mut String) {
        out.push('"');
        for char in self.chars() {
            match char {
                '"' | '\\' => out.extend(['\\', char]),
                _ if char.is_control() => _ = write!(out, "\\u{:04x}", u32::from(char)),
                _ => out.push(char),
            }
        }
        out.push('"');
    }
}

impl Json for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

impl<T: Json + ?Sized> Json for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl<I: Iterator<Item: Json> + Clone> Json for List<I> {
    fn write(&self, out: &mut String) {
        out.push('[');
        for (place, item) in self.0.clone().enumerate() {
            if place > 0 {
                out.push(',');
            }
            item.write(out);
        }
        out.push(']');
    }
}

impl Json for Object<'_> {
    fn write(&self, out: &mut String) {
        out.push('{');
        for (place, (name, value)) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            let _ = write!(out, "\"{name}\":");
            value.write(out);
        }
        out.push('}');
    }
}

/// A row of an array.
macro_rules! row {
    ($($value:expr),+ $(,)?) => {{
        let row: Vec<$crate::json::Value> = vec![$($crate::json::Value::of(&$value)),+];
        row
    }};
}
pub(crate) use row;

/// A value that is written already.
#[derive(Clone)]
pub(crate) struct Value(String);

impl Value {
    pub(crate) fn of(value: &dyn Json) -> Self {
        let mut text = String::new();
        value.write(&mut text);
        Self(text)
    }
}

impl Json for Value {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut String) {
        List(self.iter()).write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_json() {
        let rows = [row![1_usize, "a \"b\"\n\\"], row![None::<usize>, true]];
        let at = Duration::new(12, 345_678_999);
        let text = Value::of(&Object(&[("at", &at), ("rows", &List(rows.iter())), ("none", &Plain(0.5))])).0;
        assert_eq!(text, r#"{"at":12345.678,"rows":[[1,"a \"b\"\u000a\\"],[null,true]],"none":0.5}"#);
    }
}
