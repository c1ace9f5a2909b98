//! How often the store is asked.

use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Acquired, Claim, Renewal, Session};
use lessor::{Id, Key, Storage, StorageExt, Term};
use lessor_objects::ObjectStorage;

use crate::spy::{Ignores, Spy};

const TTL: Duration = Duration::from_secs(10);

fn claim(number: u128) -> Claim {
    let id = Id::new(format!("{number}")).unwrap();
    Claim::new(Key::new("jobs/nightly").unwrap(), id, Session::from_bits(number), TTL)
}

#[test]
fn one_request_each() {
    let spy = Spy::new(Ignores::None);
    let (a, b) = (ObjectStorage::new(spy.clone()), ObjectStorage::new(spy.clone()));
    assert!(matches!(block_on(a.acquire(claim(1))), Ok(Acquired::Granted { .. })));
    let name = "lessor/jobs=2Fnightly";
    let probe = "put lessor/=probe";
    let first = ["get ".to_owned() + name, probe.into(), probe.into(), probe.into(), "put ".to_owned() + name];
    assert_eq!(spy.asked(), first, "the first write of a storage tries whether conditions are kept");

    let Claim { key, id, session, .. } = claim(1);
    drop(block_on(a.renew(Renewal::new(key, id, session, Term::FIRST, TTL))).unwrap());
    assert_eq!(spy.asked(), ["put ".to_owned() + name], "a renewal");
    for _ in 0..3 {
        assert!(matches!(block_on(b.acquire(claim(2))), Ok(Acquired::Refused { .. })));
        assert_eq!(spy.asked(), ["get ".to_owned() + name], "a poll");
    }
}

#[test]
fn a_check_is_a_few_requests() {
    let spy = Spy::new(Ignores::None);
    for (puts, why) in [(3, "the first one creates the probe"), (2, "later ones find it")] {
        block_on(ObjectStorage::new(spy.clone()).check()).unwrap();
        assert_eq!(spy.asked(), vec!["put lessor/=probe"; puts], "{why}");
    }
}
