//! The queue is told anything in any order, beside a naive model: a plain list that is searched from end to end.

use proptest::prelude::*;

use lessor::storage::{Claim, Get, List, Operation, Release, Renewal, Revoke, Session};
use lessor::{Term, Value};

use super::*;

/// No renewal is held back for longer.
const LINGER: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
enum Step {
    Push {
        operation: Operation,
        key: u16,
        patience: Option<Duration>,
        left: Option<Duration>,
        bytes: usize,
    },
    /// So many at once, each for another key.
    Burst {
        operation: Operation,
        count: u16,
        bytes: usize,
    },
    /// Of one that waits or is in flight.
    Cancel(prop::sample::Index),
    Depart,
    Land {
        which: prop::sample::Index,
        took: Duration,
        end: End,
    },
    Wait(Duration),
    /// All that can departs before, as where the dispatcher sleeps.
    Sleep(Duration),
    /// No connection can be had.
    TakeAll,
}

/// How a flight ends.
#[derive(Clone, Debug)]
enum End {
    Broken,
    /// Each of them meets a lock or does not; and what was read answers whoever waits for a key, or does not.
    Answered {
        locked: Vec<bool>,
        is_read: bool,
    },
}

fn patience_of_one() -> impl Strategy<Value = Option<Duration>> {
    let usual = [100, 200, 800, 2_000, 3_900, 8_000].map(Duration::from_millis);
    prop_oneof![
        12 => prop::sample::select(usual.to_vec()).prop_map(Some),
        2 => Just(None),
        1 => prop::sample::select(vec![Duration::ZERO, Duration::from_nanos(1), Duration::MAX]).prop_map(Some),
    ]
}

fn push() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![
        4 => Just(Operation::Renew),
        4 => Just(Operation::Acquire),
        2 => Just(Operation::Release),
        2 => Just(Operation::Get),
        1 => Just(Operation::Revoke),
        1 => Just(Operation::List),
    ];
    let key = prop_oneof![3 => 0..4_u16, 2 => 0..60_u16];
    let left = prop::option::of((0..10_000_u64).prop_map(Duration::from_millis));
    let bytes = prop_oneof![9 => Just(0_usize), 1 => 0..4_000_usize];
    (operation, key, patience_of_one(), left, bytes).prop_map(|(operation, key, patience, left, bytes)| Step::Push {
        operation,
        key,
        patience,
        left,
        bytes,
    })
}

fn burst() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![Just(Operation::Acquire), Just(Operation::Renew)];
    let count = prop_oneof![4 => 1..100_u16, 4 => 1..300_u16, 1 => Just(1_030)];
    let bytes = prop_oneof![Just(0_usize), Just(4_000)];
    (operation, count, bytes).prop_map(|(operation, count, bytes)| Step::Burst { operation, count, bytes })
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        1 => Just(End::Broken),
        4 => (prop::collection::vec(prop::bool::weighted(0.4), 1..8), any::<bool>())
            .prop_map(|(locked, is_read)| End::Answered { locked, is_read }),
    ];
    let took = prop_oneof![4 => 1..50_u64, 1 => 50..4_000_u64].prop_map(Duration::from_millis);
    let wait = prop_oneof![6 => 0..30_u64, 3 => 0..1_000_u64, 1 => 0..30_000_u64].prop_map(Duration::from_millis);
    prop_oneof![
        40 => push(),
        2 => burst(),
        8 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        24 => Just(Step::Depart),
        14 => (any::<prop::sample::Index>(), took, end).prop_map(|(which, took, end)| Step::Land { which, took, end }),
        6 => wait.clone().prop_map(Step::Wait),
        12 => wait.prop_map(Step::Sleep),
        1 => Just(Step::TakeAll),
    ]
}

