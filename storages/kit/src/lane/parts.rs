//! A flight that one of its requests holds up or brings down, in parts.

use core::mem;
use std::collections::VecDeque;

use lessor::StorageError;
use lessor::storage::Request;

use super::Answer;

/// How many parts are asked for: enough to find a handful of requests among a thousand.
const MOST: usize = 64;

/// So many of them are one request each, where all larger ones were refused: whether all of them are.
const SAMPLES: usize = 16;

/// Which parts of a flight to ask for, where the server refuses all of it for what one request has in it, or for a lock that
/// one has met: the halves of what was refused, the large ones first, so that a thousand keys do not suffer from one, and cost
/// some twenty round trips.
///
/// A [`Server`](super::Server) whose statements succeed or fail as a whole asks by it. The first part is the whole flight.
///
/// ```
/// use lessor::storage::{Get, Reply, Request};
/// use lessor::{Key, StorageError};
/// use lessor_kit::lane::{Answer, Parts};
///
/// let requests: Vec<Request> = vec![Get::new(Key::new("a")?).into(), Get::new(Key::new("b")?).into()];
/// let mut parts = Parts::of(&requests);
/// while let Some(part) = parts.next_part() {
///     if part.iter().any(|request| request.key().is_some_and(|key| key.as_str() == "a")) {
///         parts.refused(StorageError::permanent("a is not wanted"));
///     } else {
///         parts.answered(part.iter().map(|_| Answer::done(Ok(Reply::Got(None)))).collect());
///     }
/// }
/// let answers = parts.into_answers();
/// assert!(matches!(&answers[..], [Answer::Done { reply: Err(_), .. }, Answer::Done { reply: Ok(_), .. }]));
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug)]
pub struct Parts<'r> {
    requests: &'r [Request],
    /// Where each begins, and how long it is.
    open: VecDeque<(usize, usize)>,
    asked: (usize, usize),
    count: usize,
    answers: Vec<Option<Answer>>,
    /// Of the newest refusal, as long as no part was answered.
    refused: Option<StorageError>,
    is_answered: bool,
}

impl<'r> Parts<'r> {
    /// Of this flight.
    #[must_use]
    pub fn of(requests: &'r [Request]) -> Self {
        Self {
            requests,
            open: VecDeque::from([(0, requests.len())]),
            asked: (0, 0),
            count: 0,
            answers: requests.iter().map(|_| None).collect(),
            refused: None,
            is_answered: false,
        }
    }

    /// What to ask for next: tell what came of it before the next one. `None`: there is nothing more to ask for.
    pub fn next_part(&mut self) -> Option<&'r [Request]> {
        if self.count == MOST {
            return None;
        }
        self.count += 1;
        let (from, mut length) = self.open.pop_front()?;
        if !self.is_answered && self.count > MOST - SAMPLES && length > 1 {
            self.open.push_back((from + 1, length - 1));
            length = 1;
        }
        self.asked = (from, length);
        self.requests.get(from..from + length)
    }

    /// Each request of the part has its answer, in its place.
    pub fn answered(&mut self, answers: Vec<Answer>) {
        self.is_answered = true;
        let (from, length) = mem::take(&mut self.asked);
        for (open, answer) in self.answers.iter_mut().skip(from).take(length).zip(answers) {
            *open = Some(answer);
        }
    }

    /// The part was refused as a whole, and nothing of it was done: its halves are asked for.
    pub fn refused(&mut self, error: StorageError) {
        self.halve(|| Answer::done(Err(error.clone())));
        self.refused = Some(error);
    }

    /// One of the part has met a lock that another holds, and nothing of it was done: its halves are asked for. A request that
    /// is alone is [locked](Answer::Locked).
    ///
    /// Where that takes time the server should give up soon, and [answer](Self::answered) the part so.
    pub fn locked(&mut self) {
        self.is_answered = true;
        self.halve(|| Answer::Locked);
    }

    /// `alone`: the answer to a part that is one request.
    fn halve(&mut self, alone: impl FnOnce() -> Answer) {
        let (from, length) = mem::take(&mut self.asked);
        match self.answers.get_mut(from) {
            Some(open) if length == 1 => *open = Some(alone()),
            _ => {
                let half = length / 2;
                self.open.extend([(from, half), (from + half, length - half)]);
            }
        }
    }

    /// One for each request. Where some are left, and nothing was taken, all are refused: that is no matter of one of them.
    /// Else those that are left are [locked](Answer::Locked): each comes again alone.
    #[must_use]
    pub fn into_answers(self) -> Vec<Answer> {
        let refused = self.refused.filter(|_| !self.is_answered);
        let left = || refused.clone().map_or(Answer::Locked, |error| Answer::done(Err(error)));
        self.answers.into_iter().map(|answer| answer.unwrap_or_else(left)).collect()
    }
}

