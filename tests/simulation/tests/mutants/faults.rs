//! What is planted: mistakes that people make in leader election, each in its own copy of the library.

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

const RECORD: &str = "src/record.rs";
const ELECTION: &str = "src/election.rs";
const END: &str = "src/election/end.rs";
const FOLLOW: &str = "src/election/follow.rs";
const LEAD: &str = "src/election/lead.rs";
const REQUEST: &str = "src/election/request.rs";
const DRIVER: &str = "src/driver.rs";
const SHARED: &str = "src/shared.rs";
const PUBLISHED: &str = "src/published.rs";

const fn edit(file: &'static str, find: &'static str, replace: &'static str) -> Edit {
    Edit { file, find, replace }
}

/// Each of these has to be caught.
pub(crate) const MUTANTS: &[Mutant] = &[
    // === the deadline ===
    Mutant {
        name: "deadline_from_reply",
        breaks: "R2",
        why: "the lease is new when the reply arrives, so that is when the ttl seems to start",
        edits: &[edit(
            LEAD,
            "        sent.saturating_add(self.config.ttl.saturating_sub(self.config.margin))",
            "        self.now.saturating_add(self.config.ttl.saturating_sub(self.config.margin))",
        )],
    },
    Mutant {
        name: "no_margin",
        breaks: "R1",
        why: "the ttl is the ttl on every machine, if their clocks run alike",
        edits: &[edit(LEAD, "self.config.ttl.saturating_sub(self.config.margin)", "self.config.ttl")],
    },
    Mutant {
        name: "cached_flag",
        breaks: "R3",
        why: "a flag that the loop keeps is cheaper than a look at the clock",
        edits: &[
            edit(ELECTION, "now < reign.deadline && reign.ending.is_none()", "reign.ending.is_none()"),
            edit(PUBLISHED, "let left = deadline.saturating_sub(nanoseconds(now()));", "let left = deadline;"),
        ],
    },
    Mutant {
        name: "late_reply_trusted",
        breaks: "R2",
        why: "the answer to an earlier try is an answer too, and throwing it away seems a waste",
        edits: &[
            edit(ELECTION, "self.in_flight.take_if(|request| request.id == id)", "self.in_flight.take()"),
            edit(DRIVER, "self.call.take_if(|(id, _)| Some(*id) != self.election.in_flight());", ""),
            edit(
                DRIVER,
                "self.call = Some((id, self.request(request))),",
                "{
                    let call = self.request(request);
                    let call: BoxFuture<Reply> = match self.call.take() {
                        None => call,
                        Some((_, before)) => Box::pin(async move {
                            futures::future::select(before, call).await.factor_first().0
                        }),
                    };
                    self.call = Some((id, call));
                }",
            ),
        ],
    },
    Mutant {
        name: "late_renewal_revives",
        breaks: "R3",
        why: "the storage says that it is extended, so it goes on, whatever was said in between",
        edits: &[
            edit(
                ELECTION,
                "self.look_at(now);\n        match input {",
                "self.now = self.now.max(now);\n        match input {",
            ),
            edit(PUBLISHED, "(old != 0).then_some(old.max(at))", "Some(old.max(at))"),
        ],
    },
    // === the record ===
    Mutant {
        name: "renew_unchecked",
        breaks: "R4",
        why: "who renews is the leader: an update by key alone, with the session among what is set",
        edits: &[
            edit(
                RECORD,
                "record.is_live(now_ms) && record.session == Some(claim.session) && record.term == term =>",
                "record.is_live(now_ms) =>",
            ),
            edit(
                RECORD,
                "let extended = record.extended(claim, now_ms);",
                "let extended = Self { session: Some(claim.session), ..record.extended(claim, now_ms) };",
            ),
        ],
    },
    Mutant {
        name: "renew_revives",
        breaks: "R4",
        why: "nobody else has taken it yet, so what is the harm",
        edits: &[edit(RECORD, "record.is_live(now_ms) && record.session ==", "record.session ==")],
    },
    Mutant {
        name: "release_unchecked",
        breaks: "R4",
        why: "who releases is the leader: a delete by key alone",
        edits: &[edit(RECORD, "current.filter(|record| record.session == Some(session))?;", "current?;")],
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
            "let mine = record.session.is_some() && record.holder == claim.holder;",
        )],
    },
    Mutant {
        name: "lease_shortened",
        breaks: "R4",
        why: "the next renewal comes soon, so a renewal asks for less, and the storage goes by the last request",
        edits: &[
            edit(RECORD, "let ttl_ms = whole_ms(claim.ttl).max(kept);", "let ttl_ms = whole_ms(claim.ttl);"),
            edit(
                REQUEST,
                "            ttl: self.config.ttl,",
                "            ttl: if self.reign.is_some() { self.config.ttl / 2 } else { self.config.ttl },",
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
                "!(unchanged && !outdated && record.is_ahead_of_the_clock(now_ms))",
                "!(unchanged && !outdated)",
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
            "lease: Some(self.lease(now_ms)), retry_after }, write: None }",
            "lease: Some(self.lease(now_ms)), retry_after },
            write: Some(Self { version: self.version.next(), ..self.clone() }) }",
        )],
    },
    // === terms ===
    Mutant {
        name: "term_not_bumped",
        breaks: "R5",
        why: "the term is set when the row is inserted, and the upsert forgets it",
        edits: &[edit(
            RECORD,
            "        following(claim.after.max(Some(self.term)), seed)",
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
        edits: &[
            edit(LEAD, "        self.known = self.known.max(Some(term));\n", ""),
            edit(LEAD, "        self.known = self.known.max(Some(reign.term));\n", ""),
        ],
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
            edit(RECORD, "if live && !(unchanged && !outdated && record.is_ahead_of_the_clock(now_ms)) {", "if live {"),
        ],
    },
    Mutant {
        name: "guard_skipped",
        breaks: "R10",
        why: "the storage says that it has expired, and the option is forgotten where it counts",
        edits: &[edit(
            FOLLOW,
            "let own_choice = self.config.takeover_guard || !self.config.takeover_delay.is_zero();",
            "let own_choice = false;",
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
            "let extended = record.extended(claim, now_ms);",
            "let extended = Self { version: record.version, ..record.extended(claim, now_ms) };",
        )],
    },
    // === the end of a reign ===
    Mutant {
        name: "release_before_demotion",
        breaks: "R9",
        why: "first tell the storage, and once it has agreed, oneself",
        edits: &[
            edit(
                END,
                "reign.ending = Some(Ending { drain_until, drained: false });",
                "let _ = Ending { drain_until, drained: false };",
            ),
            edit(
                END,
                "self.events.push_back(Event::Ending { term: reign.term });",
                "if self.release.is_none()
                && let Some(session) = self.session.take()
            {
                self.release = Some(Release { session, attempts: 0, cool_off: !self.stopping });
                self.next_at = self.now;
            }",
            ),
            edit(
                END,
                "        if self.release.take().is_some_and(|release| release.cool_off) {",
                "        let release = self.release.take();
        self.lose(if self.stopping { LostReason::Stopped } else { LostReason::Resigned });
        if release.is_some_and(|release| release.cool_off) {",
            ),
        ],
    },
    Mutant {
        name: "session_kept_after_release",
        breaks: "R9",
        why: "a candidate is who it is, from its start to its end",
        edits: &[edit(END, "self.session.take_if(|_| self.may_hold)", "self.session.filter(|_| self.may_hold)")],
    },
    Mutant {
        name: "release_while_working",
        breaks: "R9",
        why: "cancelled work counts as ended",
        edits: &[edit(
            END,
            "reign.ending = Some(Ending { drain_until, drained: false });",
            "reign.ending = Some(Ending { drain_until, drained: true });",
        )],
    },
    Mutant {
        name: "resign_never_releases",
        breaks: "R12",
        why: "to stop renewing is enough, the lease runs out by itself",
        edits: &[edit(
            END,
            "            self.release = Some(Release { session, attempts: 0, cool_off });",
            "            let _ = Release { session, attempts: 0, cool_off };
            if cool_off {
                return self.cool_off();
            }",
        )],
    },
    Mutant {
        name: "jeopardy_omitted",
        breaks: "R16",
        why: "a loss says it all",
        edits: &[edit(LEAD, "if reason == LostReason::Expired {", "if false {")],
    },
    Mutant {
        name: "loss_told_out_of_order",
        breaks: "R16",
        why: "what is urgent goes first",
        edits: &[edit(
            LEAD,
            "self.events.push_back(Event::Lost { term: reign.term, reason });",
            "self.events.push_front(Event::Lost { term: reign.term, reason });",
        )],
    },
    // === the handles ===
    Mutant {
        name: "hand_over_unanswered",
        breaks: "R9",
        why: "the flag is set where the hand-over begins, and forgotten where it ends",
        edits: &[edit(DRIVER, "if !handing_over {", "if false {")],
    },
    Mutant {
        name: "news_not_told",
        breaks: "R16",
        why: "who wants to know asks, and listeners of events are woken already",
        edits: &[edit(SHARED, "        self.changed.notify(usize::MAX);\n        over", "        over")],
    },
    Mutant {
        name: "value_not_renewed",
        breaks: "R16",
        why: "a renewal moves the time, and an update of one column is cheaper",
        edits: &[edit(
            RECORD,
            "            value: claim.value.clone(),\n        }\n    }\n\n    fn held",
            "            value: self.value.clone(),\n        }\n    }\n\n    fn held",
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
    // === requests ===
    Mutant {
        name: "busy_loop",
        breaks: "R14",
        why: "the sooner it is tried again the better",
        edits: &[edit(REQUEST, "self.next_at = self.now.saturating_add(pause);", "self.next_at = self.now;")],
    },
    Mutant {
        name: "never_claims_again",
        breaks: "R12",
        why: "a wake-up will come when there is news",
        edits: &[edit(
            REQUEST,
            "self.next_at = self.now.saturating_add(pause);",
            "let pause = if operation == Operation::Acquire { crate::config::MAX_DURATION } else { pause };
        self.next_at = self.now.saturating_add(pause);",
        )],
    },
    Mutant {
        name: "failures_end_the_driver",
        breaks: "R14",
        why: "after so many errors something must be wrong for good",
        edits: &[edit(
            REQUEST,
            "        self.last_error = Some(error.clone());",
            "        self.last_error = Some(error.clone());\n        self.stopping |= self.failures >= 3;",
        )],
    },
    Mutant {
        name: "no_request_timeout",
        breaks: "R14",
        why: "the client library has a timeout of its own, surely",
        edits: &[edit(REQUEST, "self.config.request_timeout.min(left)", "left")],
    },
    Mutant {
        name: "one_failure_ends_the_reign",
        breaks: "R14",
        why: "a leader that cannot renew had better step down",
        edits: &[
            edit(REQUEST, "if let Some(most) = self.config.fall_back_after", "if operation == Operation::Renew"),
            edit(REQUEST, "            && self.failures >= most.get()\n", ""),
        ],
    },
];
