//! The storage's half as the proof has it: a twin of `tests/proof/record.py`, quick enough to be asked in every run.
//!
//! It is written from that text, function for function, and shares nothing with [`Record`](lessor::storage::Record), to which it is
//! held. `lessor-proof table` holds both to each other on every small case, and the text in Python to the same cases.
//!
//! Not modelled, as there: texts and values, `since_ms`, the end of the numbers.

mod acquire;
mod answer;
mod clause;
mod judge;
mod kept;
mod others;

pub use answer::Answer;
pub use clause::Clause;
pub use judge::judge;
pub(crate) use judge::while_frozen;
pub use kept::Kept;
pub(crate) use kept::mark;

/// Of times, terms and versions: wide enough for what the code's come to.
pub type Number = i128;

/// A request judged: the answer, and the record after it.
pub type Judgement<'a> = (Answer, Option<Kept<'a>>);
