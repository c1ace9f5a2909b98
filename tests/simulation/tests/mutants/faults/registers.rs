//! Faults of a handle of registers: what it has seen, what it judges by that, and what it writes.

use super::{
    Mutant, REGISTER_ROUNDS as ROUNDS, REGISTER_SEEN as SEEN, REGISTER_STEP as STEP, REGISTER_WATCH as WATCH, edit,
};

pub(super) const MUTANTS: &[Mutant] = &[
    // === sights ===
    Mutant {
        name: "seen_since_it_was_asked",
        breaks: "R1",
        why: "the age of an answer is counted from the question, as with a lease of one's own",
        edits: &[edit(
            SEEN,
            "let mut seen = Sight { revision, record, since: now, current_at };",
            "let mut seen = Sight { revision, record, since: sent.unwrap_or(now), current_at };",
        )],
    },
    Mutant {
        name: "sight_outlives_a_renewal",
        breaks: "R1",
        why: "it is the same reign, and has been seen for that long",
        edits: &[edit(
            SEEN,
            "        if let Some(before) = entry.sight.as_deref_mut().filter(|before| before.is_of(&seen)) {",
            "        let reign = |sight: &Sight<R>| (sight.record.session, sight.record.term);
        let its = reign(&seen);
        if let Some(before) = entry.sight.as_deref_mut().filter(|before| reign(before) == its) {
            (before.revision, before.record) = (seen.revision.clone(), seen.record.clone());",
        )],
    },
    Mutant {
        name: "a_newer_sight_lends_its_time",
        breaks: "R1",
        why: "after an answer with what was, what is seen next is what was seen before that",
        edits: &[edit(SEEN, "entry.newer.as_deref().filter(|newer| newer.is_of(&seen))", "entry.newer.as_deref()")],
    },
    Mutant {
        name: "resolution_ignored",
        breaks: "R1",
        why: "a clock says what time it is",
        edits: &[edit(
            SEEN,
            "now.saturating_duration_since(self.since).saturating_sub(resolution)",
            "{
            let _ = resolution;
            now.saturating_duration_since(self.since)
        }",
        )],
    },
    Mutant {
        name: "ttl_rounded_down",
        breaks: "R1",
        why: "a millisecond that has begun is one",
        edits: &[edit(
            STEP,
            "    // Rounded down: who says that a ttl is over has to have seen all of it.
    let passed_ms = u64::try_from(stood_still.as_millis()).unwrap_or(u64::MAX);",
            "    let passed_ms = u64::try_from(stood_still.as_millis()).unwrap_or(u64::MAX).saturating_add(1);",
        )],
    },
    Mutant {
        name: "half_a_ttl_will_do",
        breaks: "R1",
        why: "a leader that is there renews three times in its ttl",
        edits: &[edit(
            STEP,
            "record.expires_ms > 0 && passed_ms >= record.expires_ms;",
            "record.expires_ms > 0 && passed_ms >= record.expires_ms / 2;
    let passed_ms = if ran_out { passed_ms.max(record.expires_ms) } else { passed_ms };",
        )],
    },
    // === answers ===
    Mutant {
        name: "refused_without_a_watch",
        breaks: "costs",
        why: "it was told of no change, so there was none",
        edits: &[edit(
            STEP,
            "if watched { Some(Duration::ZERO) } else { age }",
            "if watched { age } else { Some(Duration::ZERO) }",
        )],
    },
    Mutant {
        name: "watched_for_ever",
        breaks: "costs",
        why: "a watch that is lost is made anew before long",
        edits: &[edit(WATCH, "match self.stands.take() {", "match self.stands.as_ref() {")],
    },
    Mutant {
        name: "ends_are_not_written",
        breaks: "R4",
        why: "a look does not write",
        edits: &[edit(STEP, "    if ran_out && !renews {", "    if ran_out && !renews && source != Source::Read {")],
    },
    Mutant {
        name: "read_before_each_write",
        breaks: "costs",
        why: "read, judge, swap: the loop of every optimistic store",
        edits: &[edit(
            ROUNDS,
            "            Some((sight, watched)) => self.next(request, Some(&sight), Source::Known { watched }),
            None => Next::Read,",
            "            Some((_, _)) | None => {
                let _ = request;
                Next::Read
            }",
        )],
    },
    // === writes ===
    Mutant {
        name: "written_over_whatever_is_there",
        breaks: "R1",
        why: "the swap was too late, so it is tried on what is there now",
        edits: &[edit(
            ROUNDS,
            "                seen.moved(key, change.expected.as_ref());
                Ok(Next::Read)
            }",
            "                match seen.get(key).map(|(sight, _)| sight.revision) {
                    Some(newer) if Some(&newer) != change.expected.as_ref() => {
                        Ok(Next::Swap(Box::new(Change { expected: Some(newer), ..change })))
                    }
                    _ => {
                        seen.moved(key, change.expected.as_ref());
                        Ok(Next::Read)
                    }
                }
            }",
        )],
    },
    Mutant {
        name: "doubt_is_a_conflict",
        breaks: "R14",
        why: "it has failed, so look what is there",
        edits: &[edit(
            ROUNDS,
            "            Err(error) => {
                seen.doubt(key);
                Err(error)
            }",
            "            Err(_) => {
                seen.moved(key, change.expected.as_ref());
                Ok(Next::Read)
            }",
        )],
    },
    Mutant {
        name: "doubt_is_success",
        breaks: "R1",
        why: "only the answer was lost: nearly always it got through",
        edits: &[edit(
            ROUNDS,
            "            Err(error) => {
                seen.doubt(key);
                Err(error)
            }",
            "            Err(_) => Ok(Next::Answer(change.reply)),",
        )],
    },
    Mutant {
        name: "conflict_is_a_loss",
        breaks: "R4",
        why: "somebody else has written to it, so it is theirs",
        edits: &[edit(
            ROUNDS,
            "                seen.moved(key, change.expected.as_ref());
                Ok(Next::Read)
            }",
            "                seen.moved(key, change.expected.as_ref());
                if matches!(change.reply, Reply::Renewed(_)) {
                    return Ok(Next::Answer(crate::storage::Renewed::lost(None).into()));
                }
                Ok(Next::Read)
            }",
        )],
    },
    Mutant {
        name: "a_mark_is_a_new_version",
        breaks: "R10",
        why: "each write has a version of its own",
        edits: &[edit(
            STEP,
            "return swap(Record { expires_ms: 0, ..record.clone() }, reply);",
            "return swap(Record { expires_ms: 0, version: record.version.next(), ..record.clone() }, reply);",
        )],
    },
    Mutant {
        name: "dates_are_kept",
        breaks: "R10",
        why: "the record says when it ends, as everywhere",
        edits: &[edit(
            STEP,
            "Record { expires_ms: record.expires_ms.saturating_sub(now_ms), since_ms: 0, ..record }",
            "{
        let _ = now_ms;
        Record { since_ms: 0, ..record }
    }",
        )],
    },
    // === watches ===
    Mutant {
        name: "a_release_is_no_news",
        breaks: "R12",
        why: "wake-ups are for leases that have ended",
        edits: &[edit(WATCH, "    ended || now.wakes_followers(before)", "    ended")],
    },
    Mutant {
        name: "a_lost_watch_stays_lost",
        breaks: "R12",
        why: "followers poll anyway",
        edits: &[edit(
            WATCH,
            "                self.timer.sleep(spread(self.pause, &self.key, self.timer.now())).await;",
            "                core::future::pending::<()>().await;",
        )],
    },
];
