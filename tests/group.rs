//! Many candidates under one driver, in virtual time.

mod faulty;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use faulty::{entropy, ms, secs};
use futures::{FutureExt as _, StreamExt as _};
use lessor::storage::{Acquired, Operation, Renewed, Reply, Request, Version, one_by_one};
use lessor::{
    BuildError, Builder, Event, Group, GroupDriver, GroupEvent, Instant, Key, ManualTimer, MemoryStorage, Stopped,
    Storage, StorageError, Term, Timer, Wakeups, async_trait,
};

type Refusal = Box<dyn FnMut(&Request) -> bool + Send>;

/// Tells when what was asked, and refuses what a test says.
#[derive(Clone)]
struct Watched {
    inner: MemoryStorage,
    timer: ManualTimer,
    asked: Arc<Mutex<Vec<(Instant, Operation)>>>,
    refuse: Arc<Mutex<Refusal>>,
}

#[async_trait]
impl Storage for Watched {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.asked.lock().unwrap().push((self.timer.now(), request.operation()));
        if (self.refuse.lock().unwrap())(&request) {
            return Err(StorageError::not_sent(Duration::ZERO, StorageError::transient("others were before it")));
        }
        self.inner.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.inner.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Watched {
    fn new(timer: &ManualTimer) -> Self {
        let inner = MemoryStorage::with_timer(timer.clone());
        let refuse: Refusal = Box::new(|_| false);
        Self { inner, timer: timer.clone(), asked: Arc::default(), refuse: Arc::new(Mutex::new(refuse)) }
    }

    fn take(&self) -> Vec<(Instant, Operation)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn group(id: &str, storage: &Watched) -> (Group, GroupDriver<Watched>) {
    let seed = id.bytes().map(u64::from).sum();
    Group::builder().id(id).build_with(storage.clone(), storage.timer.clone(), entropy(seed)).unwrap()
}

fn running(id: &str, storage: &Watched, keys: usize) -> Group {
    let (group, driver) = group(id, storage);
    storage.timer.spawn(driver.run());
    for number in 0..keys {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    group
}

fn pass(timer: &ManualTimer, time: Duration) {
    timer.block_on(timer.sleep(time)).unwrap();
}

/// All lead, each in its own term, and their renewals are sent at the same moments.
#[test]
fn renewals_share_their_time() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 1_000);
    pass(&timer, secs(10));
    assert_eq!(group.status().leading, 1_000);
    storage.take();
    pass(&timer, secs(60));
    let mut moments = BTreeMap::new();
    for (at, operation) in storage.take() {
        assert_eq!(operation, Operation::Renew);
        *moments.entry(at).or_insert(0) += 1;
    }
    assert!(moments.values().all(|renewals| *renewals == 1_000), "{moments:?}");
    assert!((27..=34).contains(&moments.len()), "{} moments in a minute", moments.len());
    assert!(group.candidates().iter().all(|candidate| candidate.leadership().unwrap().term() == Term::FIRST));
}

/// Keys with longer intervals share but some of the moments of those with shorter ones.
#[test]
fn intervals_may_differ() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 10);
    group.add(Builder::new("short").ttl(secs(1))).unwrap();
    pass(&timer, secs(5));
    storage.take();
    pass(&timer, secs(60));
    let renewals = storage.take().len();
    // 60 s: once every 2 s each of ten, and every 200 ms the one.
    assert!((500..=720).contains(&renewals), "{renewals} renewals");
    assert!(group.candidates().iter().all(|candidate| candidate.leadership().unwrap().term() == Term::FIRST));
}

/// Two groups on the same keys: one leads each, and what one hands over the other has at once.
#[test]
fn another_takes_over() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let first = running("a", &storage, 100);
    pass(&timer, secs(5));
    let second = running("b", &storage, 100);
    pass(&timer, secs(30));
    assert_eq!((first.status().leading, second.status().leading), (100, 0));
    let is_first = |candidate: &lessor::Candidate| candidate.leadership().unwrap().term() == Term::FIRST;
    assert!(first.candidates().iter().all(is_first), "nobody has lost it meanwhile");
    timer.block_on(first.shutdown()).unwrap().unwrap();
    pass(&timer, ms(10));
    assert_eq!((first.status().leading, second.status().leading), (0, 100));
}