fn request(
    operation: Operation,
    key: &str,
    patience: Option<Duration>,
    left: Option<Duration>,
    bytes: usize,
) -> Request {
    const TTL: Duration = Duration::from_secs(10);
    let (key, id, session) = (Key::new(key).unwrap(), lessor::Id::new("a").unwrap(), Session::from_bits(1));
    let value = (bytes > 0).then(|| Value::new("v".repeat(bytes)).unwrap());
    match operation {
        Operation::Acquire => {
            let mut claim = Claim::new(key, id, session, TTL).value(value);
            claim.patience = patience;
            claim.into()
        }
        Operation::Renew => {
            let mut renewal = Renewal::new(key, id, session, Term::FIRST, TTL).value(value);
            (renewal.patience, renewal.time_left) = (patience, left);
            renewal.into()
        }
        Operation::Release => {
            let mut release = Release::new(key, session);
            release.patience = patience;
            release.into()
        }
        Operation::Get => {
            let mut get = Get::new(key);
            get.patience = patience;
            get.into()
        }
        Operation::Revoke => Revoke::new(key).into(),
        _ => List::new().into(),
    }
}

fn may_be_shared(member: &Member) -> bool {
    !member.asker.alone && !matches!(member.request.operation(), Operation::Revoke | Operation::List)
}

struct Flying {
    members: Vec<Member>,
    class: Class,
    alone: bool,
    departed: Instant,
}

struct Model {
    queue: Queue,
    now: Instant,
    tracks: usize,
    last: u64,
    waiting: BTreeMap<Id, Member>,
    flying: Vec<Flying>,
    /// Those that have not come to their end. One in flight may have been given up.
    alive: BTreeSet<Id>,
    /// Until when a class counts as present, though nothing of it waits.
    present: BTreeMap<Class, Instant>,
    /// Nothing may depart now, and nothing has changed since that was seen.
    is_settled: bool,
}

impl Model {
    fn new(tracks: usize) -> Self {
        Self {
            queue: Queue::default(),
            now: Instant::from_origin(Duration::from_secs(100)),
            tracks,
            last: 0,
            waiting: BTreeMap::new(),
            flying: Vec::new(),
            alive: BTreeSet::new(),
            present: BTreeMap::new(),
            is_settled: false,
        }
    }

    fn take(&mut self, step: Step) {
        let was_settled = core::mem::replace(&mut self.is_settled, false);
        match step {
            Step::Push { operation, key, patience, left, bytes } => {
                self.push(request(operation, &format!("k{key}"), patience, left, bytes));
            }
            Step::Burst { operation, count, bytes } => {
                // Far enough from the end of a reign to be held back.
                let (patience, left) = (Some(Duration::from_secs(2)), Some(Duration::from_secs(8)));
                for number in 0..count {
                    // Renewals that come after a departure are held back, where others came shortly before.
                    if number == count / 4 * 3 {
                        self.settle();
                    }
                    self.push(request(operation, &format!("burst-{number}"), patience, left, bytes));
                }
            }
            Step::Cancel(which) => {
                if !self.alive.is_empty() {
                    let alive: Vec<_> = self.alive.iter().copied().collect();
                    self.cancel(*which.get(&alive));
                }
            }
            Step::Depart => self.depart(),
            Step::Land { which, took, end } => {
                if !self.flying.is_empty() {
                    self.now = self.now.saturating_add(took);
                    self.land(which.index(self.flying.len()), &end);
                }
            }
            Step::Wait(time) => self.wait(time, was_settled),
            Step::Sleep(time) => {
                self.settle();
                self.wait(time, true);
            }
            Step::TakeAll => {
                let taken = self.queue.take_all();
                assert_eq!(taken.len(), self.waiting.len());
                taken.iter().for_each(|member| self.ended(member));
            }
        }
        self.check();
    }

    fn push(&mut self, request: Request) {
        self.is_settled = false;
        self.last += 1;
        let id = Id(self.last);
        let patience = patience(&request);
        self.queue.push(id, request, self.now);
        let waits = self.queue.waiting[&id].clone();
        let (earliest, latest) = (self.now.saturating_add(patience / 2), self.now.saturating_add(patience));
        assert!((earliest..=latest).contains(&waits.asker.give_up));
        let until = self.now.saturating_add(patience.saturating_mul(REMEMBERED));
        let present = self.present.entry(waits.class()).or_default();
        *present = until.max(*present);
        self.alive.insert(id);
        self.waiting.insert(id, waits);
    }

