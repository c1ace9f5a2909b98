use super::*;
use crate::trace::{Entry, Lane, Trace, What};
use crate::{Plan, run};

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn trace(entries: impl IntoIterator<Item = (f64, What)>) -> Trace {
    let lane = |number| Lane { name: format!("p{number} (run)"), key: 0 };
    let entries = entries.into_iter().map(|(at, what)| Entry { at: s(at), what }).collect();
    Trace { title: String::new(), candidates: (0..3).map(lane).collect(), entries }
}

/// A leader is paused for longer than its lease.
fn paused() -> Trace {
    let holds = |candidate, term, until| What::Holds { key: 0, candidate: Some(candidate), term, until: s(until) };
    let fault = |candidate, fault, until| What::Fault { candidate: Some(candidate), fault, until: s(until) };
    trace([
        (1.0, holds(0, 1, 11.0)),
        (1.1, What::Leads { candidate: 0, term: 1 }),
        (1.1, What::Answers { candidate: 0, leads: true }),
        (2.0, fault(0, "paused", 13.5)),
        (2.0, What::Answers { candidate: 0, leads: false }),
        (2.5, fault(2, "paused", 13.0)),
        (12.0, holds(1, 2, 22.0)),
        (12.5, What::Leads { candidate: 1, term: 2 }),
        (12.5, What::Answers { candidate: 1, leads: true }),
        (13.0, What::Wrote { candidate: 1, term: 2, accepted: true, stale: false }),
        (13.5, What::Answers { candidate: 0, leads: true }),
        (14.0, What::Wrote { candidate: 0, term: 1, accepted: true, stale: true }),
        (14.5, What::Follows { candidate: 0 }),
        (14.5, What::Answers { candidate: 0, leads: false }),
        (20.0, What::Follows { candidate: 1 }),
        (20.0, What::Answers { candidate: 1, leads: false }),
    ])
}

#[test]
fn says_how_it_came_to_two_leaders() {
    let trace = paused();
    let scene = Scene::new(&trace, 0);
    let breaks = Story::new(Protocol::Less, &scene).breaks();
    let heads: Vec<_> = breaks.iter().map(|one| (one.from, one.head.as_str())).collect();
    assert_eq!(heads, [(s(13.5), "Two lead at once, for 1.0 s"), (s(14.0), "A stale write was accepted")]);
    let text = &breaks[0].text;
    let begins = "p1 leads since 12.5 s, and so does p0 since 1.1 s. p0 was paused from 2.0 s to 13.5 s.";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains(" In the storage the lease of p0 was over at 11.0 s. Under less,"), "{text}");
    assert!(!text.contains("p2"), "it has nothing to do with it: {text}");
    assert!(breaks[1].text.starts_with("p0 wrote what it began in reign 1,"), "{}", breaks[1].text);
}

#[test]
fn says_that_a_lease_was_taken_early() {
    let mut trace = paused();
    for entry in &mut trace.entries {
        if let What::Holds { candidate: Some(0), until, .. } = &mut entry.what {
            *until = s(15.0);
        }
    }
    let scene = Scene::new(&trace, 0);
    let story = Story::new(Protocol::ClientGo, &scene);
    let text = &story.breaks()[0].text;
    assert!(text.contains("p1 took the key 3.0 s before the lease of p0 was to end."), "{text}");
    let held = story.lines().into_iter().find(|line| line.at == s(12.0)).unwrap();
    assert_eq!(held.text, "storage: p1 holds the key, reign 2, 3.0 s before the lease of p0 was to end");
}

#[test]
fn says_when_a_reign_ended_beside_its_lease() {
    let trace = paused();
    let scene = Scene::new(&trace, 0);
    let lines = Story::new(Protocol::Lessor, &scene).lines();
    let reigns = lines.iter().filter(|line| line.subject == Subject::Reign);
    let expected = [
        "p0 leads, term 1",
        "p1 leads, term 2",
        "p0 no longer leads, 3.5 s after its lease was over",
        "p1 no longer leads, 2.0 s before its lease is",
    ];
    assert_eq!(reigns.map(|line| line.text.as_str()).collect::<Vec<_>>(), expected);
    assert!(lines.is_sorted_by_key(|line| line.at));
}

#[test]
fn where_nothing_is_wrong_there_is_no_break() {
    let mut trace = paused();
    trace.entries.retain(|entry| entry.at < s(12.5));
    let scene = Scene::new(&trace, 0);
    assert_eq!(Story::new(Protocol::Less, &scene).breaks(), []);
}

/// What is told is what is counted.
#[test]
fn tells_each_break_that_is_counted() {
    let mut all = (0, 0);
    for protocol in [Protocol::Lessor, Protocol::Less, Protocol::ClientGo] {
        for seed in 0..100 {
            let outcome = run(Plan::with_defaults(seed, protocol), true);
            let scene = Scene::new(&outcome.trace, 0);
            let breaks = Story::new(protocol, &scene).breaks();
            let stale = breaks.iter().filter(|one| one.head.starts_with("A stale write")).count() as u64;
            assert_eq!(stale, outcome.counts.stale_writes, "{protocol:?} {seed}");
            let ends = scene.clashes.iter().map(|two| two.until.unwrap_or(outcome.counts.simulated) - two.from);
            let told: Duration = ends.sum();
            assert_eq!(told, outcome.counts.overlapped, "{protocol:?} {seed}");
            all = (all.0 + stale, all.1 + outcome.counts.overlaps);
        }
    }
    assert!(all.0 > 20 && all.1 > 100, "{all:?}");
}

/// A reply that comes late makes nobody the newest leader: who has the key since then writes nothing stale.
#[test]
fn who_has_the_key_writes_nothing_stale() {
    let outcome = run(Plan::with_defaults(71, Protocol::ClientGo), true);
    let scene = Scene::new(&outcome.trace, 0);
    // p0 was paused with the reply to its claim under way, and believes it when it wakes. p1 has had the key for a while.
    let reign = scene.reigns.iter().find(|reign| reign.lane == 0 && reign.from > s(71.0)).expect("it leads");
    assert!(reign.until.is_some_and(|until| until < s(72.0)), "{reign:?}");
    let stale = scene.writes.iter().filter(|write| write.stale).map(|write| (write.lane, write.at.as_secs()));
    assert_eq!(stale.collect::<Vec<_>>(), [(0, 78), (1, 354)]);
}
