//! Candidates come and go, also within what others are told.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::{FutureExt as _, StreamExt as _};
use lessor::storage::{Acquired, Operation, Reply, Request, Version};
use lessor::{
    BuildError, Builder, Event, Group, GroupEvent, Key, ManualTimer, Storage, StorageError, Term, Wakeups, async_trait,
};

use crate::faulty::{entropy, ms, secs};
use crate::watched::{Watched, Withheld, group, pass, running};

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

/// A view sees the group while it goes on, and does not keep it.
#[test]
fn a_view_keeps_nothing() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, driver) = group("a", &storage);
    let view = group.downgrade();
    let (done, is_done) = futures::channel::oneshot::channel();
    timer.spawn(async move {
        driver.run().await;
        let _ = done.send(());
    });
    let again = view.upgrade().expect("it goes on");
    again.add(Builder::new("k")).unwrap();
    drop(again);
    pass(&timer, secs(1));
    assert_eq!((view.id(), view.id().as_str()), (group.id(), "a"));
    assert_eq!((view.status(), view.status().leading), (group.status(), 1));
    assert!(view.processes().is_empty(), "it is part of no spread");
    let added = timer.block_on(view.events().next()).unwrap();
    assert_eq!(added, Some(GroupEvent::Added(Key::new("k").unwrap())));
    assert!(format!("{view:?}").contains("leading: 1"), "{view:?}");
    drop(group);
    timer.block_on(is_done).unwrap().unwrap();
    let view = view.clone();
    assert!(view.upgrade().is_none());
    assert_eq!((view.status().candidates, view.id().as_str()), (0, "a"));
    assert_eq!(timer.block_on(view.events().next()).unwrap(), None);
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

/// Who is told of an election, and asks for the reigns before the group has told of it, is given that one once.
#[test]
fn a_reign_comes_once() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 0);
    let candidate = group.add(Builder::new("k")).unwrap();
    let (told, begun) = (group.clone(), Arc::new(Mutex::new(None)));
    let result = begun.clone();
    let work = Arc::new(PolledAtOnce(Mutex::new(Some(Box::pin(async move {
        let mut reigns = told.reigns();
        let first = reigns.next().now_or_never();
        *result.lock().unwrap() = Some((first, reigns));
    })))));
    let mut elected = pin!(candidate.elected());
    assert!(elected.as_mut().poll(&mut Context::from_waker(&work.into())).is_pending());
    pass(&timer, secs(1));
    let (first, mut reigns) = begun.lock().unwrap().take().expect("it leads");
    assert_eq!(first.flatten().unwrap().term(), Term::FIRST);
    assert!(reigns.next().now_or_never().is_none(), "the same again");
    // The next one comes, once as well.
    timer.block_on(candidate.resign()).unwrap().unwrap();
    let second = timer.block_on(reigns.next()).unwrap().unwrap();
    assert_eq!(second.term().get(), 2);
    pass(&timer, secs(1));
    assert!(reigns.next().now_or_never().is_none());
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
                let _ = asked.now_or_never();
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