    /// What waits no longer has come to its end.
    fn ended(&mut self, member: &Member) {
        let id = member.asker.id;
        assert!(self.waiting.remove(&id).is_some(), "{member:?} did not wait");
        assert!(self.alive.remove(&id), "{member:?} ended twice");
    }

    fn cancel(&mut self, id: Id) {
        match self.queue.remove(id) {
            Some(member) => self.ended(&member),
            None => {
                assert!(!self.waiting.contains_key(&id));
                self.alive.remove(&id);
            }
        }
    }

    fn wait(&mut self, time: Duration, was_settled: bool) {
        let due = self.queue.next_due(self.now);
        self.now = self.now.saturating_add(time);
        self.is_settled = false;
        if was_settled && due.is_none_or(|due| due > self.now) {
            // The dispatcher sleeps until then.
            assert!(self.queue.take_overdue(self.now).is_empty(), "overdue before {due:?}");
            self.depart();
            assert!(self.is_settled, "something departs before {due:?}");
        }
        self.give_up_overdue();
    }

    fn give_up_overdue(&mut self) {
        for member in self.queue.take_overdue(self.now) {
            assert!(member.asker.give_up <= self.now);
            self.ended(&member);
        }
        assert!(self.waiting.values().all(|waits| waits.asker.give_up > self.now));
    }

    // === departures ===

    /// All that can.
    fn settle(&mut self) {
        self.is_settled = false;
        while !self.is_settled {
            self.depart();
        }
    }

    /// As the dispatcher does it: what is overdue is gone before.
    fn depart(&mut self) {
        self.give_up_overdue();
        if self.flying.len() >= self.tracks {
            self.is_settled = true;
            return;
        }
        let flying: Vec<_> = self.flying.iter().map(|flight| (flight.class, flight.alone)).collect();
        // Before they change.
        let eligible = self.eligible();
        let most_keys: BTreeMap<_, _> =
            self.queue.lines.iter().map(|(class, line)| (*class, line.pace.most_keys())).collect();
        let Some(departure) = self.queue.depart(self.now, Tracks { count: self.tracks, flying: &flying }) else {
            assert!(eligible.is_empty(), "left behind: {eligible:?}");
            self.is_settled = true;
            return;
        };
        let members: Vec<_> = departure.members.clone();
        self.check_departure(&departure, &members, most_keys[&departure.class]);
        check_order(&members, &eligible, most_keys[&departure.class]);
        for member in &members {
            assert!(self.waiting.remove(&member.asker.id).is_some(), "{member:?} did not wait");
            assert!(self.alive.contains(&member.asker.id), "{member:?} had ended");
        }
        let Departure { members, class, alone } = departure;
        self.flying.push(Flying { members, class, alone, departed: self.now });
    }

    fn keys_in_flight(&self) -> BTreeSet<&Key> {
        let members = self.flying.iter().flat_map(|flight| &flight.members);
        members.filter_map(|member| member.request.key()).collect()
    }

    /// The class with the least patience that is about.
    fn shortest(&self) -> Option<Class> {
        let waiting = self.waiting.values().map(Member::class);
        let flying = self.flying.iter().map(|flight| flight.class);
        let present = self.present.iter().filter(|(_, until)| **until > self.now).map(|(class, _)| *class);
        waiting.chain(flying).chain(present).min()
    }

    /// Whether a flight of this class leaves a track for shorter ones that are about.
    fn has_room(&self, class: Class) -> bool {
        let Some(shortest) = self.shortest() else { return true };
        let longer = self.flying.iter().filter(|flight| flight.class > shortest).count();
        self.tracks == 1 || class <= shortest || longer < self.tracks - 1
    }

    /// Those of whom one has to depart now.
    fn eligible(&self) -> Vec<Member> {
        let in_flight = self.keys_in_flight();
        let waits_for_lock = self.flying.iter().any(|flight| flight.alone);
        let is_eligible = |waits: &&Member| {
            let is_ripe = self
                .queue
                .lines
                .get(&waits.class())
                .is_some_and(|line| line.pace.is_ripe(self.now) || line.order.len() >= line.pace.most_keys());
            let lingers = waits.place().rank == Rank::Renewal
                && !is_ripe
                && self.now.saturating_duration_since(waits.asker.asked) < LINGER;
            let is_parked = waits.request.key().is_some_and(|key| in_flight.contains(key));
            let is_held_back = is_parked || lingers || (waits.asker.alone && waits_for_lock);
            !is_held_back && self.has_room(waits.class())
        };
        self.waiting.values().filter(is_eligible).cloned().collect()
    }

