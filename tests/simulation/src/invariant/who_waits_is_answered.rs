//! R9, R16: handles hear of everything: whoever waits for an election, a hand-over or a value is answered, and what a
//! leader published is what the storage shows.

use lessor::Value;

use crate::plan::Kind;
use crate::sim::World;

const RULE: &str = "who waits is answered";

/// What the program of an instance waits for, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// What it asked for and was not answered yet.
    pub(crate) waits_for: Option<&'static str>,
    /// The newest term that it was told it leads in.
    pub(crate) elected: u64,
    /// What it published last.
    pub(crate) value: Option<Value>,
}

impl World {
    /// All has been well for a while.
    pub(super) fn check_answers(&mut self, seat: usize) {
        let state = &self.seats[seat];
        let (key, term, leads) = (state.key, state.term, state.leads);
        let handles = state.participant.kind != Kind::Batch;
        let Desk { waits_for, elected, value } = &state.desk;
        let shown = self.store.value(key);
        let wrong = if let Some(what) = waits_for {
            format!("still waits for {what}")
        } else if leads && handles && *elected != term {
            format!("leads in term {term}, and waits to be told so since term {elected}")
        } else if leads && shown != value.as_ref() {
            format!("published {value:?}, and the storage shows {shown:?}")
        } else {
            return;
        };
        let name = self.name(seat);
        self.fail(RULE, format!("{name} {wrong}"));
    }
}
