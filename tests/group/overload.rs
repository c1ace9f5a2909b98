//! R20: what a group does where its renewals do not all get through in time.

use futures::FutureExt as _;
use lessor::storage::{Acquired, Renewed, Reply, Request, Version};
use lessor::{Builder, Event, Group, GroupEvent, ManualTimer, StorageError, Term, Timer};

use crate::faulty::{entropy, ms, secs};
use crate::watched::{Watched, Withheld, group, pass, running};

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
