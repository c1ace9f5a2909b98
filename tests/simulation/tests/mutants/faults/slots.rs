//! Faults of who goes first, and of the slots of a key.

use super::{FOLLOW, Mutant, REQUEST, SLOT_KEYS, SLOTS, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === slots ===
    Mutant {
        name: "slot_switched_in_doubt",
        breaks: "R22",
        why: "where one slot does not answer another one may",
        edits: &[edit(
            REQUEST,
            "        self.next_at = self.now.saturating_add(pause);",
            "        self.next_at = self.now.saturating_add(pause);
        if operation == Operation::Acquire {
            self.may_hold = false;
            self.next_at = self.next_slot(self.next_at);
        }",
        )],
    },
    Mutant {
        name: "one_record_for_all_slots",
        breaks: "R22",
        why: "the slots of a key are its own matter",
        edits: &[edit(
            SLOT_KEYS,
            "Key::new(format!(\"{}{number}\", self.prefix))",
            "Key::new(format!(\"{}{}\", self.prefix, number.min(0)))",
        )],
    },
    Mutant {
        name: "slot_forgotten_at_a_move",
        breaks: "R12",
        why: "what was seen of one slot says nothing of the next",
        edits: &[edit(
            SLOTS,
            "places.seen.insert(mem::replace(&mut places.at, number), seen);",
            "let _ = (mem::replace(&mut places.at, number), seen);",
        )],
    },
    Mutant {
        name: "wake_up_for_one_slot",
        breaks: "R12",
        why: "a wake-up makes the next request due, and that is for the next slot",
        edits: &[edit(
            SLOTS,
            "        self.next_at = self.now;\n        self.begin_round();",
            "        self.next_at = self.now;",
        )],
    },
    Mutant {
        name: "no_pause_between_slots",
        breaks: "R13",
        why: "one of the slots may be free by now",
        edits: &[edit(
            SLOTS,
            "        self.go_to(number);\n        at\n",
            "        self.go_to(number);\n        at.min(self.now)\n",
        )],
    },
    // === who goes first ===
    Mutant {
        name: "released_is_free_for_all",
        breaks: "R12",
        why: "who releases a key has given it to whoever comes",
        edits: &[edit(
            FOLLOW,
            "(Some(lease), _) => Vacancy::Free { since: self.now.saturating_add(lease.time_left) },",
            "(Some(_), _) => Vacancy::Free { since: Instant::from_origin(Duration::ZERO) },",
        )],
    },
    Mutant {
        name: "claimed_without_a_look",
        breaks: "R12",
        why: "when the lease ends was said, so one can tell when it has been over for long enough",
        edits: &[edit(
            FOLLOW,
            "Vacancy::Unseen | Vacancy::Held { .. } => None,",
            "Vacancy::Held { until } => Some(until.saturating_add(self.claim_delay())),
            Vacancy::Unseen => None,",
        )],
    },
    Mutant {
        name: "looks_while_in_doubt",
        breaks: "R6",
        why: "a look shows whether the claim was applied",
        edits: &[edit(
            FOLLOW,
            "let may_claim = self.may_hold || self.may_be_its_own()",
            "let may_claim = self.may_be_its_own()",
        )],
    },
];