/// One whose driver is dropped believes in nothing any more; the other has all within a ttl and a bit.
#[test]
fn a_dropped_driver() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (first, mut driver) = group("a", &storage);
    let candidate = first.add(Builder::new("k")).unwrap();
    timer.block_on(driver.step()).unwrap();
    assert!(candidate.is_leader());
    let mut events = first.events();
    drop(driver);
    assert!(!candidate.is_leader());
    assert_eq!(timer.block_on(candidate.elected()).unwrap().unwrap_err(), Stopped::DriverDropped);
    assert!(timer.block_on(first.shutdown()).unwrap().is_err());
    assert_eq!(first.add(Builder::new("other")).unwrap_err(), BuildError::GroupStopped);
    while timer.block_on(events.next()).unwrap().is_some() {}
    let second = running("b", &storage, 0);
    let next = second.add(Builder::new("k")).unwrap();
    pass(&timer, ms(10_500));
    assert!(next.is_leader());
}

/// Candidates come and go while it runs, and nobody has to keep their handles.
#[test]
fn members_come_and_go() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 3);
    let mut events = group.events();
    pass(&timer, secs(1));
    let key = || Key::new("1").unwrap();
    assert!(matches!(group.add(Builder::new("1")), Err(BuildError::InGroup { key: of, .. }) if of == key()));
    timer.block_on(group.remove("1")).unwrap().unwrap();
    pass(&timer, ms(1));
    assert!(group.get("1").is_none());
    assert_eq!(group.status().leading, 2);
    timer.block_on(group.remove("1")).unwrap().unwrap();
    let again = group.add(Builder::new("1").id("own")).unwrap();
    let leadership = timer.block_on(again.elected()).unwrap().unwrap();
    assert_eq!((leadership.term().get(), again.id().as_str()), (2, "own"));
    let mut seen = Vec::new();
    timer.block_on(async {
        while let Some(event) = events.next().await {
            let done = matches!(&event, GroupEvent::Of { key: of, event: Event::Elected { term, .. }, .. } if *of == key() && term.get() == 2);
            seen.push(event);
            if done {
                break;
            }
        }
    });
    let of_one: Vec<_> = seen
        .iter()
        .filter(|event| match event {
            GroupEvent::Added(of) | GroupEvent::Removed(of) => *of == key(),
            GroupEvent::Of { key: of, event, .. } => {
                *of == key() && matches!(event, Event::Elected { .. } | Event::Lost { .. })
            }
            _ => false,
        })
        .map(|event| match event {
            GroupEvent::Added(_) => "added",
            GroupEvent::Removed(_) => "removed",
            GroupEvent::Of { event: Event::Elected { .. }, .. } => "elected",
            _ => "lost",
        })
        .collect();
    assert_eq!(of_one, ["added", "elected", "lost", "removed", "added", "elected"]);
}

/// The last handle is gone: all keys are handed over, and the driver returns.
#[test]
fn the_last_handle() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, driver) = group("a", &storage);
    for number in 0..10 {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    let (done, is_done) = futures::channel::oneshot::channel();
    timer.spawn(async move {
        driver.run().await;
        let _ = done.send(());
    });
    pass(&timer, secs(1));
    drop(group);
    timer.block_on(is_done).unwrap().unwrap();
    let releases = storage.take().iter().filter(|(_, operation)| *operation == Operation::Release).count();
    assert_eq!(releases, 10);
}

/// One that has no candidates, not yet or not any more, ends like any other.
#[test]
fn an_empty_group_ends() {
    type Stop = fn(&ManualTimer, Group);
    let stops: [Stop; 2] =
        [|timer, group| timer.block_on(group.shutdown()).expect("it ends").unwrap(), |_, group| drop(group)];
    for (had_some, stop) in [false, true].into_iter().flat_map(|had_some| stops.map(|stop| (had_some, stop))) {
        let timer = ManualTimer::new();
        let storage = Watched::new(&timer);
        let (group, driver) = group("a", &storage);
        let (ended, end) = futures::channel::oneshot::channel();
        timer.spawn(async move {
            driver.run().await;
            let _ = ended.send(());
        });
        if had_some {
            group.add(Builder::new("k")).unwrap();
            pass(&timer, secs(1));
            timer.block_on(group.remove("k")).unwrap().unwrap();
        }
        // It has nothing to do, and waits.
        pass(&timer, secs(100));
        stop(&timer, group);
        timer.block_on(end).expect("the driver returns").unwrap();
    }
}

