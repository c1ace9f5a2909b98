//! The server's clock steps back by an hour: each stored expiry is that far ahead.

use crate::faulty::Dated;
use futures::executor::block_on;
use lessor::{Key, StorageExt};
use lessor_servers::elections::{Elections, now};
use lessor_servers::proxy::Mode;

use crate::{TTL, behind_proxies, short};

/// A lease lasts no longer than its ttl. The leader goes on; when it does not, another leads.
pub(crate) fn an_hour_back<S: Dated>() {
    let server = S::start();
    let storage = server.storage();
    let left = || block_on(storage.get(&Key::new("first").unwrap())).unwrap().unwrap().time_left;
    let (proxies, storages) = behind_proxies(&server, 3);
    let mut elections = Elections::start(&["first", "second"], storages, short);
    // One ttl and margin: so long has the lease to be seen unchanged.
    let seen = TTL + elections.config().margin;

    let _ = elections.leader();
    server.push_expiries();
    assert!(left() <= TTL);
    elections.all_led_after(now(), seen);

    // The leader cannot renew, and goes on until its deadline.
    let (leader, term) = elections.leader();
    proxies[leader].set(Mode::Cut);
    server.push_expiries();
    assert!(left() <= TTL);
    elections.all_led_after(now(), seen);
    let (other, later) =
        elections.wait("another leads", || Some(elections.leader()).filter(|(_, later)| *later > term));
    assert_ne!(other, leader);
    proxies[leader].set(Mode::Pass);
    elections.follows(leader);

    // Its process is gone.
    elections.kill(other);
    server.push_expiries();
    assert!(left() <= TTL);
    elections.all_led_after(now(), seen);
    assert!(elections.leader().1 > later);
    elections.finish();
}
