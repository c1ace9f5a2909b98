//! Faults of the candidate's half: the deadline, the end of a reign, requests.

use super::{CONFIG, DEADLINE, DRIVER, ELECTION, END, FOLLOW, LEAD, Mutant, REQUEST, SHARED, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === the deadline ===
    Mutant {
        name: "deadline_from_reply",
        breaks: "R2",
        why: "the lease is new when the reply arrives, so that is when the ttl seems to start",
        edits: &[edit(
            LEAD,
            "        sent.saturating_add(self.config.longest_reign())",
            "        self.now.saturating_add(self.config.longest_reign())",
        )],
    },
    Mutant {
        name: "no_margin",
        breaks: "R1",
        why: "the ttl is the ttl on every machine, if their clocks run alike",
        edits: &[edit(CONFIG, "self.ttl.saturating_sub(self.margin)", "self.ttl")],
    },
    Mutant {
        name: "cached_flag",
        breaks: "R3",
        why: "a flag that the loop keeps is cheaper than a look at the clock",
        edits: &[
            edit(ELECTION, "Phase::Leading(reign) if now < reign.deadline)", "Phase::Leading(_))"),
            edit(DEADLINE, "let left = deadline.saturating_sub(now().to_bits().get());", "let left = deadline;"),
            edit(DEADLINE, "left > 0 && left <= farthest", "left > farthest.min(0)"),
        ],
    },
    Mutant {
        name: "late_reply_trusted",
        breaks: "R2",
        why: "the answer to an earlier try is an answer too, and throwing it away seems a waste",
        edits: &[
            edit(
                ELECTION,
                "self.in_flight.take_if(|_| id == RequestId(self.last_id))",
                "self.in_flight.take_if(|_| id <= RequestId(self.last_id))",
            ),
            edit(
                DRIVER,
                "call.take_if(|(id, _)| Some(*id) != in_flight);",
                "call.take_if(|_| matches!(next, Next::Done));
        let _ = in_flight;",
            ),
            edit(
                DRIVER,
                "*call = Some((id, report.within(Box::pin(async move { storage.call(request).await }))));",
                "let next = report.within(Box::pin(async move { storage.call(request).await }));
            let next: BoxFuture<Answer> = match call.take() {
                None => next,
                Some((_, before)) => Box::pin(async move {
                    futures::future::select(before, next).await.factor_first().0
                }),
            };
            *call = Some((id, next));",
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
                "self.advance_to(now);\n        match input {",
                "self.now = self.now.max(now);\n        match input {",
            ),
            edit(DEADLINE, "(old != 0).then_some(old.max(at))", "Some(old.max(at))"),
        ],
    },
    // === the end of a reign ===
    Mutant {
        name: "release_before_demotion",
        breaks: "R9",
        why: "first tell the storage, and once it has agreed, oneself",
        edits: &[
            // It leads on while it is ending, and that lasts until the release is done.
            edit(
                ELECTION,
                "Phase::Leading(reign) if now < reign.deadline)",
                "Phase::Leading(reign) | Phase::Ending { reign, .. } if now < reign.deadline)",
            ),
            edit(
                END,
                "self.events.push_back(Event::Ending { term: reign.term, reason });",
                "let _ = reason;
                self.next_at = self.now;",
            ),
            edit(
                END,
                "if ending.drained { Some(held_until) } else { Some(held_until.max(ending.drain_until?)) }",
                "let _ = (held_until, ending);
        None",
            ),
            edit(
                REQUEST,
                "        if let Phase::Releasing(releasing) = &self.phase {",
                "        if let (Phase::Ending { .. }, Some(session)) = (&self.phase, self.session) {
            return Some(Release::new(key, session).into());
        }
        if let Phase::Releasing(releasing) = &self.phase {",
            ),
            edit(
                END,
                "        let Phase::Releasing(releasing) = &self.phase else { return };",
                "        if matches!(self.phase, Phase::Ending { .. }) {
            self.session = None;
            self.lose(if self.stopping { LostReason::Stopped } else { LostReason::Resigned });
        }
        let Phase::Releasing(releasing) = &self.phase else { return };",
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
            "Ending { drain_until, drained: false, successor: None }",
            "Ending { drain_until, drained: true, successor: None }",
        )],
    },
    Mutant {
        name: "resign_never_releases",
        breaks: "R12",
        why: "to stop renewing is enough, the lease runs out by itself",
        edits: &[edit(
            END,
            "        self.phase = Phase::Releasing(Box::new(Releasing { session, successor, attempts: 0, then }));
        self.next_at = self.now;
        true",
            "        let _ = Releasing { session, successor, attempts: 0, then };
        false",
        )],
    },
    Mutant {
        name: "release_forgotten",
        breaks: "R12",
        why: "a reign that is over is over, however it ended",
        edits: &[edit(
            LEAD,
            "Phase::Ending { reign, ending } => (reign, Some(ending)),",
            "Phase::Ending { reign, .. } => (reign, None::<Box<super::Ending>>),",
        )],
    },
    Mutant {
        name: "stop_forgets_the_release",
        breaks: "R9",
        why: "who stops stops, and the lease runs out by itself",
        edits: &[
            edit(END, " && !self.begin_release(AfterRelease::Stop, None)", ""),
            edit(
                LEAD,
                "if !self.begin_release(then, successor) && !self.stopping {",
                "if !self.stopping && !self.begin_release(then, successor) {",
            ),
        ],
    },
    Mutant {
        name: "cool_off_skipped",
        breaks: "R12",
        why: "once it is released everybody may claim",
        edits: &[edit(
            END,
            "AfterRelease::CoolOff => self.cool_off(if successor.is_some() { 2 } else { 1 }),",
            "AfterRelease::CoolOff => {
                let _ = successor;
                self.phase = Phase::Following;
            }",
        )],
    },
    Mutant {
        name: "wake_up_cuts_the_cool_off",
        breaks: "R12",
        why: "a wake-up makes the next request due, whoever follows",
        edits: &[edit(ELECTION, "self.next_at.max(until)", "self.next_at.min(until)")],
    },
    Mutant {
        name: "leads_while_ending",
        breaks: "R9",
        why: "it holds the lease until the release, so it leads",
        edits: &[edit(
            ELECTION,
            "matches!(&self.phase, Phase::Leading(reign) if now < reign.deadline)",
            "self.phase.reign().is_some_and(|reign| now < reign.deadline)",
        )],
    },
    Mutant {
        name: "stop_ends_as_a_resignation",
        breaks: "R16",
        why: "to stop is to resign first",
        edits: &[edit(ELECTION, "self.begin_ending(LostReason::Stopped);", "self.begin_ending(LostReason::Resigned);")],
    },
    Mutant {
        name: "ending_reason_not_kept",
        breaks: "R16",
        why: "the reason is told at the end, and until then it is ending",
        edits: &[edit(SHARED, "reign.begin_ending(*reason);", "reign.begin_ending(LostReason::Expired);")],
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
            "let first = self.events.pop_front();
        self.events.push_back(Event::Lost { term: reign.term, reason });
        first.into_iter().for_each(|first| self.events.push_back(first));",
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
            "let pause = if operation == Operation::Acquire { crate::Config::MAX_DURATION } else { pause };
        self.next_at = self.now.saturating_add(pause);",
        )],
    },
    Mutant {
        name: "a_free_key_waits_for_the_interval",
        breaks: "R12",
        why: "a follower asks once in a retry interval, whoever leads",
        edits: &[
            edit(
                FOLLOW,
                "self.pause_before_takeover(retry_after, learnt || is_outdated)",
                "self.pause_before_takeover(retry_after, learnt)",
            ),
            edit(
                FOLLOW,
                "let wait = self.pace.around(self.config.untold_pause());",
                "let wait = self.pace.around(self.config.retry_interval);",
            ),
            edit(
                FOLLOW,
                "        let is_outdated = matches!(named, Takeover::Unchanged(_)) && self.takeover() == Takeover::Expired;\n",
                "        let _ = named;\n",
            ),
        ],
    },
    Mutant {
        name: "failures_end_the_driver",
        breaks: "R14",
        why: "after so many errors something must be wrong for good",
        edits: &[edit(
            REQUEST,
            "        self.last_error = Some(Box::new(error.clone()));",
            "        self.last_error = Some(Box::new(error.clone()));\n        self.stopping |= self.failures >= 3;",
        )],
    },
    Mutant {
        name: "no_request_timeout",
        breaks: "R14",
        why: "the client library has a timeout of its own, surely",
        edits: &[edit(REQUEST, "saturating_add(self.config.request_timeout)", "saturating_add(Duration::MAX)")],
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