/// An answer to one that is gone is nobody's, even if another has its place by then.
#[test]
fn an_answer_to_one_that_is_gone() {
    let timer = ManualTimer::new();
    let (answers, mut asked) = futures::channel::mpsc::unbounded();
    let storage = Withheld(answers);
    let (group, driver) = Group::builder().id("a").build_with(storage, timer.clone(), entropy(7)).unwrap();
    timer.spawn(driver.run());
    group.add(Builder::new("old")).unwrap();
    pass(&timer, ms(1));
    timer.block_on(group.remove("old")).unwrap().unwrap();
    let new = group.add(Builder::new("new")).unwrap();
    pass(&timer, ms(1));
    let (claims, others): (Vec<_>, Vec<_>) = std::iter::from_fn(|| asked.try_recv().ok())
        .partition(|(request, _)| request.operation() == Operation::Acquire);
    let mut claims = claims.into_iter();
    let granted = || Ok(Reply::Acquired(Acquired::granted(Term::FIRST, Version::FIRST)));
    let (of_old, answer_old) = claims.next().unwrap();
    assert_eq!(of_old.key().unwrap().as_str(), "old");
    let _ = answer_old.send(granted());
    pass(&timer, ms(1));
    assert!(!new.is_leader());
    let (of_new, answer_new) = claims.next_back().unwrap();
    assert_eq!(of_new.key().unwrap().as_str(), "new");
    let _ = answer_new.send(granted());
    pass(&timer, ms(1));
    assert!(new.is_leader());
    drop(others);
}

type Withholding = (Request, futures::channel::oneshot::Sender<Result<Reply, StorageError>>);

/// Answers when the test does.
struct Withheld(futures::channel::mpsc::UnboundedSender<Withholding>);

#[async_trait]
impl Storage for Withheld {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let (answer, answered) = futures::channel::oneshot::channel();
        let _ = self.0.unbounded_send((request, answer));
        match answered.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// R20: answers that are there are taken in before an overload is judged, also where nobody looked for a while.
#[test]
fn answers_come_before_an_overload() {
    let timer = ManualTimer::new();
    let (answers, mut asked) = futures::channel::mpsc::unbounded();
    let (group, driver) = Group::builder().id("a").build_with(Withheld(answers), timer.clone(), entropy(7)).unwrap();
    timer.spawn(driver.run());
    for key in ["good", "fine", "weak", "poor"] {
        group.add(Builder::new(key)).unwrap();
    }
    let mut events = group.events();
    let granted = || Ok(Reply::Acquired(Acquired::granted(Term::FIRST, Version::FIRST)));
    let extended = || Ok(Reply::Renewed(Renewed::extended(Version::FIRST)));
    let mut withheld = Vec::new();
    let began = timer.now();
    while timer.now() < began.saturating_add(ms(5_400)) {
        pass(&timer, ms(1));
        for (request, answer) in std::iter::from_fn(|| asked.try_recv().ok()) {
            let fails = ["weak", "poor"].contains(&request.key().unwrap().as_str());
            let _ = match request {
                Request::Acquire(_) => answer.send(granted()),
                _ if !fails => answer.send(extended()),
                _ if timer.now() < began.saturating_add(ms(4_900)) => answer.send(Err(StorageError::transient("busy"))),
                _ => {
                    withheld.push(answer);
                    continue;
                }
            };
        }
    }
    assert_eq!((group.status().in_jeopardy, withheld.len()), (2, 2));
    // The process stands still beyond its next renewals; what it asked for before is answered meanwhile.
    timer.advance(ms(1_350));
    for answer in withheld {
        let _ = answer.send(extended());
    }
    pass(&timer, ms(1));
    assert_eq!((group.status().leading, group.status().in_jeopardy), (4, 0));
    while let Some(Some(event)) = events.next().now_or_never() {
        assert!(!matches!(event, GroupEvent::Overloaded { .. }), "{event:?}");
    }
}

/// A slow or refused key costs no other key anything.
#[test]
fn one_that_fails() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 50);
    pass(&timer, secs(5));
    *storage.refuse.lock().unwrap() =
        Box::new(|request| matches!(request, Request::Renew(renewal) if renewal.key.as_str() == "7"));
    pass(&timer, secs(60));
    for candidate in group.candidates().iter().filter(|candidate| candidate.key().as_str() != "7") {
        assert_eq!(candidate.leadership().unwrap().term(), Term::FIRST, "{}", candidate.key());
    }
}

