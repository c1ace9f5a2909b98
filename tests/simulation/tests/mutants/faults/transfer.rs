//! Faults of handing over to a named candidate, in both halves.

use super::{END, FOLLOW, Mutant, RECORD, WISHES, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === the storage's half ===
    Mutant {
        name: "reservation_ignored",
        breaks: "R12",
        why: "a released key is free, and who comes first has it",
        edits: &[edit(
            RECORD,
            "if record.session.is_none() && record.id != claim.id {",
            "if record.session.is_none() && record.id != claim.id && false {",
        )],
    },
    Mutant {
        name: "plain_release_reserves",
        breaks: "R12",
        why: "a release takes the session away, and nothing else has to change",
        edits: &[edit(
            RECORD,
            "Self { session: None, version: self.version.next(), expires_ms: 0, ..self.clone() }",
            "Self { session: None, version: self.version.next(), ..self.clone() }",
        )],
    },
    Mutant {
        name: "reserved_for_the_one_before",
        breaks: "R12",
        why: "the record names who held the lease last, and a release leaves that as it is",
        edits: &[edit(
            RECORD,
            "Self { id: successor.id.clone(), ttl_ms, expires_ms, ..freed }",
            "Self { ttl_ms, expires_ms, ..freed }",
        )],
    },
    // === the candidate's half ===
    Mutant {
        name: "successor_forgotten",
        breaks: "R12",
        why: "a transfer is a resignation, and all that differs is said at its beginning",
        edits: &[edit(END, "ending.successor = Some(to);", "let _ = (to, &ending);")],
    },
    Mutant {
        name: "transfer_not_passed_on",
        breaks: "R12",
        why: "a wish to resign is noted by its number, and the driver acts on numbers",
        edits: &[edit(
            WISHES,
            "self.new_ones().transfer = Some((to, is_patient));",
            "let _ = (to, is_patient);
        self.new_ones().resign = true;",
        )],
    },
    Mutant {
        name: "reserved_asked_at_once",
        breaks: "R13",
        why: "a lease that is not live may be had any moment, so it is asked for again",
        edits: &[edit(
            FOLLOW,
            "_ => self.pause(retry_after),
        };
        self.see_leader(lease);",
            "Some(lease) if lease.id.is_none() => Duration::ZERO,
            _ => self.pause(retry_after),
        };
        self.see_leader(lease);",
        )],
    },
];
