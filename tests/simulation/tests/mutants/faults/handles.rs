//! Faults between the driver and the handles.

use super::{ELECTION, LEAD, Mutant, RECORD, REFUSALS, SHARED, SLOTS, WISHES, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === the handles ===
    Mutant {
        name: "hand_over_unanswered",
        breaks: "R9",
        why: "the flag is set where the hand-over begins, and forgotten where it ends",
        edits: &[edit(WISHES, "if self.new.is_none() && !election.is_handing_over() {", "if false {")],
    },
    Mutant {
        name: "news_not_told",
        breaks: "R16",
        why: "who wants to know asks, and listeners of events are woken already",
        edits: &[edit(SHARED, "        changed.notify(usize::MAX);\n", "        let _ = changed;\n")],
    },
    Mutant {
        name: "value_not_renewed",
        breaks: "R16",
        why: "a renewal moves the time, and an update of one column is cheaper",
        edits: &[edit(RECORD, "            value: value.cloned(),", "            value: self.value.clone(),")],
    },
    Mutant {
        name: "newest_value_said_to_be_stored",
        breaks: "R16",
        why: "the storage said yes, so it has what is published",
        edits: &[
            edit(
                LEAD,
                "self.stored = self.stored.max(request.serial);\n        self.sighting",
                "self.stored = self.value.serial;\n        self.sighting",
            ),
            edit(
                LEAD,
                "self.stored = self.stored.max(request.serial);\n        if let Some(reign)",
                "self.stored = self.value.serial;\n        if let Some(reign)",
            ),
        ],
    },
    Mutant {
        name: "value_in_a_renewal_not_noted",
        breaks: "R16",
        why: "what goes out is noted where a reign begins, and a renewal only extends it",
        edits: &[edit(
            LEAD,
            "        self.stored = self.stored.max(request.serial);\n        if let Some(reign)",
            "        if let Some(reign)",
        )],
    },
    Mutant {
        name: "wake_up_while_asking_forgotten",
        breaks: "R13",
        why: "a question is under way already, its answer will tell",
        edits: &[edit(
            ELECTION,
            "                if self.in_flight.is_some() {\n                    self.woken = true;\n                } else if",
            "                if self.in_flight.is_none() &&",
        )],
    },
    Mutant {
        name: "the_woken_hear_what_was",
        breaks: "R13",
        why: "somebody has just asked for this key, so the answer is known",
        edits: &[edit(SLOTS, "        self.looks_again = false;\n", "")],
    },
    Mutant {
        name: "what_another_heard_does_not_age",
        breaks: "R13",
        why: "the lease is as the storage showed it",
        edits: &[edit(
            REFUSALS,
            "        lasts.saturating_sub(now.saturating_duration_since(self.heard))\n",
            "        let _ = (now, self.heard);\n        lasts\n",
        )],
    },
];