/// Where only so many renewals get through, the rest is handed over, newest terms first, and what is left stays.
#[test]
fn a_storage_that_cannot_keep_up() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 60);
    pass(&timer, secs(5));
    for number in 60..100 {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    pass(&timer, secs(5));
    assert_eq!(group.status().leading, 100);
    let mut events = group.events();
    // Thirty renewals a second, and no claims: as many as lead may be renewed every 2 s.
    let mut window = (timer.now(), 0);
    let clock = timer.clone();
    *storage.refuse.lock().unwrap() = Box::new(move |request| {
        let now = clock.now();
        if now.saturating_duration_since(window.0) >= secs(1) {
            window = (now, 0);
        }
        match request {
            Request::Renew(_) => {
                window.1 += 1;
                window.1 > 10
            }
            Request::Acquire(_) => true,
            _ => false,
        }
    });
    pass(&timer, secs(120));
    let before: Vec<_> =
        group.candidates().iter().filter_map(|candidate| candidate.leadership().map(|l| l.term())).collect();
    pass(&timer, secs(60));
    let after: Vec<_> =
        group.candidates().iter().filter_map(|candidate| candidate.leadership().map(|l| l.term())).collect();
    assert!(before.len() >= 15 && after.len() >= before.len() - 5, "{} {}", before.len(), after.len());
    let mut overloaded = false;
    while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
        overloaded |= matches!(event, GroupEvent::Overloaded { .. });
    }
    assert!(overloaded);
}

/// R20: of those in danger half are given up at each renewal: those that hand over already are not counted again.
#[test]
fn given_up_once() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, driver) = group("a", &storage);
    timer.spawn(driver.run());
    for number in 0..12 {
        // Often enough that more than one comes in the time in which a lease is in danger.
        group.add(Builder::new(number.to_string()).renew_interval(secs(1))).unwrap();
    }
    pass(&timer, secs(5));
    let leaderships: Vec<_> = group.candidates().iter().map(|candidate| candidate.leadership().unwrap()).collect();
    // Their work takes its time to end.
    let guards: Vec<_> = leaderships.iter().map(|leadership| leadership.guard().unwrap()).collect();
    *storage.refuse.lock().unwrap() =
        Box::new(|request| matches!(request, Request::Renew(renewal) if renewal.key.as_str() < "7"));
    let mut events = group.events();
    pass(&timer, secs(10));
    let mut overloads = Vec::new();
    while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
        match event {
            GroupEvent::Overloaded { in_danger, .. } => overloads.push((in_danger, 0)),
            GroupEvent::Of { event: Event::Ending { .. }, .. } => overloads.last_mut().unwrap().1 += 1,
            _ => {}
        }
    }
    assert!(overloads.len() > 1, "{overloads:?}");
    assert!(overloads.iter().all(|(in_danger, given_up)| *given_up == in_danger.div_ceil(2)), "{overloads:?}");
    drop(guards);
}

/// R20: a lease that is over already is not in danger, and cannot be handed over.
#[test]
fn too_late_to_be_given_up() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, mut driver) = group("a", &storage);
    for key in ["fails", "stays"] {
        group.add(Builder::new(key)).unwrap();
    }
    let mut events = group.events();
    timer.block_on(driver.step()).unwrap();
    *storage.refuse.lock().unwrap() = Box::new(|request| request.key().is_some_and(|key| key.as_str() == "fails"));
    for _ in 0..2 {
        pass(&timer, ms(2_200));
        assert_eq!(timer.block_on(driver.step()).unwrap().status.leading, 2);
    }
    // Nobody steps until one is over and the other is not.
    pass(&timer, secs(6));
    assert_eq!(timer.block_on(driver.step()).unwrap().status.leading, 1);
    while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
        assert!(!matches!(event, GroupEvent::Overloaded { .. }), "{event:?}");
    }
}

