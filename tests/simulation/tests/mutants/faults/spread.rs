//! Faults of the spread: processes that share the keys of a group.

use super::{GROUP_SPREADING, Mutant, SPREAD_PRESENT, SPREAD_RENDEZVOUS, SPREAD_SHARING, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === who goes first ===
    Mutant {
        name: "settled_at_once",
        breaks: "R21",
        why: "it has its place, and has looked: it knows all that there is to know",
        edits: &[edit(
            SPREAD_SHARING,
            "now.saturating_duration_since(joined) >= self.settles_within)",
            "now.saturating_duration_since(joined) >= Duration::ZERO)",
        )],
    },
    Mutant {
        name: "settled_for_ever",
        breaks: "R21",
        why: "a place that is lost for a moment is had again in the next",
        edits: &[edit(SPREAD_SHARING, "        self.joined_at = None;\n        self.settles", "        self.settles")],
    },
    Mutant {
        name: "seat_asked_when_it_comes_up",
        breaks: "R21",
        why: "the event tells when the place is lost, and whoever stood still gets to it soon",
        edits: &[edit(GROUP_SPREADING, "        spreading.ask_the_clock();\n", "")],
    },
    Mutant {
        name: "all_claim_at_once",
        breaks: "R21",
        why: "whoever is faster leads, and who is to lead asks for it then",
        edits: &[edit(
            GROUP_SPREADING,
            "Duration::ZERO } else { config.ttl };",
            "Duration::ZERO } else { Duration::ZERO };",
        )],
    },
    Mutant {
        name: "first_while_told",
        breaks: "R21",
        why: "a candidate is told when it is to go first, and nothing else is news",
        edits: &[edit(
            SPREAD_SHARING,
            "            if share.goes_first.replace(goes_first) != Some(goes_first) {",
            "            if share.goes_first.replace(goes_first) != Some(goes_first) && goes_first {",
        )],
    },
    // === who is there ===
    Mutant {
        name: "nobody_seen_where_nothing_is_answered",
        breaks: "R21",
        why: "who cannot be seen is not there",
        edits: &[edit(
            SPREAD_SHARING,
            "        self.found.clear();\n        self.next_look",
            "        self.found.clear();\n        let me = self.me.clone();\n        self.present.retain(|one| one.id == me);\n        self.is_stale = true;\n        self.next_look",
        )],
    },
    Mutant {
        name: "the_dead_are_there",
        breaks: "R21",
        why: "the storage says for how long a lease lasts",
        edits: &[edit(
            SPREAD_PRESENT,
            "            let until = until.min(since.saturating_add(lease.ttl).saturating_add(margin));\n",
            "            let _ = (since, margin);\n",
        )],
    },
    Mutant {
        name: "computed_once",
        breaks: "R21",
        why: "the keys are the same for all, so they are gone through when one is added",
        edits: &[edit(SPREAD_SHARING, "        self.is_stale |= changed;\n", "")],
    },
    Mutant {
        name: "weights_left_out",
        breaks: "R21",
        why: "who has more room gets more",
        edits: &[edit(
            SPREAD_RENDEZVOUS,
            "(0..u64::from(self.weight)).map(",
            "(0..u64::from(self.weight.min(1))).map(",
        )],
    },
    // === moves ===
    Mutant {
        name: "moves_not_counted",
        breaks: "R21",
        why: "few at a time is what keeps it slow",
        edits: &[edit(SPREAD_SHARING, "            self.asked_at.push_back(now);\n", "")],
    },
    Mutant {
        name: "impatient_move",
        breaks: "R21",
        why: "a hand-over waits for the drain timeout, this one too",
        edits: &[edit(GROUP_SPREADING, "_ = wishes.transfer(to, true)", "_ = wishes.transfer(to, false)")],
    },
    Mutant {
        name: "given_to_whom_it_belongs",
        breaks: "R21",
        why: "why wait to be asked, if both know whose it is",
        edits: &[edit(
            SPREAD_SHARING,
            "            let shares = other.wants.iter().filter_map(|want| self.shares.get(want));",
            "            let shares = self.shares.values();",
        )],
    },
    Mutant {
        name: "given_to_whoever_asks",
        breaks: "R21",
        why: "who asks knows why",
        edits: &[edit(
            SPREAD_SHARING,
            "share.first == Some(place) && facts(share.member).leads);",
            "place < usize::MAX && facts(share.member).leads);",
        )],
    },
    Mutant {
        name: "wants_not_told",
        breaks: "R21",
        why: "the value is set when the place is had, and the lease is renewed anyway",
        edits: &[edit(GROUP_SPREADING, "            spreading.seat.publish(says);\n", "            drop(says);\n")],
    },
    Mutant {
        name: "others_have_all_places",
        breaks: "R14",
        why: "a place that is not granted is taken, and there are others",
        edits: &[edit(
            super::FOLLOW,
            "if says_nothing { again_at } else { self.next_slot(again_at) }",
            "if says_nothing && again_at < self.now { again_at } else { self.next_slot(again_at) }",
        )],
    },
];
