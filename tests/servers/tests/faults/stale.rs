//! Messages of a reign arrive when the next one has begun.

use std::time::Duration;

use crate::faulty::Faulty;
use futures::executor::block_on;
use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Takeover};
use lessor::{Builder, Event, Id, Key, StorageExt};
use lessor_servers::elections::Elections;
use lessor_servers::proxy::Mode;

use crate::behind_proxies;

/// With room for a busy machine, and no longer than Redis is told here.
const TTL: Duration = Duration::from_secs(4);

/// Whatever is said in the name of an old session or term changes nothing of the lease.
pub(crate) fn late<S: Faulty>() {
    let server = S::start();
    let storage = server.storage();
    let key = Key::new("stale").unwrap();
    let look = || block_on(storage.get(&key)).unwrap().unwrap();
    let (proxies, storages) = behind_proxies(&server, 2);
    let [first, second] = proxies.as_slice() else { unreachable!() };
    second.set(Mode::Cut);
    let quiet = |builder: Builder| builder.ttl(TTL).renew_interval(Duration::from_millis(600));
    let elections = Elections::start(&["stale"], storages, quiet);
    let (leader, old) = elections.leader();
    assert_eq!(leader, 0);

    // What it last sent is under way for longer than its lease lasts.
    first.set(Mode::HoldRequests);
    second.set(Mode::Pass);
    let (leader, term) = elections.wait("another leads", || Some(elections.leader()).filter(|(_, term)| *term > old));
    assert_eq!(leader, 1);
    let mark = elections.log().mark();
    let (id, session) = (Id::new("node-0").unwrap(), elections.first_session(0));
    let renewal = |term| Renewal::new(key.clone(), id.clone(), session, term, TTL);
    let claim = |after, takeover| Claim::new(key.clone(), id.clone(), session, TTL).after(after).takeover(takeover);
    // Whoever renews in between makes it try again; what had an effect would show each time.
    let mut tries = 0;
    elections.wait("nothing happens", || {
        tries += 1;
        assert!(tries < 20, "the lease moves: {:?}", look());
        let before = look();
        for stale in [old, term] {
            let renewed = block_on(storage.renew(renewal(stale))).unwrap();
            assert!(matches!(renewed, Renewed::Lost { lease: Some(_), .. }), "{renewed:?}");
        }
        block_on(storage.release(Release::new(key.clone(), session))).unwrap();
        for (after, takeover) in [
            (None, Takeover::Expired),
            (Some(old), Takeover::Expired),
            (Some(old), Takeover::Unchanged(before.version)),
        ] {
            let acquired = block_on(storage.acquire(claim(after, takeover))).unwrap();
            assert!(matches!(acquired, Acquired::Refused { .. }), "{acquired:?}");
        }
        let after = look();
        ((after.term, after.version) == (before.term, before.version)).then_some(())
    });
    first.set(Mode::Pass);
    elections.follows(0);

    // A release that is under way for as long.
    let lost = |event: &Event| matches!(event, Event::Lost { .. }).then_some(());
    second.set(Mode::HoldRequests);
    let asked = elections.candidate(1).clone();
    let resigned = std::thread::spawn(move || block_on(asked.resign()));
    elections.wait_for(1, mark, "it resigns", lost);
    let (leader, later) = elections.leader();
    assert!(leader == 0 && later > term, "{leader} {later}");
    let mark = elections.log().mark();
    second.set(Mode::Pass);
    resigned.join().unwrap().unwrap();
    elections.follows(1);
    let began = look();
    elections.wait("it renews", || (look().version.get() > began.version.get() + 1).then_some(()));
    assert_eq!(elections.leader(), (0, later));
    assert!(elections.log().since(mark).iter().all(|entry| lost(&entry.event).is_none()), "{}", elections.log());
    elections.finish();
}