/// Who is told that a candidate is gone may add another at once, here within the wake-up for its last event.
#[test]
fn gone_is_gone() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 1);
    pass(&timer, secs(1));
    let (told, added) = (group.clone(), Arc::new(Mutex::new(None)));
    let result = added.clone();
    let work = Arc::new(PolledAtOnce(Mutex::new(Some(Box::pin(async move {
        told.remove("0").await.unwrap();
        *result.lock().unwrap() = Some(told.add(Builder::new("0")));
    })))));
    let mut events = group.events();
    let waker = work.clone().into();
    let mut cx = Context::from_waker(&waker);
    while events.poll_next_unpin(&mut cx).is_ready() {}
    work.clone().wake();
    pass(&timer, secs(1));
    work.wake();
    assert!(added.lock().unwrap().take().unwrap().is_ok());
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Is polled within its wake-ups.
struct PolledAtOnce(Mutex<Option<Work>>);

impl Wake for PolledAtOnce {
    fn wake(self: Arc<Self>) {
        let mut work = self.0.lock().unwrap();
        work.take_if(|work| work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}

/// Those that have something to do all the time do not keep the others from their turn.
#[test]
fn in_turn() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 400);
    pass(&timer, secs(1));
    let busy = group.candidates();
    for number in 400..700 {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    let (tell, told) = futures::channel::oneshot::channel();
    timer.spawn(async move {
        for _ in 0..20 {
            for candidate in &busy {
                let asked = pin!(candidate.set_value(None));
                let _ = futures::FutureExt::now_or_never(asked);
            }
            // The driver has its turn.
            let mut is_first = true;
            futures::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }
        let _ = tell.send(group.status().leading);
    });
    assert_eq!(timer.block_on(told).unwrap().unwrap(), 700);
}

/// What a storage does when somebody subscribes is its own affair: here it adds another candidate.
#[test]
fn added_within() {
    let timer = ManualTimer::new();
    let slot: Arc<Mutex<Option<Group>>> = Arc::default();
    let storage = Chained(Watched::new(&timer), slot.clone());
    let (group, driver) = Group::builder().id("a").build_with(storage, timer.clone(), entropy(7)).unwrap();
    timer.spawn(driver.run());
    *slot.lock().unwrap() = Some(group.clone());
    group.add(Builder::new("first")).unwrap();
    pass(&timer, secs(1));
    assert_eq!(group.status().leading, 2);
}

/// Adds one more for the first that subscribes.
struct Chained(Watched, Arc<Mutex<Option<Group>>>);

#[async_trait]
impl Storage for Chained {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.call_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        let group = self.1.lock().unwrap().take();
        if let Some(group) = group {
            group.add(Builder::new("second")).unwrap();
        }
        self.0.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Where no loop survives: it says when to come back, and all goes on in steps.
#[test]
fn in_steps() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, mut driver) = group("a", &storage);
    for number in 0..20 {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    for _ in 0..60 {
        let step = timer.block_on(driver.step()).unwrap();
        assert_eq!(step.status.leading, 20);
        pass(&timer, step.wake_in.unwrap());
    }
    assert!(group.candidates().iter().all(|candidate| candidate.leadership().unwrap().term() == Term::FIRST));
    let handing_over = group.shutdown();
    futures::pin_mut!(handing_over);
    let _ = futures::FutureExt::now_or_never(&mut handing_over);
    assert_eq!(timer.block_on(driver.step()).unwrap().wake_in, None);
    assert_eq!(timer.block_on(handing_over), Some(Ok(())));
}

/// None is forgotten that comes while the driver takes up others.
#[test]
fn newcomers_in_parts() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, driver) = group("a", &storage);
    timer.spawn(driver.run());
    timer
        .block_on(async {
            for part in 0..5 {
                for number in 0..300 {
                    group.add(Builder::new(format!("{part}/{number}"))).unwrap();
                }
                // The driver gets its turn, for some of them.
                let mut is_first = true;
                futures::future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
            }
        })
        .unwrap();
    pass(&timer, secs(1));
    assert_eq!(group.status().leading, 1500);
}
