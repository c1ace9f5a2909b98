//! A run is its seed, and the runs get into everything that matters.

use std::process::Command;
use std::thread;

use lessor_simulation::reached::Situation;
use lessor_simulation::{Outcome, Plan, Protocol, Summary, many, run};

const PROTOCOLS: [Protocol; 3] = [Protocol::Lessor, Protocol::Less, Protocol::ClientGo];

fn numbers(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    format!(
        "{:016x} {} {} {} {:?} {:?}",
        outcome.fingerprint, counts.events, counts.requests, counts.elections, counts.led, outcome.broken
    )
}

/// The same seed shows the same run: on another thread, in another order, recorded or not.
#[test]
fn a_seed_is_a_run() {
    const SEEDS: u64 = 200;
    for protocol in PROTOCOLS {
        let first: Vec<_> = (0..SEEDS).map(|seed| numbers(&run(Plan::new(seed, protocol, None), false))).collect();
        let again = thread::spawn(move || {
            let again = (0..SEEDS).rev().map(|seed| numbers(&run(Plan::new(seed, protocol, None), true)));
            again.collect::<Vec<_>>()
        });
        let again = again.join().expect("no run panics");
        assert!(first.iter().eq(again.iter().rev()), "{protocol:?}");
        let mut distinct = first;
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len() as u64, SEEDS, "{protocol:?}: seeds that show one run");
    }
}

/// What was recorded is the same to the letter.
#[test]
fn a_seed_is_a_trace() {
    for seed in 0..20 {
        let [first, again] = [(); 2].map(|()| run(Plan::new(seed, Protocol::Lessor, None), true).trace);
        assert!(first.entries.len() > 100);
        assert_eq!(format!("{first:?}"), format!("{again:?}"), "seed {seed}");
    }
}

/// A seed is the same run in another process: nothing depends on where things lie in memory.
#[test]
fn a_seed_is_a_run_elsewhere_too() {
    for seed in 0..10 {
        let here = run(Plan::new(seed, Protocol::Lessor, None), false);
        let there = Command::new(env!("CARGO_BIN_EXE_lessor-simulation"))
            .args(["replay", &seed.to_string()])
            .output()
            .expect("the simulator runs");
        let there = String::from_utf8(there.stdout).expect("it prints text");
        assert!(there.contains(&format!("fingerprint {:016x}", here.fingerprint)), "seed {seed}");
    }
}

/// No promise is broken, and each situation that the protocol has to get right occurs.
#[test]
fn everything_is_met() {
    let mut summary = Summary::default();
    many(0..2_000, 2, |seed| Plan::new(seed, Protocol::Lessor, None), |outcome| summary.add(outcome), |_, _| {});
    assert_eq!(summary.first_broken(), None);
    assert_eq!(summary.runs, 2_000);
    let missed: Vec<_> =
        summary.counts.reached.counts().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect();
    assert_eq!(missed, [], "never met in 2,000 runs");
    assert_eq!(Situation::ALL.len(), summary.counts.reached.counts().count());
}

/// Seeds that once showed something wrong, in the library or in the simulator itself.
#[test]
fn what_was_found_stays_away() {
    // A candidate's clock stood still while it handed over: it was held to a promise that this takes away.
    const HANDS_OVER_FROZEN: u64 = 2_241_682_764;
    // The program of an instance that had gone to sleep published a value, and its successor was held to it.
    const PUBLISHED_LATE: u64 = 1_427_028_039;
    // A candidate that had resigned once counted as one that never moves, and its slow hand-over as a missing leader.
    const MOVES_SLOWLY: u64 = 2_354_791_966;
    // A thread stood still right after a grant: its slot was revoked, and the term was looked up at another.
    const REVOKED_UNNOTED: u64 = 4_175_303_995;
    // A thread stood still: its candidate had lost its term and was granted the next one before anybody looked.
    const LOST_UNNOTED: u64 = 3_622_334_254;
    // Who asks rarely was answered by what another had heard a while ago, and came back when that lease would have been over.
    const SHARES_OFTEN: u64 = 334_111_532;
    // A process stood still while it looked at the places: of another one's two lives it took the other one for the longer.
    const TWO_LIVES: u64 = 905_517_606;
    // Over registers, an operator's thread stood still before it revoked: what it answers had ended, and was ended by the revoke.
    const REVOKED_LATE: u64 = 777_019_160;
    // Over registers, a revoke left what was left of a lease that the operator's handle had seen for a while: that counted as a date.
    const LEFT_LESS: u64 = 2_483_092_514;
    // A group gave a key up, and sent the release a second time: that counted as a move, which would have had to wait for the work.
    const RELEASED_TWICE: u64 = 1_625_038_079;
    // A process that shares its keys stood still while it looked who is there, and lost its place: what it was told when it went on was
    // how it had been, with itself among the others, and it counted its place from then.
    const LOOKED_BEFORE: u64 = 1_602_637_722;
    // A thread stood still between a candidate's birth and its seat: meanwhile it led, and its group gave it up.
    const GIVEN_UP_UNSEEN: u64 = 4_123_322_358;
    // A thread stood still while its process crashed; what it was told when it went on counted as told to the one that came after.
    const HEARD_BY_THE_DEAD: u64 = 1_354_532_485;
    // A listener began after a reign had run out, and before that was told: it was told of an end without a beginning.
    const AN_END_ALONE: u64 = 4_286_124_372;
    for seed in [HANDS_OVER_FROZEN, PUBLISHED_LATE] {
        // There were no operators yet.
        let plan = Plan::new(seed, Protocol::Lessor, None).without_operators();
        assert_eq!(run(plan, false).broken, None, "seed {seed}");
    }
    // The next instance claimed, with the session of the last one, a slot that this had held before: the storage's clock had
    // stepped back, and it was given the same term again.
    const A_SESSION_OF_TWO_SLOTS: u64 = 3_025_468_648;
    for seed in [
        MOVES_SLOWLY,
        REVOKED_UNNOTED,
        LOST_UNNOTED,
        SHARES_OFTEN,
        TWO_LIVES,
        REVOKED_LATE,
        A_SESSION_OF_TWO_SLOTS,
        LEFT_LESS,
        RELEASED_TWICE,
        LOOKED_BEFORE,
        GIVEN_UP_UNSEEN,
        HEARD_BY_THE_DEAD,
        AN_END_ALONE,
    ] {
        assert_eq!(run(Plan::new(seed, Protocol::Lessor, None), false).broken, None, "seed {seed}");
    }
}

/// Under the same seeds the protocols of others let two lead at once and accept stale writes; lessor does neither.
#[test]
fn the_others_break() {
    for protocol in PROTOCOLS {
        let mut summary = Summary::default();
        // Machines do not freeze in these: no lease is safe from that.
        let each = |outcome: Outcome| {
            if !outcome.freezes {
                summary.add(outcome)
            }
        };
        many(0..300, 2, |seed| Plan::with_defaults(seed, protocol), each, |_, _| {});
        let breaks = (summary.counts.overlaps > 0, summary.counts.stale_writes > 0);
        let expected = protocol != Protocol::Lessor;
        assert_eq!(breaks, (expected, expected), "{protocol:?}");
        assert!(summary.counts.led > summary.counts.key_time / 2, "{protocol:?} hardly leads at all");
    }
}
