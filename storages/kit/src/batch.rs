//! Many requests at once.

use core::hash::Hash;
use std::collections::HashMap;

use lessor::storage::UniqueKeys;
use lessor::{Key, StorageError};

use crate::error::AdapterError;

/// The replies of a batch, each in the place of its request.
///
/// Each key is asked for once: where it occurs again the answer is an error. Open requests can be grouped (by
/// operation, by server, by shard), and the answers may come in any order. A request that is never answered gets
/// [`AdapterError::Unfit`].
///
/// ```
/// use lessor::{Key, StorageError};
/// use lessor_kit::batch::Batch;
///
/// // In a storage the requests are `lessor::storage::Request`, and `Request::key` gives their keys.
/// let keys = [Key::new("a")?, Key::new("b")?, Key::new("a")?];
/// let mut batch = Batch::new(keys.iter().map(Some));
/// for (place, key) in batch.open(&keys) {
///     batch.answer(place, Ok(key.to_string()));
/// }
/// let answers = batch.into_answers();
/// assert_eq!(answers[0].as_deref(), Ok("a"));
/// assert_eq!(answers[1].as_deref(), Ok("b"));
/// assert!(answers[2].is_err(), "key \"a\" occurs more than once");
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug)]
pub struct Batch<A>(Vec<Option<Result<A, StorageError>>>);

impl<A> Batch<A> {
    /// For requests about these keys, in their order. `None` is a request that is about no single key, such as a list:
    /// it is never a duplicate.
    pub fn new<'k>(keys: impl IntoIterator<Item = Option<&'k Key>>) -> Self {
        let mut unique = UniqueKeys::default();
        let mut admit = |key: Option<&'k Key>| unique.first_time(key?).err().map(Err);
        Self(keys.into_iter().map(&mut admit).collect())
    }

    /// The requests without an answer, each with its place, in their order. `requests` are all of the batch, or
    /// something for each of them.
    #[must_use]
    pub fn open<R>(&self, requests: impl IntoIterator<Item = R>) -> Vec<(usize, R)> {
        let requests = requests.into_iter().zip(&self.0).enumerate();
        requests.filter(|(_, (_, answer))| answer.is_none()).map(|(place, (request, _))| (place, request)).collect()
    }

    /// [`open`](Self::open) in groups: those for which `group` gives the same. Groups, and the requests of each, are in
    /// the order in which they occur.
    #[must_use]
    pub fn groups<R, G: Clone + Eq + Hash>(
        &self,
        requests: impl IntoIterator<Item = R>,
        group: impl Fn(&R) -> G,
    ) -> Vec<(G, Vec<(usize, R)>)> {
        let mut groups: Vec<(G, Vec<(usize, R)>)> = Vec::new();
        let mut numbers = HashMap::new();
        for (place, request) in self.open(requests) {
            let group = group(&request);
            let number = *numbers.entry(group.clone()).or_insert(groups.len());
            match groups.get_mut(number) {
                Some((_, some)) => some.push((place, request)),
                None => groups.push((group, vec![(place, request)])),
            }
        }
        groups
    }

    /// Puts an answer in its place. The first one stays: a second one is ignored, and so is one for no place.
    pub fn answer(&mut self, place: usize, answer: Result<A, StorageError>) {
        if let Some(open @ None) = self.0.get_mut(place) {
            *open = Some(answer);
        }
    }

    /// Puts answers in the places of all that is open, in their order. Those that are missing leave their places open.
    pub fn answer_open(&mut self, answers: impl IntoIterator<Item = Result<A, StorageError>>) {
        let open = self.0.iter_mut().filter(|answer| answer.is_none());
        for (open, answer) in open.zip(answers) {
            *open = Some(answer);
        }
    }

    /// An answer for each request, in the order of the requests.
    #[must_use]
    pub fn into_answers(self) -> Vec<Result<A, StorageError>> {
        self.0.into_iter().map(|answer| answer.unwrap_or_else(|| Err(AdapterError::Unfit.into()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor::storage::DuplicateKey;

    fn keys(names: &[&str]) -> Vec<Key> {
        names.iter().map(|name| Key::new(name).unwrap()).collect()
    }

    #[test]
    fn each_key_is_asked_once() {
        let keys = keys(&["a", "b", "a", "c", "b"]);
        let mut batch = Batch::new(keys.iter().map(Some));
        assert_eq!(batch.open(0..).into_iter().unzip(), (vec![0, 1, 3], vec![0, 1, 3]));
        batch.answer_open(["A", "B", "C"].map(Ok));
        let answers = batch.into_answers();
        assert_eq!((&answers[0], &answers[1], &answers[3]), (&Ok("A"), &Ok("B"), &Ok("C")));
        for place in [2, 4] {
            let error = answers[place].as_ref().unwrap_err();
            let duplicate = error.get_ref().downcast_ref::<DuplicateKey>();
            assert!(duplicate.is_some_and(|duplicate| duplicate.0 == keys[place]), "{error}");
        }
    }

    #[test]
    fn what_has_no_key_is_no_duplicate() {
        let mut batch = Batch::new([None, None]);
        batch.answer_open([Ok(1), Ok(2)]);
        assert_eq!(batch.into_answers(), [Ok(1), Ok(2)]);
    }

    #[test]
    fn answers_come_in_any_order() {
        let keys = keys(&["a", "b", "c", "d"]);
        let mut batch = Batch::new(keys.iter().map(Some));
        batch.answer(3, Ok("D"));
        batch.answer(0, Ok("A"));
        batch.answer(0, Ok("again"));
        batch.answer(4, Ok("nowhere"));
        assert_eq!(batch.open(["a", "b", "c", "d"]), [(1, "b"), (2, "c")]);
        let unfit = || Err(AdapterError::Unfit.into());
        assert_eq!(batch.into_answers(), [Ok("A"), unfit(), unfit(), Ok("D")]);
    }

    #[test]
    fn too_few_answers_leave_the_rest_open() {
        let keys = keys(&["a", "b"]);
        let mut batch = Batch::new(keys.iter().map(Some));
        batch.answer_open([Ok(1)]);
        batch.answer_open([Ok(2), Ok(3)]);
        assert_eq!(batch.into_answers(), [Ok(1), Ok(2)]);
    }

    #[test]
    fn groups_have_what_is_open() {
        let keys = keys(&["a", "b", "a", "c", "d"]);
        let mut batch = Batch::new(keys.iter().map(Some));
        batch.answer(4, Ok(()));
        let groups = batch.groups(&keys, |key| key.as_str() == "b");
        assert_eq!(groups, [(false, vec![(0, &keys[0]), (3, &keys[3])]), (true, vec![(1, &keys[1])])]);
    }
}
