//! Slots over virtual time: as many leaders as a key has slots, each with a term of its own.

mod faulty;

use std::collections::BTreeSet;
use std::time::Duration;

use faulty::{Fault, Faulty, entropy, fixture, ms, secs};
use lessor::{BuildError, Builder, Candidate, Fence, Group, Key, ManualTimer, MemoryStorage, StorageExt, Timer};

const fn builder(slots: u16) -> impl Fn(&str) -> Builder {
    move |id| Builder::new("k").id(id).slots(slots)
}

fn spawned(id: u64, slots: u16, storage: &Faulty, timer: &ManualTimer) -> Candidate {
    let builder = builder(slots)(&format!("node-{id}"));
    let (candidate, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(id)).unwrap();
    timer.spawn(driver.run());
    candidate
}

/// The slots that are led; none twice.
fn led(candidates: &[Candidate]) -> BTreeSet<u16> {
    let mut led = BTreeSet::new();
    for leadership in candidates.iter().filter_map(Candidate::leadership) {
        let slot = leadership.slot().unwrap();
        assert!(led.insert(slot), "R22: slot {slot} is led twice");
        assert_eq!(leadership.key().as_str(), format!("k/slot/{slot}"));
    }
    led
}

/// Lets time pass, and looks all the while.
fn watch(timer: &ManualTimer, candidates: &[Candidate], duration: Duration) {
    let end = timer.now().saturating_add(duration);
    while timer.now() < end {
        led(candidates);
        timer.block_on(timer.sleep(ms(29))).unwrap();
    }
}

/// R22: as many lead as there are slots, through hand-overs and crashes.
#[test]
fn as_many_lead_as_there_are_slots() {
    for wakes in [true, false] {
        let timer = ManualTimer::new();
        let storage = if wakes { Faulty::new(&timer) } else { Faulty::silent(&timer) };
        let ways: Vec<_> = (0..6).map(|_| storage.another_way()).collect();
        let candidates: Vec<_> = (0..6).zip(&ways).map(|(id, way)| spawned(id, 3, way, &timer)).collect();
        watch(&timer, &candidates, secs(5));
        assert_eq!(led(&candidates).len(), 3);

        // One hands over, one vanishes.
        let leaders: Vec<_> = (0..6).filter(|number| candidates[*number].is_leader()).collect();
        timer.block_on(candidates[leaders[0]].resign()).unwrap().unwrap();
        watch(&timer, &candidates, if wakes { ms(100) } else { ms(2300) });
        assert_eq!(led(&candidates).len(), 3, "one of the others has it");
        ways[leaders[1]].set(Fault::Refuse);
        watch(&timer, &candidates, secs(10) + ms(2500));
        assert!(!candidates[leaders[1]].is_leader());
        assert_eq!(led(&candidates).len(), 3);
    }
}

/// A lost reply leaves a claim in doubt: it is repeated for the same slot, so nobody ever holds two.
#[test]
fn nobody_holds_two_slots() {
    let (timer, storage) = fixture();
    let way = storage.another_way();
    way.set(Fault::LoseReply);
    let a = spawned(1, 4, &way, &timer);
    timer.block_on(timer.sleep(secs(7))).unwrap();
    assert!(!a.is_leader() && way.acquires() > 3);
    let holders = || {
        let keys = (0..4).map(|slot| Key::new(format!("k/slot/{slot}")).unwrap());
        let leases = keys.filter_map(|key| timer.block_on(storage.get(&key)).unwrap().unwrap());
        leases.filter(lessor::Lease::is_live).count()
    };
    assert_eq!(holders(), 1);
    way.set(Fault::None);
    timer.block_on(a.elected()).unwrap().unwrap();
    assert_eq!(holders(), 1);
}

/// Where the storage tells of everything it tells of each slot: followers hardly read, and take over at once.
#[test]
fn wakeups_are_of_all_slots() {
    let (timer, storage) = fixture();
    let candidates: Vec<_> = (0..3).map(|id| spawned(id, 3, &storage, &timer)).collect();
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert_eq!(led(&candidates).len(), 3);
    let way = storage.another_way();
    let builder = builder(3)("late").retry_interval(secs(3600)).cool_off(secs(4));
    let (late, driver) = builder.build_with(way.clone(), timer.clone(), entropy(9)).unwrap();
    timer.spawn(driver.run());
    timer.block_on(timer.sleep(secs(1))).unwrap();
    for candidate in &candidates {
        timer.block_on(candidate.resign()).unwrap().unwrap();
        let freed = timer.now();
        let leadership = timer.block_on(late.elected()).unwrap().unwrap();
        assert!(timer.now().saturating_duration_since(freed) <= ms(1));
        assert!(leadership.is_valid());
        timer.block_on(timer.sleep(secs(5))).unwrap(); // the one that resigned is back
        timer.block_on(late.resign()).unwrap().unwrap();
        timer.block_on(timer.sleep(secs(5))).unwrap();
        assert!(!late.is_leader() && led(&candidates).len() == 3);
    }
    let whole = Builder::new("k").slots(3);
    let told = MemoryStorage::with_timer(timer.clone());
    let (told, _driver) = whole.build_with(told, timer.clone(), entropy(10)).unwrap();
    assert_eq!(told.config().retry_interval, told.config().ttl);
}