    /// What may be together, by itself.
    fn check_departure(&self, departure: &Departure, members: &[Member], most_keys: usize) {
        let first = members.first().expect("somebody departs");
        let in_flight = self.keys_in_flight();
        let mut keys = BTreeSet::new();
        for member in members {
            assert_eq!(member.request.operation(), first.request.operation());
            assert_eq!((member.class(), member.asker.alone), (departure.class, departure.alone));
            if let Some(key) = member.request.key() {
                assert!(keys.insert(key) && !in_flight.contains(key), "{key} is in two flights");
            }
        }
        assert!(members.len() == 1 || may_be_shared(first));
        assert!(members.len() <= most_keys.min(1_024));
        assert!(members.len() == 1 || bytes(members) <= MOST_BYTES);
        assert!(!(departure.alone && self.flying.iter().any(|flight| flight.alone)), "two wait for locks");
        assert!(self.has_room(departure.class), "no track is left for a shorter class");
    }

    // === ends of flights ===

    fn land(&mut self, which: usize, end: &End) {
        let Flying { members, class, alone, departed } = self.flying.swap_remove(which);
        let took = self.now.saturating_duration_since(departed);
        let longest = members.iter().map(Member::patience).max().unwrap();
        self.queue.answered_after(class, took, members.len(), longest);
        let keys: Vec<_> = members.iter().filter_map(|member| member.request.key()).cloned().collect();
        for (place, member) in members.into_iter().enumerate() {
            let is_asked = self.alive.contains(&member.asker.id);
            let id = member.asker.id;
            match end {
                End::Broken if !member.asker.repeated && is_asked => {
                    let before = member.asker;
                    self.queue.push_again(member);
                    self.waits_again(id, before);
                    assert!(self.waiting[&id].asker.repeated);
                }
                End::Answered { locked, .. } if locked[place % locked.len()] && !alone && is_asked => {
                    let before = member.asker;
                    self.queue.push_alone(member);
                    self.waits_again(id, before);
                    assert!(self.waiting[&id].asker.alone);
                }
                _ => {
                    self.alive.remove(&id);
                }
            }
        }
        for key in &keys {
            for (id, asked) in self.queue.parked(key).collect::<Vec<_>>() {
                let request = self.queue.request(id).expect("it waits");
                assert_eq!(request.key(), Some(key));
                assert_eq!(self.waiting[&id].asker.asked, asked);
                if asked <= departed && matches!(end, End::Answered { is_read: true, .. }) {
                    let member = self.queue.remove(id).expect("it waits");
                    self.ended(&member);
                }
            }
            self.queue.land(key);
        }
    }

    fn waits_again(&mut self, id: Id, before: Asker) {
        let waits = self.queue.waiting[&id].clone();
        assert_eq!(waits.asker.give_up, before.give_up, "its patience goes on");
        self.waiting.insert(id, waits);
    }

    // === what is always true ===

    fn check(&self) {
        let queue = &self.queue;
        assert_eq!(queue.len(), self.waiting.len());
        assert!(queue.waiting.keys().all(|id| self.waiting.contains_key(id)));
        assert_eq!(queue.give_up.len(), self.waiting.len());
        let in_lines: usize = queue.lines.values().map(|line| line.order.len()).sum();
        let parked: usize = queue.in_flight.values().map(BTreeSet::len).sum();
        assert_eq!(in_lines + parked, self.waiting.len(), "each is in one place");
        assert_eq!(queue.in_flight.keys().collect::<BTreeSet<_>>(), self.keys_in_flight());
        let flying: usize = self.flying.iter().map(|flight| flight.members.len()).sum();
        assert!(self.alive.len() <= self.waiting.len() + flying);
    }

