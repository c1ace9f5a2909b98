//! The server itself fails.

use std::time::Duration;

use crate::faulty::Faulty;
use lessor::{Event, LostReason};
use lessor_servers::elections::{Elections, now, sleep_until};

use crate::{TTL, short};

/// Killed and started again, three times, while elections run.
pub(crate) fn killed<S: Faulty>() {
    let server = S::start();
    let storages = (0..3).map(|_| server.storage()).collect();
    let elections = Elections::start(&["first", "second", "third"], storages, short);
    let _ = elections.leader();
    for _ in 0..3 {
        server.crash();
        elections.all_led_after(now(), S::FROZEN);
    }
    elections.finish();
}

/// A server that stands still makes no leader last longer; when it goes on, somebody leads in a later term.
pub(crate) fn paused<S: Faulty>() {
    let server = S::start();
    let storages = (0..3).map(|_| server.storage()).collect();
    let elections = Elections::start(&["first", "second"], storages, short);
    // First: on a busy machine a term may be over as soon as it is seen.
    let began = elections.log().mark();
    let (leader, term) = elections.leader();
    server.pause();
    let paused = now();
    let mark = elections.log().mark();
    let failed = |event: &Event| matches!(event, Event::StorageFailed { .. }).then_some(());
    elections.wait_for(leader, mark, "a request of the leader is not answered", failed);
    // Nothing that is answered from now on can move its deadline; and it needs nobody to tell it that this has passed.
    let starved = elections.starve(leader);
    let deadline = elections.candidate(leader).status().deadline.unwrap_or(paused);
    sleep_until(deadline);
    assert!(!elections.candidate(leader).is_leader(), "it leads after its deadline");
    drop(starved);
    let lost = |event: &Event| match event {
        Event::Lost { term: over, reason, .. } if *over == term => Some(*reason),
        _ => None,
    };
    assert_eq!(elections.wait_for(leader, began, "its term is lost", lost), LostReason::Expired);
    sleep_until(paused.saturating_add(TTL * 2));
    assert!(elections.nobody_leads());
    server.resume();
    elections.all_led_after(now(), Duration::ZERO);
    assert!(elections.leader().1 > term);
    elections.finish();
}