/// R22: a fence a slot lets each leader write, and refuses each one's former leader.
#[test]
fn each_slot_has_a_fence() {
    let (timer, storage) = fixture();
    let candidates: Vec<_> = (0..2).map(|id| spawned(id, 2, &storage, &timer)).collect();
    timer.block_on(timer.sleep(secs(1))).unwrap();
    let fences = [Fence::new(), Fence::new()];
    let admit = |candidate: &Candidate| {
        let leadership = candidate.leadership().unwrap();
        fences[usize::from(leadership.slot().unwrap())].admit(leadership.term())
    };
    let before = candidates[0].leadership().unwrap();
    for _ in 0..3 {
        timer.block_on(candidates[0].resign()).unwrap().unwrap();
        timer.block_on(candidates[0].elected()).unwrap().unwrap();
    }
    assert!(admit(&candidates[0]).is_ok() && admit(&candidates[1]).is_ok());
    let fence = &fences[usize::from(before.slot().unwrap())];
    assert!(fence.admit(before.term()).is_err());
}

/// A ticket goes on in its slot, and belongs to no other key.
#[test]
fn a_ticket_goes_on_in_its_slot() {
    let (timer, storage) = fixture();
    let build = |builder: Builder| builder.build_with(storage.clone(), timer.clone(), entropy(7));
    let (a, mut driver) = build(builder(5)("a")).unwrap();
    timer.block_on(driver.step()).unwrap();
    let (slot, term) = a.leadership().map(|leadership| (leadership.slot(), leadership.term())).unwrap();
    let ticket = driver.into_ticket().unwrap();
    assert_eq!(ticket.key().as_str(), format!("k/slot/{}", slot.unwrap()));
    let (next, mut driver) = build(builder(5)("a").resume(ticket.continuing())).unwrap();
    assert_eq!(next.key().as_str(), "k");
    timer.block_on(driver.step()).unwrap();
    let leadership = next.leadership().unwrap();
    assert_eq!((leadership.slot(), leadership.term()), (slot, term));

    let mut _a = next;
    for other in [Builder::new("k"), Builder::new("j").slots(5)] {
        let ticket = lessor::Ticket::from_bytes(&driver.into_ticket().unwrap().into_bytes()).unwrap();
        let error = build(other.id("a").resume(ticket)).unwrap_err();
        assert!(matches!(error, BuildError::TicketOfAnother { .. }), "{error}");
        (_a, driver) = build(builder(5)("a")).unwrap();
        timer.block_on(driver.step()).unwrap();
    }
}

/// The members of a group may have slots.
#[test]
fn a_group_leads_slots() {
    let (timer, storage) = fixture();
    let mut candidates = Vec::new();
    for number in 0..3 {
        let (group, driver) = Group::builder()
            .id(format!("node-{number}"))
            .build_with(storage.clone(), timer.clone(), entropy(number))
            .unwrap();
        timer.spawn(driver.run());
        candidates.push(group.add(Builder::new("k").slots(2)).unwrap());
        let error = group.add(Builder::new("k").slots(2)).unwrap_err();
        assert!(matches!(error, BuildError::InGroup { .. }));
        std::mem::forget(group);
    }
    watch(&timer, &candidates, secs(30));
    assert_eq!(led(&candidates).len(), 2);
}

/// R15: refused with reasons.
#[test]
fn slots_are_refused_with_reasons() {
    let build = |builder: Builder| {
        let timer = ManualTimer::new();
        builder.build_with(MemoryStorage::with_timer(timer.clone()), timer, entropy(1)).map(drop).unwrap_err()
    };
    assert_eq!(build(Builder::new("k").slots(0)).to_string(), "slots is 0, allowed is 1 to 1000");
    assert_eq!(build(Builder::new("k").slots(1001)).to_string(), "slots is 1001, allowed is 1 to 1000");
    assert!(matches!(build(Builder::new("k".repeat(250)).slots(2)), BuildError::Slots(_)));
}
