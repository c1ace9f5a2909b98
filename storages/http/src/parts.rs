//! A batch in parts that the service takes: each is one request over HTTP.

use lessor::StorageError;
use lessor::storage::{List, Request};
use lessor_wire::WireRequest;

/// The most operations of one part.
const MOST: usize = 256;

/// The longest part, in bytes.
const LONGEST: usize = 512 * 1024;

/// The most keys that the lists of one part may ask for.
const LISTED: usize = List::MAX_LIMIT;

/// Some requests of a batch, as they are sent together.
#[derive(Default)]
pub(crate) struct Part {
    /// What has been written of an array in JSON: all but its end.
    text: String,
    /// Where in the batch the replies belong.
    pub(crate) places: Vec<usize>,
    /// How many keys its lists ask for.
    listed: usize,
}

impl Part {
    /// The body of the request.
    pub(crate) fn body(&self) -> String {
        format!("{}]", self.text)
    }

    fn has_room_for(&self, text: &str, listed: usize) -> bool {
        // A bracket or a comma before it, a bracket after it.
        let fits = self.text.len() + text.len() + 2 <= LONGEST;
        self.places.is_empty() || (fits && self.places.len() < MOST && self.listed + listed <= LISTED)
    }

    fn push(&mut self, place: usize, text: &str, listed: usize) {
        self.text.push(if self.places.is_empty() { '[' } else { ',' });
        self.text.push_str(text);
        self.places.push(place);
        self.listed += listed;
    }
}

/// The parts of a batch.
#[derive(Default)]
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    /// Adds a request, whose reply belongs into this place.
    pub(crate) fn push(&mut self, place: usize, request: Request) -> Result<(), StorageError> {
        let listed = if let Request::List(list) = &request { list.page_size() } else { 0 };
        let text = serde_json::to_string(&WireRequest::try_from(request)?).map_err(StorageError::permanent)?;
        match self.0.last_mut().filter(|part| part.has_room_for(&text, listed)) {
            Some(part) => part.push(place, &text, listed),
            None => {
                let mut part = Part::default();
                part.push(place, &text, listed);
                self.0.push(part);
            }
        }
        Ok(())
    }
}

impl IntoIterator for Parts {
    type Item = Part;
    type IntoIter = std::vec::IntoIter<Part>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use lessor::storage::{Claim, Get, Session};
    use lessor::{Id, Key, Value};

    fn parts(requests: impl IntoIterator<Item = Request>) -> Vec<Part> {
        let mut parts = Parts::default();
        for (place, request) in requests.into_iter().enumerate() {
            parts.push(place, request).unwrap();
        }
        parts.into_iter().collect()
    }

    fn get(number: usize) -> Request {
        Get::new(Key::new(format!("{number:03}")).unwrap()).into()
    }

    fn sizes(parts: &[Part]) -> Vec<usize> {
        parts.iter().map(|part| part.places.len()).collect()
    }

    #[test]
    fn one_array_each() {
        let parts = parts([get(1), get(2)]);
        assert_eq!(parts[0].body(), r#"[{"get":{"key":"001"}},{"get":{"key":"002"}}]"#);
        assert_eq!(parts[0].places, [0, 1]);
    }

    #[test]
    fn as_many_as_the_service_takes() {
        assert_eq!(sizes(&parts((0..600).map(get))), [256, 256, 88]);
        assert!(parts([]).is_empty());
    }

    /// Claims with long values fill a part before there are many of them.
    #[test]
    fn as_long_as_the_service_takes() {
        let value = Value::new("\"".repeat(4096)).unwrap();
        let claim = |number: usize| {
            let (key, id) = (Key::new(format!("{number}")).unwrap(), Id::new("a").unwrap());
            let claim = Claim::new(key, id, Session::from_bits(1), Duration::from_secs(1));
            claim.value(Some(value.clone())).into()
        };
        let parts = parts((0..150).map(claim));
        assert_eq!(sizes(&parts), [63, 63, 24]);
        assert!(parts.iter().all(|part| part.body().len() <= LONGEST));
    }

    /// Lists of many keys go apart.
    #[test]
    fn as_much_as_the_service_lists() {
        let list = |limit| Request::from(List::new().limit(limit));
        let parts = parts([list(100), get(1), list(900), get(2), list(1), list(usize::MAX)]);
        assert_eq!(sizes(&parts), [4, 1, 1]);
        assert_eq!(parts[2].places, [5]);
    }
}
