//! What is done wrong around the library: what its documentation forbids or requires.

/// A fault of the environment or of how the library is used: the simulator itself knows it by its name.
pub(crate) struct Misuse {
    pub(crate) name: &'static str,
    pub(crate) breaks: &'static str,
    /// Why somebody would do that.
    pub(crate) why: &'static str,
}

/// Each of these has to be caught too, with the library as it is.
pub(crate) const MISUSES: &[Misuse] = &[
    Misuse {
        name: "clock_stops_in_suspend",
        breaks: "R8",
        why: "the usual monotonic clock stands still while the machine sleeps",
    },
    Misuse {
        name: "two_processes_one_session",
        breaks: "R7",
        why: "the session is drawn from a fixed seed, or copied with the machine's image",
    },
    Misuse {
        name: "ticket_kept",
        breaks: "R9",
        why: "the session is written down at once, and read again at the next start",
    },
    Misuse {
        name: "storage_steps_forward_without_guard",
        breaks: "R10",
        why: "the server's clock is disciplined, and the guard costs a ttl",
    },
    Misuse {
        name: "unfenced_writes",
        breaks: "R11",
        why: "only the leader writes, and it asks `is_leader` right before",
    },
    Misuse {
        name: "storage_forgets_without_freeze",
        breaks: "R5",
        why: "a replica takes over at once, without its newest writes",
    },
    Misuse { name: "rate_beyond_margin", breaks: "R1", why: "clocks do not drift that much" },
    Misuse { name: "get_then_put", breaks: "R4", why: "the storage has only get and put, and nobody is that quick" },
    Misuse {
        name: "swaps_unconditionally",
        breaks: "R4",
        why: "the condition is a parameter that is optional, and is left out where the revision is not at hand",
    },
    Misuse { name: "swaps_in_two_steps", breaks: "R4", why: "the store has no swap: read the revision, compare, put" },
    Misuse {
        name: "revisions_reused",
        breaks: "R4",
        why: "when it was written last is a revision, too, in whole seconds",
    },
    Misuse {
        name: "torn_reads",
        breaks: "R4",
        why: "one request for the revision and one for the content, or a cache for the larger of the two",
    },
    Misuse { name: "reads_miss_own_writes", breaks: "R4", why: "replicas answer reads, and are only a moment behind" },
    Misuse { name: "registers_run_out", breaks: "R5", why: "what nobody has written to for so long is only litter" },
    Misuse {
        name: "observer_steps_forward",
        breaks: "R1",
        why: "the time of day is a clock, and is set right once in a while",
    },
];
