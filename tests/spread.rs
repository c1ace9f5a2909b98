//! Processes that share the keys of a group, in virtual time.

mod faulty;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use faulty::{Fault, Faulty, entropy, ms, secs};
use futures::future::{AbortHandle, abortable};
use futures::task::AtomicWaker;
use futures::{FutureExt as _, StreamExt as _};
use lessor::{
    BuildError, Builder, Candidate, Event, Group, GroupEvent, GroupEvents, Instant, Key, Lost, LostReason, ManualTimer,
    Spread, Term, Timer,
};

/// How often it is looked who leads.
const STEP: Duration = ms(20);

/// Processes, and what was seen of who leads.
struct Town {
    timer: ManualTimer,
    storage: Faulty,
    groups: BTreeMap<String, (Group, GroupEvents)>,
    drivers: BTreeMap<String, AbortHandle>,
    gates: BTreeMap<String, Gate>,
    led: BTreeMap<Key, Seen>,
    /// When which key went from whom to whom.
    moves: Vec<(Instant, Key, String, String)>,
    /// Since when nobody leads a key that was led before.
    free: BTreeMap<Key, Instant>,
    longest_gap: Duration,
}

/// While it is shut a process stands still.
#[derive(Clone, Default)]
struct Gate {
    is_shut: Arc<AtomicBool>,
    waker: Arc<AtomicWaker>,
}

impl Gate {
    fn shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
    }

    fn open(&self) {
        self.is_shut.store(false, Ordering::Relaxed);
        self.waker.wake();
    }

    async fn guard(self, run: impl Future<Output = ()>) {
        let mut run = pin!(run);
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_shut.load(Ordering::Relaxed) { Poll::Pending } else { run.as_mut().poll(cx) }
        })
        .await;
    }
}

struct Seen {
    by: String,
    term: Term,
}

impl Town {
    fn new() -> Self {
        let timer = ManualTimer::new();
        let storage = Faulty::new(&timer);
        Self {
            timer,
            storage,
            groups: BTreeMap::new(),
            drivers: BTreeMap::new(),
            gates: BTreeMap::new(),
            led: BTreeMap::new(),
            moves: Vec::new(),
            free: BTreeMap::new(),
            longest_gap: Duration::ZERO,
        }
    }

    /// A process begins, and reaches the storage on a way of its own.
    fn begin(&mut self, id: &str, keys: usize, set: impl FnOnce(Spread) -> Spread) -> Faulty {
        let seed = id.bytes().map(u64::from).sum();
        let spread = set(Spread::new("town"));
        let builder = Group::builder().id(id).spread(spread);
        let way = self.storage.another_way();
        let (group, driver) = builder.build_with(way.clone(), self.timer.clone(), entropy(seed)).unwrap();
        let gate = Gate::default();
        let (run, driver) = abortable(gate.clone().guard(driver.run()));
        self.gates.insert(id.to_owned(), gate);
        self.timer.spawn(async { _ = run.await });
        self.drivers.insert(id.to_owned(), driver);
        for number in 0..keys {
            group.add(Builder::new(format!("shard/{number}"))).unwrap();
        }
        let events = group.events();
        self.groups.insert(id.to_owned(), (group, events));
        way
    }

    /// Its driver is gone, and nothing is released.
    fn kill(&mut self, id: &str) {
        let now = self.timer.now();
        let its = self.led.iter().filter(|(_, seen)| seen.by == id).map(|(key, _)| (key.clone(), now));
        self.free.extend(its);
        self.groups.remove(id);
        self.drivers.remove(id).unwrap().abort();
    }

