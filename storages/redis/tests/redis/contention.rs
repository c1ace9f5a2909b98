//! Many candidates at once, and clocks that step back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use lessor::StorageExt;
use lessor::storage::{Acquired, Takeover};
use lessor_redis::RedisStorage;
use lessor_servers::asking::Contest;
use lessor_servers::redis::{Keeps, Server};
use smol::block_on;

use crate::{claim, extended, granted, lasting, lease, now, renewal, storage};

/// R5: sixteen at once on leases that end all the time: every grant has a term of its own, and they grow.
#[test]
fn contention() {
    const ENOUGH: usize = 100;
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        storage(&server).await;
        let contest = Contest::begin(ENOUGH);
        let clients = (1..=16).map(|number| {
            let storage = RedisStorage::builder().wakeups(false).build(server.client());
            let contest = contest.clone();
            async move {
                let mut claim = lasting(Duration::from_millis(5), claim("k", number));
                let mut terms = Vec::new();
                while contest.goes_on() {
                    match storage.acquire(claim.clone()).await.unwrap() {
                        Acquired::Granted { term, .. } => {
                            terms.push(term);
                            contest.grant();
                            claim.after = Some(term);
                        }
                        Acquired::Refused { lease, .. } => claim.after = claim.after.max(lease.map(|lease| lease.term)),
                        other => panic!("{other:?}"),
                    }
                }
                terms
            }
        });
        let all = join_all(clients.map(smol::spawn)).await;
        let count: usize = all.iter().map(Vec::len).sum();
        for terms in &all {
            assert!(terms.is_sorted_by(|one, next| one < next));
        }
        let distinct: BTreeSet<_> = all.into_iter().flatten().collect();
        assert_eq!(distinct.len(), count);
        println!("{count} grants");
        assert!(count > ENOUGH, "{count}");
    });
}

/// R10: a stored expiry far ahead of the clock shows no more than the ttl, and goes to who saw it unchanged.
#[test]
fn an_hour_ahead() {
    const HOUR: Duration = Duration::from_secs(3600);
    const TTL: Duration = Duration::from_secs(5);
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let short = |session| lasting(TTL, claim("k", session));
        let term = granted(storage.acquire(short(1)).await);
        server.push_expiries(HOUR);
        let seen = lease(&storage, &short(1).key).await;
        assert_eq!(seen.time_left, TTL);
        let known = short(2).after(Some(term));
        let refused = storage.acquire(known.clone()).await.unwrap();
        assert!(matches!(refused, Acquired::Refused { retry_after, .. } if retry_after == TTL));
        let watched = known.takeover(Takeover::Unchanged(seen.version));
        let refused = storage.acquire(watched.clone().after(None)).await.unwrap();
        assert!(matches!(refused, Acquired::Refused { .. }));
        let next = granted(storage.acquire(watched).await);
        assert!(next > term);
        server.push_expiries(HOUR);
        extended(storage.renew(renewal(&short(2), next)).await);
        let record: String = server.ask(&["GET", "lessor:{10}:k"]);
        let fields: Vec<_> = record.split('\n').map(|field| field.parse::<u64>().unwrap_or_default()).collect();
        let clock: Vec<String> = server.ask(&["TIME"]);
        let ahead = fields[3].saturating_sub(clock[0].parse::<u64>().unwrap() * 1000);
        assert!(fields[2] == 5000 && ahead <= 6000, "a renewal brings it back to the clock: {ahead} {record:?}");
        // So does its own claim.
        server.push_expiries(HOUR);
        assert_eq!(granted(storage.acquire(short(2).after(Some(term))).await), next);
        assert_eq!(lease(&storage, &short(2).key).await.ttl, TTL);
    });
}

/// The age of a lease is that of its term: renewals and repeats keep it, a new term begins anew.
#[test]
fn ages() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let claim = claim("k", 1);
        let age = async || lease(&storage, &claim.key).await.age.expect("somebody holds it");
        let term = granted(storage.acquire(claim.clone()).await);
        // The server's clock runs between two looks by at least as much as this process waits.
        let pause = Duration::from_millis(50);
        let grain = Duration::from_millis(2);
        smol::Timer::after(pause).await;
        extended(storage.renew(renewal(&claim, term)).await);
        assert_eq!(granted(storage.acquire(claim.clone()).await), term, "repeated");
        let first = age().await;
        assert!(first + grain >= pause, "{first:?}");

        let before = now();
        assert!(granted(storage.acquire(claim.clone().after(Some(term))).await) > term);
        let second = age().await;
        assert!(second <= now() - before + grain, "{second:?}");
        storage.release(crate::release(&claim)).await.unwrap();
        assert_eq!(lease(&storage, &claim.key).await.age, None, "nobody holds it");
    });
}
