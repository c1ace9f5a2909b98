//! A request is applied, and the connection is reset instead of an answer.

use std::thread;
use std::time::Duration;

use crate::faulty::Faulty;
use futures::executor::block_on;
use lessor::storage::{Acquired, Claim, Operation, Release, Renewal, Session};
use lessor::{Builder, Event, Id, Key, Storage, StorageExt};
use lessor_servers::elections::Elections;
use lessor_servers::proxy::Mode;

use crate::{TTL, behind_proxies};

/// What is asked again has the same term; a lost reply ends no reign, and a repeated release releases nobody else.
pub(crate) fn replies_lost<S: Faulty>() {
    let server = S::start();
    let storage = server.storage();
    let key = Key::new("in-doubt").unwrap();
    let look = || block_on(storage.get(&key)).unwrap();
    // Redis answers that a script is new to it where it is run for the first time, which applies nothing.
    block_on(run_all(&*storage));
    let (proxies, storages) = behind_proxies(&server, 2);
    let [first, second] = proxies.as_slice() else { unreachable!() };
    let claims = Mode::ResetAfterRequest(vec![b"node-0".to_vec()]);
    // Whoever resigns does not come back before the other, however slow the machine is: what it asks is answered to nobody.
    let room = |builder: Builder| {
        builder.ttl(Duration::from_secs(4)).renew_interval(Duration::from_millis(400)).cool_off(Duration::from_secs(30))
    };
    first.set(claims.clone());
    second.set(Mode::Cut);
    let elections = Elections::start(&["in-doubt"], storages, room);
    let failed = |wanted: Operation| {
        move |event: &Event| match event {
            Event::StorageFailed { operation, .. } if *operation == wanted => Some(()),
            _ => None,
        }
    };

    // It was granted the lease, and does not know.
    let granted = elections.wait("a claim is granted", || (first.resets() > 0).then(look).flatten());
    elections.wait_for(0, 0, "a claim fails", failed(Operation::Acquire));
    elections.wait("it is granted again", || look().filter(|lease| lease.version > granted.version));
    assert!(!elections.candidate(0).is_leader());
    first.set(Mode::Pass);
    let (leader, term) = elections.leader();
    assert_eq!((leader, term), (0, granted.term), "{}", elections.log());

    // Likewise it was renewed.
    let (mark, resets, before) = (elections.log().mark(), first.resets(), look().unwrap());
    first.set(claims);
    elections.wait_for(0, mark, "a renewal fails", failed(Operation::Renew));
    // Where requests share a connection, the server may have answered something else before it applied the first.
    elections.wait("one was applied", || (look().unwrap().version > before.version).then_some(()));
    assert!(first.resets() > resets, "{}", elections.log());
    first.set(Mode::Pass);
    elections.wait("the storage answers again", || (elections.candidate(0).status().failures == 0).then_some(()));
    assert_eq!(elections.leader(), (0, term), "{}", elections.log());

    // And it has released, while another waits.
    second.set(Mode::Pass);
    elections.follows(1);
    let release = S::in_a_release(elections.first_session(0), "node-0");
    let mark = elections.log().mark();
    first.set(Mode::ResetAfterRequest(release));
    let later = thread::scope(|scope| {
        let resigned = scope.spawn(|| block_on(elections.candidate(0).resign()));
        elections.wait_for(0, mark, "the release fails", failed(Operation::Release));
        let (other, later) = elections.leader();
        assert!(other == 1 && later > term, "{other} {later}\n{}", elections.log());
        first.set(Mode::Pass);
        resigned.join().unwrap().unwrap();
        later
    });
    let began = look().unwrap();
    elections.wait("the other renews", || look().filter(|lease| lease.version.get() > began.version.get() + 2));
    assert_eq!(elections.leader(), (1, later), "{}", elections.log());
    assert_eq!(elections.log().since(mark).iter().filter(|entry| matches!(entry.event, Event::Lost { .. })).count(), 1);
    elections.finish();
}

async fn run_all(storage: &dyn Storage) {
    let (key, id, session) = (Key::new("other").unwrap(), Id::new("nobody").unwrap(), Session::from_bits(1));
    let claim = Claim::new(key.clone(), id.clone(), session, TTL);
    let Acquired::Granted { term, .. } = storage.acquire(claim).await.unwrap() else { panic!("it is free") };
    let _ = storage.renew(Renewal::new(key.clone(), id, session, term, TTL)).await.unwrap();
    storage.release(Release::new(key, session)).await.unwrap();
}