    fn begin_all(&mut self, processes: usize, keys: usize) {
        for number in 0..processes {
            self.begin(&format!("node-{number}"), keys, |spread| spread.moves_per_minute(600));
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.timer.now().saturating_add(time);
        while self.timer.now() < until {
            self.timer.block_on(self.timer.sleep(STEP));
            self.look();
        }
    }

    /// Takes in what the processes told.
    fn look(&mut self) {
        let now = self.timer.now();
        for (id, (_, events)) in &mut self.groups {
            while let Some(Some(event)) = events.next().now_or_never() {
                let GroupEvent::Of { key, event, .. } = event else { continue };
                match event {
                    Event::Lost { .. } => drop(self.free.insert(key, now)),
                    Event::Elected { term, .. } => {
                        if let Some(since) = self.free.remove(&key) {
                            self.longest_gap = self.longest_gap.max(now.saturating_duration_since(since));
                        }
                        match self.led.insert(key.clone(), Seen { by: id.clone(), term }) {
                            Some(before) if before.by != *id => self.moves.push((now, key, before.by, id.clone())),
                            _ => {}
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn loads(&self) -> Vec<usize> {
        self.groups.values().map(|(group, _)| group.status().leading).collect()
    }

    fn candidates(&self, id: &str) -> Vec<Candidate> {
        self.groups[id].0.candidates()
    }

    /// Nobody led twice, and nothing moved more than once since the last time.
    fn take_moves(&mut self) -> Vec<(Instant, Key, String, String)> {
        let moves = std::mem::take(&mut self.moves);
        let mut keys: Vec<_> = moves.iter().map(|(_, key, ..)| key).collect();
        keys.sort();
        assert!(keys.windows(2).all(|two| two[0] != two[1]), "a key moved twice: {moves:?}");
        moves
    }
}

/// Those that begin together share the keys at once, evenly, and then nothing moves.
#[test]
fn those_who_begin_together_share() {
    let mut town = Town::new();
    town.begin_all(8, 400);
    town.pass(secs(4));
    let loads = town.loads();
    assert_eq!(loads.iter().sum::<usize>(), 400);
    assert!(loads.iter().all(|load| (40..=55).contains(load)), "{loads:?}");
    assert!(town.groups.values().all(|(group, _)| group.processes().len() == 8));
    town.pass(secs(600));
    assert_eq!(town.take_moves(), []);
    assert!(town.led.values().all(|seen| seen.term == Term::FIRST), "and nobody lost anything");
}

/// What a process led that died is led by the others within two ttls, evenly, and nothing else moves.
#[test]
fn one_dies() {
    let mut town = Town::new();
    town.begin_all(8, 400);
    town.pass(secs(10));
    let its = town.groups["node-3"].0.status().leading;
    town.kill("node-3");
    town.pass(secs(20));
    let loads = town.loads();
    assert_eq!(loads.iter().sum::<usize>(), 400);
    assert!(loads.iter().all(|load| (47..=63).contains(load)), "{loads:?}");
    let moves = town.take_moves();
    assert_eq!(moves.len(), its);
    assert!(moves.iter().all(|(.., from, _)| from == "node-3"), "{moves:?}");
    // Its leases had run out, and at its next look each knew whose they are.
    assert!(town.longest_gap <= ms(12_200), "{:?}", town.longest_gap);
}

/// One that comes takes its share from all, so many a minute, each in a hand-over; and then nothing moves.
#[test]
fn one_comes() {
    let mut town = Town::new();
    town.begin_all(8, 400);
    town.pass(secs(10));
    let before = town.timer.now();
    town.begin("node-8", 400, |spread| spread.moves_per_minute(20));
    town.pass(secs(300));
    let loads = town.loads();
    assert!(loads.iter().all(|load| (35..=49).contains(load)), "{loads:?}");
    let moves = town.take_moves();
    assert_eq!(moves.len(), loads[8], "it came with nothing");
    assert!(moves.iter().all(|(.., to)| to == "node-8"), "{moves:?}");
    // R21: in no minute more than was allowed.
    let times: Vec<_> = moves.iter().map(|(at, ..)| *at).collect();
    for (place, at) in times.iter().enumerate() {
        let in_a_minute = times[place..].iter().filter(|other| other.saturating_duration_since(*at) < secs(59)).count();
        assert!(in_a_minute <= 20, "{in_a_minute} in a minute");
    }
    assert!(times[0].saturating_duration_since(before) < secs(6) && times.windows(5).all(|some| some[4] > some[0]));
    assert_eq!(town.longest_gap, Duration::ZERO, "handed over, not waited for: {:?}", town.longest_gap);
}

/// Where nothing is set a fifth of the keys moves in a minute: half of them in two and a half.
#[test]
fn a_fifth_moves_in_a_minute() {
    let mut town = Town::new();
    town.begin("a", 1_000, |spread| spread);
    town.pass(secs(10));
    town.begin("b", 1_000, |spread| spread);
    town.pass(secs(60));
    let moved = town.take_moves().len();
    assert!((170..=200).contains(&moved), "{moved} in the first minute");
    town.pass(secs(110));
    assert!(town.loads().iter().all(|load| (450..=550).contains(load)), "{:?}", town.loads());
}

/// Where moves are switched off, one that comes waits until something gets free.
#[test]
fn nothing_moves_where_that_is_switched_off() {
    let mut town = Town::new();
    town.begin("a", 50, |spread| spread.moves_per_minute(0));
    town.pass(secs(10));
    town.begin("b", 50, |spread| spread.moves_per_minute(0));
    town.pass(secs(100));
    assert_eq!(town.loads(), [50, 0]);
    let some: Vec<_> = town.candidates("a");
    for candidate in &some[..30] {
        town.timer.block_on(candidate.resign()).unwrap().unwrap();
    }
    town.pass(secs(20));
    let loads = town.loads();
    assert!(loads[1] > 10 && loads.iter().sum::<usize>() == 50, "{loads:?}");
}

/// A key whose work does not end stays, for as long as that takes; and nothing else waits for it.
#[test]
fn what_refuses_to_drain_stays() {
    let mut town = Town::new();
    town.begin("a", 100, |spread| spread);
    town.pass(secs(10));
    let leaderships: Vec<_> = town.candidates("a").iter().map(|candidate| candidate.leadership().unwrap()).collect();
    let guards: Vec<_> = leaderships.iter().map(|leadership| leadership.guard().unwrap()).collect();
    town.begin("b", 100, |spread| spread.moves_per_minute(600));
    town.pass(secs(300));
    assert_eq!(town.take_moves(), [], "all work is under way");
    assert!(guards.iter().all(|guard| guard.is_valid()));
    let asked = guards.iter().filter(|guard| guard.is_ending()).count();
    assert!(asked > 40, "it was asked to end for {asked} keys");
    drop(guards);
    town.pass(ms(100));
    assert_eq!(town.take_moves().len(), asked);
    assert_eq!(town.longest_gap, Duration::ZERO, "{:?}", town.longest_gap);
}

/// One that goes hands each key to whom it belongs then.
#[test]
fn one_goes() {
    let mut town = Town::new();
    town.begin_all(4, 200);
    town.pass(secs(10));
    let (group, its) = (town.groups["node-1"].0.clone(), town.groups["node-1"].0.status().leading);
    let mut events = group.events();
    town.timer.block_on(group.shutdown()).unwrap().unwrap();
    let told: Vec<_> = std::iter::from_fn(|| events.next().now_or_never().flatten()).collect();
    let reasons = told.iter().filter_map(|event| match event {
        GroupEvent::Of { event: Event::Ending { reason, .. } | Event::Lost { reason, .. }, .. } => Some(*reason),
        _ => None,
    });
    assert!(reasons.clone().count() == 2 * its && reasons.into_iter().all(|reason| reason == LostReason::Stopped));
    town.look();
    town.groups.remove("node-1");
    town.pass(secs(10));
    let loads = town.loads();
    assert_eq!(loads.iter().sum::<usize>(), 200);
    assert!(loads.iter().all(|load| (55..=74).contains(load)), "{loads:?}");
    let moves = town.take_moves();
    assert_eq!(moves.len(), its);
    assert!(town.longest_gap <= ms(2_300), "they looked again: {:?}", town.longest_gap);
    assert!(town.led.values().all(|seen| seen.term <= Term::new(2).unwrap()));
}

/// Shares go by weight, and who has none takes what nobody else does.
#[test]
fn shares_go_by_weight() {
    let mut town = Town::new();
    town.begin("heavy", 400, |spread| spread.weight(3));
    town.begin("light", 400, |spread| spread.weight(1));
    town.begin("reserve", 400, |spread| spread.weight(0));
    town.pass(secs(10));
    let loads = town.loads();
    assert!((280..=330).contains(&loads[0]) && (70..=110).contains(&loads[1]) && loads[2] == 0, "{loads:?}");
    town.kill("heavy");
    town.kill("light");
    town.pass(secs(20));
    assert_eq!(town.loads(), [400]);
}

/// A process with other keys than the rest breaks nothing: what it does not campaign for is led by others, and stays there.
#[test]
fn lists_may_differ() {
    let mut town = Town::new();
    town.begin("old", 50, |spread| spread.moves_per_minute(600));
    town.begin("new", 100, |spread| spread.moves_per_minute(600));
    town.pass(secs(30));
    assert_eq!(town.loads().iter().sum::<usize>(), 100);
    town.take_moves();
    town.pass(secs(600));
    assert_eq!(town.take_moves(), []);
    assert!(town.loads().iter().all(|load| *load >= 15), "{:?}", town.loads());
}

/// Who cannot reach the storage is gone for the others, and gets its share back afterwards.
#[test]
fn one_is_cut_off() {
    let mut town = Town::new();
    town.begin("a", 100, |spread| spread.moves_per_minute(600));
    let way = town.begin("b", 100, |spread| spread.moves_per_minute(600));
    town.pass(secs(10));
    let before = town.loads();
    way.set(Fault::Refuse);
    town.pass(secs(30));
    assert_eq!(town.loads(), [100, 0]);
    town.take_moves();
    way.set(Fault::None);
    town.pass(secs(60));
    assert_eq!(town.loads(), before);
    assert_eq!(town.take_moves().len(), before[1]);
}

/// Who stood still for so long that it lost its place takes nothing by what it knew before: it looks first, as one that begins.
#[test]
fn one_stood_still() {
    let mut town = Town::new();
    for id in ["a", "b"] {
        town.begin(id, 100, |spread| spread.moves_per_minute(0));
    }
    town.pass(secs(10));
    town.gates["a"].shut();
    town.pass(secs(30));
    assert_eq!(town.groups["b"].0.status().leading, 100);
    let some: Vec<_> = town.candidates("b").into_iter().filter(Candidate::is_leader).collect();
    for candidate in &some {
        town.timer.block_on(candidate.resign()).unwrap().unwrap();
    }
    town.gates["a"].open();
    town.pass(ms(1_500));
    assert_eq!(town.groups["a"].0.status().leading, 0, "it knows of nobody yet");
    town.pass(secs(60));
    assert_eq!(town.loads().iter().sum::<usize>(), 100);
}

/// A storage that is away says nothing of who is there: afterwards each leads what it led.
#[test]
fn the_storage_is_away() {
    let mut town = Town::new();
    let ways = ["a", "b", "c"].map(|id| town.begin(id, 90, |spread| spread));
    town.pass(secs(10));
    let before: Vec<_> = town.led.iter().map(|(key, seen)| (key.clone(), seen.by.clone())).collect();
    for way in &ways {
        way.set(Fault::Hang);
    }
    town.pass(secs(40));
    assert_eq!(town.loads(), [0, 0, 0]);
    for way in &ways {
        way.set(Fault::None);
    }
    town.pass(secs(20));
    assert_eq!(town.take_moves(), []);
    let after: Vec<_> = town.led.iter().map(|(key, seen)| (key.clone(), seen.by.clone())).collect();
    assert_eq!(before, after);
    assert_eq!(town.loads().iter().sum::<usize>(), 90);
}

/// Keys come and go while it runs.
#[test]
fn keys_come_and_go() {
    let mut town = Town::new();
    town.begin_all(2, 20);
    town.pass(secs(10));
    for (group, _) in town.groups.values() {
        for number in 20..60 {
            group.add(Builder::new(format!("shard/{number}"))).unwrap();
        }
    }
    town.pass(secs(10));
    assert_eq!(town.loads().iter().sum::<usize>(), 60);
    let groups: Vec<_> = town.groups.values().map(|(group, _)| group.clone()).collect();
    for number in 0..40 {
        for group in &groups {
            town.timer.block_on(group.remove(&format!("shard/{number}"))).unwrap().unwrap();
        }
    }
    town.pass(secs(30));
    let loads = town.loads();
    assert!(loads.iter().sum::<usize>() == 20 && loads.iter().all(|load| *load <= 11), "{loads:?}");
}

/// Each reign is told where it begins, also those that were there before; work in it ends with it.
#[test]
fn reigns_begin_and_end() {
    let mut town = Town::new();
    town.begin("a", 60, |spread| spread);
    town.pass(secs(10));
    let group = town.groups["a"].0.clone();
    let mut reigns = group.reigns();
    let first: Vec<_> = town.timer.block_on(reigns.by_ref().take(60).collect::<Vec<_>>()).unwrap();
    assert_eq!(first.iter().map(|leadership| leadership.key()).collect::<std::collections::BTreeSet<_>>().len(), 60);
    town.begin("b", 60, |spread| spread.moves_per_minute(600));
    let mut events = town.groups["b"].0.events();
    let mut there = town.groups["b"].0.reigns();
    town.pass(secs(60));
    let gained = town.groups["b"].0.status().leading;
    let begun: Vec<_> = town.timer.block_on(there.by_ref().take(gained).collect::<Vec<_>>()).unwrap();
    assert!(begun.iter().all(|leadership| leadership.is_valid()));
    let lost: Vec<Lost> = first
        .iter()
        .filter(|leadership| !leadership.is_valid())
        .map(|leadership| town.timer.block_on(leadership.lost()).unwrap())
        .collect();
    assert_eq!(lost.len(), gained);
    let processes = |event: &GroupEvent| match event {
        GroupEvent::Processes(ids) => Some(ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()),
        _ => None,
    };
    let seen = town.timer.block_on(async {
        loop {
            if let Some(seen) = processes(&events.next().await.unwrap()).filter(|seen| seen.len() == 2) {
                break seen;
            }
        }
    });
    assert_eq!(seen.unwrap(), ["a", "b"]);
    town.timer.block_on(group.shutdown()).unwrap().unwrap();
    assert!(town.timer.block_on(reigns.next()).unwrap().is_none(), "it ends with the driver");
}

/// R15: what cannot work is refused by name.
#[test]
fn what_cannot_work_is_refused() {
    let timer = ManualTimer::new();
    let built = |spread: Spread| {
        let builder = Group::builder().id("a").spread(spread);
        builder.build_with(Faulty::new(&timer), timer.clone(), entropy(1)).map(|(group, _)| group)
    };
    let error = built(Spread::new("s").weight(101)).unwrap_err();
    assert_eq!(error.to_string(), "the weight of a spread is 101, allowed is 0 to 100");
    assert!(matches!(built(Spread::new("")).unwrap_err(), BuildError::Text(_)));
    assert!(matches!(built(Spread::new("s".repeat(241))).unwrap_err(), BuildError::Text(_)));
    assert!(matches!(built(Spread::new("s").ttl(ms(10))).unwrap_err(), BuildError::Config(_)));
    let (group, _driver) = Group::builder()
        .id("a")
        .spread(Spread::new("s"))
        .build_with(Faulty::new(&timer), timer.clone(), entropy(1))
        .unwrap();
    let own = [
        ("id", Builder::new("k").id("another")),
        ("rank", Builder::new("k").rank(1)),
        ("claim_delay", Builder::new("k").claim_delay(secs(1))),
        ("slots", Builder::new("k").slots(2)),
    ];
    for (setting, builder) in own {
        let error = group.add(builder).unwrap_err();
        assert_eq!(error.to_string(), format!("a candidate of a spread has no {setting} of its own: leave it out"));
    }
    assert!(group.add(Builder::new("k").id("a")).is_ok());
}
