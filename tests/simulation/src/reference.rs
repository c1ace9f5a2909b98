//! The protocols of others, written from their documented behaviour, to run under the same faults.

use std::fmt::Debug;
use std::time::Duration;

use crate::maybe_send::MaybeSend;
use crate::random::Random;

pub mod client_go;
pub mod less;

/// What a machine's clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The time of day in ms: it may be wrong by any offset, and may step.
    pub wall_ms: i64,
    /// The time since some moment. It never goes back; it stands still while the machine sleeps, as Go's does.
    pub monotonic: Duration,
}

/// A call failed or took longer than its timeout. Whether it was applied is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// What a participant does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Todo<Q> {
    /// Sends this to the storage and waits for the answer at most this long.
    Call {
        /// What it asks.
        request: Q,
        /// For how long it waits.
        timeout: Duration,
    },
    /// Waits until its monotonic clock says this.
    Wait {
        /// That.
        until: Duration,
    },
}

/// One participant in a protocol, and what the storage does for it. No I/O, no clock of its own.
pub trait Reference: MaybeSend + 'static {
    /// What to call the protocol.
    const NAME: &'static str;
    /// What goes to the storage.
    type Request: Clone + Debug + MaybeSend + 'static;
    /// What comes back.
    type Answer: Clone + Debug + MaybeSend + 'static;
    /// What the storage keeps for a key.
    type Row: Clone + Debug + PartialEq + MaybeSend + 'static;

    /// A participant with its defaults, just started. `id` is nobody else's, also not of an earlier start.
    fn start(id: u64, random: Random, clocks: Clocks) -> Self;

    /// What to do now. Called when it is started, when a wait is over and after each answer; never while a call is
    /// under way.
    fn next(&mut self, clocks: Clocks) -> Todo<Self::Request>;

    /// What came of the call.
    fn answered(&mut self, clocks: Clocks, answer: Result<Self::Answer, Failed>);

    /// What it tells its user when asked.
    fn is_leader(&self, clocks: Clocks) -> bool;

    /// The storage applies a request to the row of its key, as one step, at `storage_ms` of its own clock.
    fn apply(row: &mut Option<Self::Row>, request: &Self::Request, storage_ms: u64) -> Self::Answer;

    /// Who holds the key by this row, and for how long after the row was written; for pictures.
    fn holder(row: &Self::Row) -> (Option<u64>, Duration);

    /// One word for a request.
    fn operation(request: &Self::Request) -> &'static str;

    /// One word for an answer.
    fn outcome(answer: &Self::Answer) -> &'static str;
}
