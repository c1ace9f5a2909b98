//! A server that is far away.

use std::time::Duration;

use lessor::storage::{Acquired, Claim, Get, Renewed, Reply, Request};
use lessor::{Builder, Event, Storage, StorageExt, Term};
use lessor_mysql::MySqlStorage;
use lessor_servers::asking::soon;
use lessor_servers::mysql::Server;
use lessor_servers::proxy::{Mode, Proxy};
use smol::block_on;

use crate::support::{claim, granted, now, release, renewal, storage};

/// Each way.
const DELAY: Duration = Duration::from_millis(100);

/// Requests as with a ttl of 3 s. A busy machine may be late more often than that would forgive.
const TTL: Duration = Duration::from_secs(10);
const BRIEF: Duration = Duration::from_millis(600);

/// With little time for each request somebody leads, and goes on: locks have a limit, answers have the candidate's patience.
#[test]
fn somebody_leads() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    block_on(async {
        let _ = storage(&server).await;
        proxy.set(Mode::Delay(DELAY));
        let storage = MySqlStorage::new(server.options().port(proxy.port()));
        let builder = Builder::new("k").ttl(TTL).request_timeout(BRIEF);
        let builder = builder.renew_interval(BRIEF).retry_interval(BRIEF);
        let (candidate, driver) = builder.build(storage.clone()).unwrap();
        let task = smol::spawn(driver.run());
        let leadership = candidate.elected().await.unwrap();
        let mut events = candidate.events();
        // In a row, on the same connections: one that is not heard of in time is made anew.
        let renewals = async {
            let (mut renewed, mut connected) = (0, 0);
            while renewed < 5 {
                let is_renewed = matches!(events.next().await.unwrap(), Event::Renewed { .. });
                let before = core::mem::replace(&mut connected, storage.traffic().connected);
                renewed = if connected == before { renewed + u32::from(is_renewed) } else { 0 };
            }
        };
        soon(renewals).await.unwrap_or_else(|| panic!("{:?}", storage.traffic()));
        assert!(leadership.is_valid() && leadership.term() == Term::FIRST, "the same reign");
        // After a silence what was idle meanwhile is made anew as well.
        let traffic = storage.traffic();
        assert!(traffic.connected <= 2 + 2 * traffic.silent, "{traffic:?}");
        candidate.shutdown().await.unwrap();
        task.await;
    });
}

/// What one key costs is what many cost: so many round trips, at the best of a few tries.
#[test]
fn round_trips() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    block_on(async {
        let _ = storage(&server).await;
        let storage = MySqlStorage::new(server.options().port(proxy.port()));
        // Everything is prepared on both connections.
        let _ = granted(storage.acquire(claim("first", 1)).await);
        while storage.traffic().connected < 2 {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        proxy.set(Mode::Delay(DELAY));
        let trips = async |batch: Vec<Request>, fits: fn(&Reply) -> bool| {
            let began = now();
            for reply in storage.call_all(batch).await {
                assert!(reply.as_ref().is_ok_and(fits), "{reply:?}");
            }
            (now() - began).as_millis() / (2 * DELAY).as_millis()
        };
        for count in [1, 20] {
            let mut least = [u128::MAX; 5];
            for round in 0..5 {
                let name = |number| format!("{count} {round} {number}");
                let claims: Vec<_> = (0..count).map(|number| claim(&name(number), 1)).collect();
                let of = |batch: &dyn Fn(&Claim) -> Request| claims.iter().map(batch).collect();
                let took = [
                    trips(of(&|claim| claim.clone().into()), |reply| {
                        matches!(reply, Reply::Acquired(Acquired::Granted { .. }))
                    }),
                    trips(of(&|claim| renewal(claim, Term::FIRST).into()), |reply| {
                        matches!(reply, Reply::Renewed(Renewed::Extended { .. }))
                    }),
                    trips(of(&|one| claim(one.key.as_str(), 2).into()), |reply| {
                        matches!(reply, Reply::Acquired(Acquired::Refused { .. }))
                    }),
                    trips(of(&|claim| Get::new(claim.key.clone()).into()), |reply| {
                        matches!(reply, Reply::Got(Some(_)))
                    }),
                    trips(of(&|claim| release(claim).into()), |reply| matches!(reply, Reply::Released)),
                ];
                for (least, took) in least.iter_mut().zip(took) {
                    *least = took.await.min(*least);
                }
            }
            assert_eq!(least, [2, 1, 1, 1, 1], "{count}");
        }
    });
}
