//! Faults of the storage's half: the record, terms, its clock, operators.

use super::{FOLLOW, LEAD, Mutant, RECORD, REQUEST, STORAGE_LIST, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === the record ===
    Mutant {
        name: "renew_unchecked",
        breaks: "R4",
        why: "who renews is the leader: an update by key alone, with the session among what is set",
        edits: &[
            edit(RECORD, "current.filter(own).filter(", "current.filter("),
            edit(
                RECORD,
                "        Verdict::new(Renewed::extended(extended.version), Some(extended))",
                "        let extended = Self { session: Some(renewal.session), ..extended };
        Verdict::new(Renewed::extended(extended.version), Some(extended))",
            ),
        ],
    },
    Mutant {
        name: "renew_revives",
        breaks: "R4",
        why: "nobody else has taken it yet, so what is the harm",
        edits: &[edit(RECORD, "current.filter(own).filter(|record| record.is_live(now_ms))", "current.filter(own)")],
    },
    Mutant {
        name: "release_unchecked",
        breaks: "R4",
        why: "who releases is the leader: a delete by key alone",
        edits: &[edit(RECORD, "current.filter(|record| record.session == Some(release.session))?;", "current?;")],
    },
    Mutant {
        name: "record_deleted_on_release",
        breaks: "R5",
        why: "a free key needs no record",
        edits: &[edit(
            RECORD,
            "let Some(record) = current else {",
            "let Some(record) = current.filter(|record| record.session.is_some()) else {",
        )],
    },
    Mutant {
        name: "same_id_is_me",
        breaks: "R7",
        why: "after a restart the id is the same, and waiting for one's own lease seems silly",
        edits: &[edit(
            RECORD,
            "let mine = record.session == Some(claim.session);",
            "let mine = record.session.is_some() && record.id == claim.id;",
        )],
    },
    Mutant {
        name: "lease_shortened",
        breaks: "R4",
        why: "the next renewal comes soon, so a renewal asks for less, and the storage goes by the last request",
        edits: &[
            edit(RECORD, "let ttl_ms = whole_ms(ttl).max(kept);", "let ttl_ms = whole_ms(ttl);"),
            edit(
                REQUEST,
                "Renewal::new(key, id, session, reign.term, ttl)",
                "Renewal::new(key, id, session, reign.term, ttl / 2)",
            ),
        ],
    },
    Mutant {
        name: "live_lease_taken",
        breaks: "R1",
        why: "it has not moved between two looks, and the swap is atomic",
        edits: &[
            edit(
                RECORD,
                "let stuck = unchanged && !outdated && record.is_ahead_of_the_clock(now_ms);",
                "let stuck = unchanged && !outdated;",
            ),
            edit(FOLLOW, "seen.since.saturating_add(seen.ttl).saturating_add(self.config.margin)", "seen.since"),
        ],
    },
    Mutant {
        name: "refused_claim_writes",
        breaks: "R13",
        why: "an upsert that touches the row in any case is one statement",
        edits: &[edit(
            RECORD,
            "Verdict::new(Acquired::refused(Some(self.lease(now_ms)), Duration::from_millis(retry_after_ms)), None)",
            "let touched = Self { version: self.version.next(), ..self.clone() };
        Verdict::new(Acquired::refused(Some(self.lease(now_ms)), Duration::from_millis(retry_after_ms)), Some(touched))",
        )],
    },
    // === operators ===
    Mutant {
        name: "revoke_keeps_the_term",
        breaks: "R5",
        why: "a revoke is a release by somebody else, and a release leaves the term alone",
        edits: &[edit(RECORD, "record.term.next().unwrap_or(record.term)", "record.term")],
    },
    Mutant {
        name: "revoke_keeps_the_session",
        breaks: "R4",
        why: "the holder cannot renew in another term, so it has lost it anyhow",
        edits: &[edit(
            RECORD,
            "let revoked = Self { term,",
            "let revoked = Self { session: record.session, term,",
        )],
    },
    Mutant {
        name: "revoked_is_free_at_once",
        breaks: "R4",
        why: "the term of the revoke refuses what the former holder writes, so the next one may begin",
        edits: &[edit(RECORD, "let taken = if revoke.now {", "let taken = if true {")],
    },
    Mutant {
        name: "revoked_and_expired_is_free",
        breaks: "R10",
        why: "the lease was over when it was revoked, so that nobody has to wait for its end",
        edits: &[edit(RECORD, "let taken = if revoke.now {", "let taken = if revoke.now || !record.is_live(now_ms) {")],
    },
    Mutant {
        name: "revoked_is_granted_to_its_holder",
        breaks: "R4",
        why: "whose id the record has holds the key",
        edits: &[edit(
            RECORD,
            "let mine = record.session == Some(claim.session);",
            "let mine = record.session == Some(claim.session) || record.session == Some(Session::NOBODY) && record.id == claim.id;",
        )],
    },
    Mutant {
        name: "revoked_leads_on",
        breaks: "R4",
        why: "a reign lasts until its deadline, whatever the storage says in between",
        edits: &[edit(REQUEST, "                self.lose(LostReason::Superseded);\n", "")],
    },
    Mutant {
        name: "next_page_skips_its_first",
        breaks: "lists",
        why: "the next page begins after the last key that was shown, and this one is taken for that",
        edits: &[edit(
            STORAGE_LIST,
            "first.is_none_or(|first| key >= first)",
            "first.is_none_or(|first| key > first)",
        )],
    },
    // === terms ===
    Mutant {
        name: "term_not_bumped",
        breaks: "R5",
        why: "the term is set when the row is inserted, and the upsert forgets it",
        edits: &[edit(
            RECORD,
            "        term_after(claim.after.max(Some(self.term)), seed)",
            "        claim.after.max(Some(self.term)).max(Some(seed))",
        )],
    },
    Mutant {
        name: "after_unchecked",
        breaks: "R6",
        why: "a claim is a claim, and free is free, whatever the claimant last saw",
        edits: &[edit(RECORD, "let outdated = claim.after < Some(record.term);", "let outdated = false;")],
    },
    Mutant {
        name: "own_live_lease_keeps_its_term",
        breaks: "R6",
        why: "it is mine already, so nothing is granted anew",
        edits: &[edit(
            RECORD,
            "let term = if outdated { Some(record.term) } else { record.next_term(claim, seed) };",
            "let term = Some(record.term);",
        )],
    },
    Mutant {
        name: "own_expired_lease_keeps_its_term",
        breaks: "R6",
        why: "nobody led in between, so the reign seems to go on",
        edits: &[edit(
            RECORD,
            "record.grant(claim, record.next_term(claim, seed), now_ms)",
            "record.grant(claim, if mine { Some(record.term) } else { record.next_term(claim, seed) }, now_ms)",
        )],
    },
    Mutant {
        name: "known_not_recorded",
        breaks: "R6",
        why: "the term lives in the reign, and the reign is gone",
        edits: &[edit(LEAD, "        self.known = self.known.max(Some(term));\n", "")],
    },
    Mutant {
        name: "seed_ignored",
        breaks: "R5",
        why: "counting starts at one, and storage does not forget",
        edits: &[
            edit(RECORD, "Some(term) => Some(term.next()?.max(seed)),", "Some(term) => term.next(),"),
            edit(RECORD, "None => Some(seed),", "None => Some(Term::FIRST),"),
        ],
    },
    // === the storage's clock ===
    Mutant {
        name: "left_not_capped",
        breaks: "R10",
        why: "an instant in the record is compared with the clock, and clocks go forward",
        edits: &[
            edit(
                RECORD,
                "self.expires_ms.saturating_sub(now_ms).min(self.ttl_ms)",
                "self.expires_ms.saturating_sub(now_ms)",
            ),
            edit(RECORD, "if live && !stuck {", "if live {"),
        ],
    },
    Mutant {
        name: "guard_skipped",
        breaks: "R10",
        why: "the storage says that it has expired, and the option is forgotten where it counts",
        edits: &[edit(
            FOLLOW,
            "let judges_itself = self.config.takeover_guard || !self.config.takeover_delay.is_zero();",
            "let judges_itself = false;",
        )],
    },
    Mutant {
        name: "watch_not_restarted",
        breaks: "R10",
        why: "the watch begins at the first sight of a holder, and a renewal does not change who that is",
        edits: &[edit(FOLLOW, "(seen.term, seen.version) == (lease.term, lease.version)", "seen.term == lease.term")],
    },
    Mutant {
        name: "version_not_bumped",
        breaks: "R10",
        why: "a renewal changes only when the lease ends",
        edits: &[edit(
            RECORD,
            "        Verdict::new(Renewed::extended(extended.version), Some(extended))",
            "        let extended = Self { version: record.version, ..extended };
        Verdict::new(Renewed::extended(extended.version), Some(extended))",
        )],
    },
];