    /// Everything lands, and all that waits departs or is given up: in as many steps as there are requests, about.
    fn finish(mut self) {
        let mut steps = 0;
        while !self.waiting.is_empty() || !self.flying.is_empty() {
            steps += 1;
            assert!(steps < 10 * self.last + 100, "it comes to no end: {:?}", self.waiting);
            self.is_settled = false;
            self.depart();
            if self.is_settled {
                if !self.flying.is_empty() {
                    self.land(0, &End::Answered { locked: vec![false], is_read: false });
                } else if !self.waiting.is_empty() {
                    let due = self.queue.next_due(self.now).expect("something is due where somebody waits");
                    self.wait(due.saturating_duration_since(self.now), false);
                }
            }
            self.check();
        }
        assert!(self.alive.is_empty(), "never ended: {:?}", self.alive);
        assert!(self.queue.is_empty());
        // Nor the classes, once they are not about any more.
        // Beyond what any clock reads, since something may be due only then.
        self.now = Instant::from_origin(Duration::MAX).saturating_add(Duration::MAX);
        assert!(self.queue.depart(self.now, Tracks { count: 1, flying: &[] }).is_none());
        assert!(self.queue.lines.is_empty());
    }
}

fn bytes(members: &[Member]) -> usize {
    members.iter().map(|member| size(&member.request)).sum()
}

/// Nobody who might have departed was left behind for one that comes after it.
fn check_order(members: &[Member], eligible: &[Member], most_keys: usize) {
    let (first, last) = (members.first().unwrap(), members.last().unwrap());
    assert!(members.is_sorted_by_key(Member::place));
    let departed: BTreeSet<_> = members.iter().map(|member| member.asker.id).collect();
    let mut left: Vec<_> = eligible.iter().filter(|waits| !departed.contains(&waits.asker.id)).collect();
    left.sort_by_key(|waits| waits.place());
    if let Some(best) = left.first() {
        assert!(best.place() > first.place(), "{best:?} was left behind for {first:?}");
    }
    if !may_be_shared(first) {
        return;
    }
    let of_the_same = left.iter().filter(|waits| {
        (waits.class(), waits.place().rank, waits.request.operation())
            == (first.class(), first.place().rank, first.request.operation())
    });
    for waits in of_the_same {
        let same_key = members.iter().find(|member| member.request.key() == waits.request.key());
        if let Some(before) = same_key {
            assert!(before.place() < waits.place(), "{waits:?} was left behind for {before:?}");
            continue;
        }
        assert!(last.place() < waits.place(), "{waits:?} was left behind for {last:?}");
        let is_full = members.len() >= most_keys || bytes(members) + size(&waits.request) > MOST_BYTES;
        assert!(is_full, "there was room for {waits:?}");
        // What is behind the first that had no room stays behind it.
        break;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn told_anything_it_keeps_its_order(tracks in 1..4_usize, steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new(tracks);
        steps.into_iter().for_each(|step| model.take(step));
        model.finish();
    }
}

/// Renewals that come one after the other are held back for 20 ms, and none of them twice.
#[test]
fn renewals_are_held_back_once() {
    let ms = Duration::from_millis;
    let mut model = Model::new(3);
    model.take(Step::Burst { operation: Operation::Renew, count: 200, bytes: 0 });
    assert_eq!((model.flying.len(), model.waiting.len()), (1, 50));
    model.take(Step::Sleep(ms(19)));
    assert_eq!((model.flying.len(), model.waiting.len()), (1, 50));
    assert_eq!(model.queue.next_due(model.now), Some(model.now.saturating_add(ms(1))));
    model.take(Step::Sleep(ms(1)));
    model.take(Step::Depart);
    assert_eq!((model.flying.len(), model.waiting.len()), (2, 0));

    // The connection breaks while another is held back.
    model.push(request(Operation::Renew, "k", Some(Duration::from_secs(2)), Some(Duration::from_secs(8)), 0));
    model.take(Step::Depart);
    assert_eq!((model.flying.len(), model.waiting.len()), (2, 1));
    model.land(1, &End::Broken);
    model.take(Step::Depart);
    assert_eq!((model.flying.len(), model.waiting.len()), (2, 0));
    model.finish();
}
