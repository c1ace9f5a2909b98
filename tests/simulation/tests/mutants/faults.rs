//! What is planted: mistakes that people make in leader election, each in its own copy of the library.

mod candidate;
mod group;
mod handles;
mod registers;
mod slots;
mod spread;
mod storage;
mod transfer;

/// A fault of the library.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// The rule that it breaks.
    pub(crate) breaks: &'static str,
    /// Why somebody would write that.
    pub(crate) why: &'static str,
    pub(crate) edits: &'static [Edit],
}

/// A change to one file. What is replaced has to be there exactly once.
pub(crate) struct Edit {
    pub(crate) file: &'static str,
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
}

const RECORD: &str = "src/storage/record.rs";
const ELECTION: &str = "src/election.rs";
const END: &str = "src/election/end.rs";
const FOLLOW: &str = "src/election/follow.rs";
const LEAD: &str = "src/election/lead.rs";
const REQUEST: &str = "src/election/request.rs";
const DRIVER: &str = "src/driver.rs";
const REFUSALS: &str = "src/storage/refusals.rs";
const STORAGE_LIST: &str = "src/storage/list.rs";
const REGISTER_SEEN: &str = "src/storage/registers/seen.rs";
const REGISTER_STEP: &str = "src/storage/registers/step.rs";
const REGISTER_ROUNDS: &str = "src/storage/registers/rounds.rs";
const REGISTER_WATCH: &str = "src/storage/registers/watch.rs";
const SHARED: &str = "src/shared.rs";
const WISHES: &str = "src/shared/wishes.rs";
const GROUP: &str = "src/group.rs";
const GROUP_DRIVER: &str = "src/group/driver.rs";
const GROUP_RENEWING: &str = "src/group/renewing.rs";
const GROUP_MEMBER: &str = "src/group/member.rs";
const GROUP_OVERLOAD: &str = "src/group/overload.rs";
const GROUP_SPREADING: &str = "src/group/spreading.rs";
const GROUP_ROUSE: &str = "src/group/rouse.rs";
const SLOTS: &str = "src/election/slots.rs";
const SLOT_KEYS: &str = "src/slots.rs";
const SPREAD_PRESENT: &str = "src/spread/present.rs";
const SPREAD_RENDEZVOUS: &str = "src/spread/rendezvous.rs";
const SPREAD_SHARING: &str = "src/spread/sharing.rs";
const CONFIG: &str = "src/config.rs";
const DEADLINE: &str = "src/deadline.rs";

const fn edit(file: &'static str, find: &'static str, replace: &'static str) -> Edit {
    Edit { file, find, replace }
}

/// Each of these has to be caught.
pub(crate) fn all() -> Vec<&'static Mutant> {
    [
        candidate::MUTANTS,
        storage::MUTANTS,
        transfer::MUTANTS,
        handles::MUTANTS,
        group::MUTANTS,
        slots::MUTANTS,
        spread::MUTANTS,
        registers::MUTANTS,
    ]
    .into_iter()
    .flatten()
    .collect()
}