#[cfg(test)]
mod tests {
    use lessor::Key;
    use lessor::storage::{Get, Reply};

    use super::*;

    /// How often it asks where these are refused, and the answers.
    fn asked(count: usize, refused: impl Fn(usize) -> bool) -> (usize, Vec<Answer>) {
        let requests: Vec<Request> =
            (0..count).map(|number| Get::new(Key::new(number.to_string()).unwrap()).into()).collect();
        let mut parts = Parts::of(&requests);
        let mut asked = 0;
        while let Some(part) = parts.next_part() {
            asked += 1;
            let is_refused = |request: &Request| refused(request.key().unwrap().as_str().parse().unwrap());
            if part.iter().any(is_refused) {
                parts.refused(StorageError::permanent("no"));
            } else {
                parts.answered(part.iter().map(|_| Answer::done(Ok(Reply::Got(None)))).collect());
            }
        }
        (asked, parts.into_answers())
    }

    #[test]
    fn each_is_answered_by_itself() {
        for (count, wrong, most) in
            [(1, vec![], 1), (1, vec![0], 1), (1024, vec![], 1), (1024, vec![700], 21), (1000, vec![0, 1, 2, 999], 50)]
        {
            let (asked, answers) = asked(count, |number| wrong.contains(&number));
            assert!(asked <= most && answers.len() == count, "{asked} for {wrong:?} of {count}");
            for (number, answer) in answers.iter().enumerate() {
                let Answer::Done { reply, .. } = answer else { panic!("{number}: {answer:?}") };
                assert_eq!(reply.is_err(), wrong.contains(&number), "{number}");
            }
        }
    }

    #[test]
    fn what_all_suffer_from_is_found_out_soon() {
        let (count, answers) = asked(1024, |_| true);
        assert!(count == MOST && answers.len() == 1024);
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Done { reply: Err(_), .. })));
    }

    #[test]
    fn who_meets_a_lock_comes_again_alone() {
        let requests: Vec<Request> =
            (0..100).map(|number| Get::new(Key::new(number.to_string()).unwrap()).into()).collect();
        let mut parts = Parts::of(&requests);
        while let Some(part) = parts.next_part() {
            if part.contains(&requests[7]) {
                parts.locked();
            } else {
                parts.answered(part.iter().map(|_| Answer::done(Ok(Reply::Got(None)))).collect());
            }
        }
        for (number, answer) in parts.into_answers().iter().enumerate() {
            assert_eq!(matches!(answer, Answer::Locked), number == 7, "{number}: {answer:?}");
        }
    }

    /// Nobody hears another's error.
    #[test]
    fn what_is_left_comes_again_alone() {
        let (count, answers) = asked(1024, |number| number % 20 == 0);
        assert_eq!(count, MOST, "all that are large have such a one");
        for (number, answer) in answers.iter().enumerate() {
            assert!(number % 20 == 0 || !matches!(answer, Answer::Done { reply: Err(_), .. }), "{number}");
        }
        assert!(answers.iter().any(|answer| matches!(answer, Answer::Locked)));
    }
}
