//! What the handles of a candidate ask for.

use alloc::boxed::Box;
use core::mem;
use core::time::Duration;

use crate::election::{Election, Input};
use crate::text::{Id, Value};

/// What the handles asked for, and how far the driver is with it. Asking twice before the driver looks is asking once.
#[derive(Default)]
pub(crate) struct Wishes {
    stop: bool,
    /// What the driver has not taken up yet. There rarely is anything: it is in a place of its own.
    new: Option<Box<New>>,
    /// How often a hand-over was asked for, and how many of these are done.
    resignations: u64,
    resigned: u64,
    /// The serial of the newest value asked for.
    value_asked: u64,
}

/// What was asked for since the driver last looked.
#[derive(Default)]
struct New {
    value: Option<Option<Value>>,
    claim_delay: Option<Duration>,
    /// A hand-over to nobody in particular.
    resign: bool,
    /// One to whom, and whether patiently.
    transfer: Option<(Id, bool)>,
}

/// How far the election is with what was asked for.
#[derive(PartialEq)]
pub(super) struct Progress {
    stored: u64,
    set: u64,
    resigned: u64,
}

impl Wishes {
    pub(super) fn new(election: &Election) -> Self {
        Self { value_asked: election.serial_set(), ..Self::default() }
    }

    /// Whether nobody has asked for it before.
    pub(crate) const fn stop(&mut self) -> bool {
        !mem::replace(&mut self.stop, true)
    }

    /// For an end that the election may not have been told of.
    pub(crate) fn ask_for_an_end(&self) -> bool {
        self.stop || self.new.as_ref().is_some_and(|new| new.resign || new.transfer.is_some())
    }

    /// The number of this wish, for [`has_resigned`](Self::has_resigned).
    pub(crate) fn resign(&mut self) -> u64 {
        self.new_ones().resign = true;
        self.resignations += 1;
        self.resignations
    }

    /// The number of this wish, for [`has_resigned`](Self::has_resigned). The candidate that is named last is meant.
    pub(crate) fn transfer(&mut self, to: Id, is_patient: bool) -> u64 {
        self.new_ones().transfer = Some((to, is_patient));
        self.resignations += 1;
        self.resignations
    }

    /// The value's serial.
    pub(crate) fn set_value(&mut self, value: Option<Value>) -> u64 {
        self.new_ones().value = Some(value);
        self.value_asked += 1;
        self.value_asked
    }

    pub(crate) fn set_claim_delay(&mut self, delay: Duration) {
        self.new_ones().claim_delay = Some(delay);
    }

    fn new_ones(&mut self) -> &mut New {
        self.new.get_or_insert_default()
    }

    /// Tells what was asked for since the last time. A stop is told each time.
    pub(super) fn tell(&mut self, mut tell: impl FnMut(Input)) {
        let new = self.new.take();
        if self.stop {
            // Before the rest: what is handed over at the same time ends since it was stopped.
            tell(Input::Stop);
        }
        if let Some(new) = new {
            let New { value, claim_delay, resign, transfer } = *new;
            let serial = self.value_asked;
            value.map(|value| Input::SetValue { value, serial }).into_iter().for_each(&mut tell);
            claim_delay.map(Input::SetClaimDelay).into_iter().for_each(&mut tell);
            transfer.map(|(to, is_patient)| Input::Transfer { to, is_patient }).into_iter().for_each(&mut tell);
            // After that: it bounds a patient one.
            resign.then_some(Input::Resign).into_iter().for_each(&mut tell);
        }
    }

    /// How far the election is, which was told of everything. Whoever waits wants to hear when it is further than before.
    pub(super) fn progress(&mut self, election: &Election) -> Progress {
        if self.new.is_none() && !election.is_handing_over() {
            self.resigned = self.resignations;
        }
        Progress { stored: election.serial_stored(), set: election.serial_set(), resigned: self.resigned }
    }

    /// Whether the hand-over of this number is done.
    pub(super) const fn has_resigned(&self, number: u64) -> bool {
        self.resigned >= number
    }
}

/// How far a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueState {
    /// The driver has not taken it up yet.
    Asked,
    /// It goes out with the next claim or renewal.
    Set,
    /// The storage has it.
    Stored,
}
